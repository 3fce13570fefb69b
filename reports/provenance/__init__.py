"""Report section: where the figures come from."""
