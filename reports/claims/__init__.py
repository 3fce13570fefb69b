"""Report section: published claims, checked."""
