"""Generators of the score normalisers of attention."""
