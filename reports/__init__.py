"""Pages and pictures for people: figures, templates, the builder of the report."""
