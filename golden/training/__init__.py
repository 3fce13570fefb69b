"""Specify the arithmetic of Q-GaLore training: quantizers, stochastic rounding and optimizers."""
