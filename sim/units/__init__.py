"""Units: each module here that has ``UNITS`` is found by the catalogue."""
