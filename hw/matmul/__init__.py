"""Generators of low-bit matrix arithmetic."""
