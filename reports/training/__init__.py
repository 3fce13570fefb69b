"""Report section: losses of small trainings."""
