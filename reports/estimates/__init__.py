"""Report section: predicted beside measured area, path and energy."""
