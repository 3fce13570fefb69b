"""Score normalizers of attention."""
