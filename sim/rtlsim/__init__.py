"""Is it right? RTL simulation on Icarus and Verilator."""
