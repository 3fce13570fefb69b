"""Which chips of a space are worth building: closed forms for all, measured units for the best."""
