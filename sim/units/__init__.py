"""Catalogue entries, one module a family member."""
