"""How it is built: Amaranth generators, one component a module."""
