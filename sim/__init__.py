"""Everything that is run or counted: verification, silicon, estimates, memory, accelerators."""
