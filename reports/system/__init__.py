"""Report section: a whole model on a chip of our units, from a score to a token."""
