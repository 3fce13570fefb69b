"""Area, delay and energy of logic carried over to another technology node."""
