"""Switching activity of nets: recorded by simulation, or read from VCD, FST and SAIF files."""
