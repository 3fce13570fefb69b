"""Area, delay, energy and power of logic carried over to another technology node."""
