"""What it would cost: analytical models, each with its error bar."""
