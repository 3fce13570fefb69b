"""Process kits: where their files are, and which of their cells serve which purpose."""
