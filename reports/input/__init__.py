"""Report section: the traffic that drives verification and power."""
