"""The analytical model: area, longest path, energy and leakage from an operator census."""
