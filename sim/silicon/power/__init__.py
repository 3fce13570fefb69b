"""Power of a mapped netlist from Liberty tables and switching activity."""
