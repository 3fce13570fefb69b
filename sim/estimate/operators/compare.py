"""Print the formulas of a unit next to what its Verilog says.

``python -m consilico.sim.estimate.operators.compare UNIT [FIELD=VALUE ...]``
"""

import sys
from typing import TYPE_CHECKING

import numpy as np

from consilico.hw.census import Batch
from consilico.sim.estimate.operators.dataflow import read_dataflow
from consilico.sim.estimate.operators.rtl import rtl_census
from consilico.sim.estimate.operators.rtl_reader import read_design
from consilico.sim.estimate.operators.tables import unit_census
from consilico.sim.units.catalogue import configure, find_unit, verilog

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.unit import Unit

__all__ = ["both", "declared"]


def declared(unit: "Unit", config: "Config") -> dict[str, int]:
    """Bits of operators by kind, as the unit's formula has them."""
    totals = unit_census(unit, Batch([config])).totals()
    return {kind: round(float(np.sum(bits))) for kind, bits in totals.items()}


def both(unit: "Unit", config: "Config") -> dict[str, tuple[int, int]]:
    """By kind: bits by the unit's formula, and in its Verilog."""
    formula = declared(unit, config)
    text = verilog(unit, config)
    found = rtl_census(read_design(read_dataflow(text, unit.module_name, unit.name)))
    return {kind: (formula.get(kind, 0), found.get(kind, 0)) for kind in {**found, **formula}}


def main() -> None:
    """Print both, for a unit and ``field=value`` settings."""
    unit = find_unit(sys.argv[1])
    for kind, (formula, found) in both(unit, configure(unit, sys.argv[2:])).items():
        print(f"{kind:12} {formula:8} {found:8}  {'' if formula == found else formula - found}")


if __name__ == "__main__":
    main()
