"""What a person reads: figures, templates, the builder, and the command line."""
