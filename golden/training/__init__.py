"""Arithmetic of Q-GaLore training: quantizers, stochastic rounding, optimizers."""
