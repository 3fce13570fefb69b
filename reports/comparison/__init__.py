"""What units cost that do the same work, next to one another."""
