"""Report section: predicted next to measured area, path and energy."""
