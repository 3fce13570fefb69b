"""Pictures of a space of chips."""
