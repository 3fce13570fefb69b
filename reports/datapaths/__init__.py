"""Report section: low-bit matrix and training units."""
