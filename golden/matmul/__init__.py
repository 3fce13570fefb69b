"""Low-bit matrix arithmetic."""
