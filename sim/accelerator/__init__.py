"""What a training step costs on an accelerator: arithmetic, traffic, area, energy, time."""
