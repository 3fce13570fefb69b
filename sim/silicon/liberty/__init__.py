"""Liberty files: read, checked, merged, and turned into cell models for simulation."""
