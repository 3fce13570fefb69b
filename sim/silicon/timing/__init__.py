"""Static timing of mapped netlists with OpenSTA."""
