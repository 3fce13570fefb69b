"""Generators of the score normalizers of attention."""
