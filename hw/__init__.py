"""Say how it is built: Amaranth generators, one module per unit.

A unit's component takes the configuration that ``consilico.golden`` defines in the module of the
same name. Its ports are streams: ``i`` for operands, ``o`` for results and, where there are
run-time constants, ``cfg``.
"""
