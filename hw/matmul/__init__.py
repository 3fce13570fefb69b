"""Generate low-bit matrix arithmetic: dot products, a systolic array and quantizers."""
