"""Specify the score normalizers of attention."""
