"""Score normalisers of attention."""
