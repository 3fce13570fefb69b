"""Arithmetic of Q-GaLore training: quantisers, stochastic rounding, optimisers."""
