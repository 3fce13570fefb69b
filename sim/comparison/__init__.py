"""Compare units that do the same work: what each costs and how exact it is, run alike."""
