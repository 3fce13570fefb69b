"""Report section: training memory."""
