"""What a model costs on a chip: pictures of ``consilico system``."""
