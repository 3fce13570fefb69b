"""Report section: a training step on an accelerator of our units."""
