"""Language models, and the operand streams that they make for hardware."""
