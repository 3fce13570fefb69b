"""Report section: power by class, module and time."""
