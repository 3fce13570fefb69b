"""What a design would cost: models of operators, memories and other nodes, with error bars."""
