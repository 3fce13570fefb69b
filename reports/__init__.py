"""What a person reads: figures, templates and the builder."""
