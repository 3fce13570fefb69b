"""Mapping of Verilog to the cells of a kit with Yosys, and the proof that the netlist is right."""
