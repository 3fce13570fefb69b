"""Report section: units that normalize attention scores, compared."""
