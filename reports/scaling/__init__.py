"""Report section: figures carried over to other nodes."""
