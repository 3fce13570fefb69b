"""Search of a space for chips that are worth building: closed forms for all, units for the best."""
