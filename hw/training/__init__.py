"""Generators of the arithmetic of Q-GaLore training."""
