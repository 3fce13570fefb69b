"""Section of the report on the memory that a training run needs."""
