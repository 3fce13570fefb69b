"""Generate the score normalizers of attention."""
