"""Everything that runs: catalogue, RTL simulation, silicon, workloads, command line."""
