"""Costs of a training step on an accelerator: arithmetic, traffic, area, energy, time."""
