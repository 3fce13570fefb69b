"""Generate the arithmetic of Q-GaLore training."""
