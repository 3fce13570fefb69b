"""Gate-level Verilog netlists, read into nets and instances."""
