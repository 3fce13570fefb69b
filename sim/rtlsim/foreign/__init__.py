"""Anyone's RTL: read, elaborated, mapped to the streams of a unit, and verified as one."""
