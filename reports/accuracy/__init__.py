"""Charts of what normalizers do to the answers of a model."""
