"""The census of a unit: by its formulas, or read from its elaborated design.

``python -m consilico.sim.estimate.operators.unit_census UNIT [FIELD=VALUE ...]`` prints both.
"""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from consilico.hw.census import Batch, Census
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.operator_path import longest_steps, step_delays
from consilico.sim.units.catalogue import configure, find_unit, verilog

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.estimate.operators.fit import Cost
    from consilico.sim.estimate.operators.operator_netlist import OperatorNetlist
    from consilico.sim.units.unit import Unit

__all__ = ["both", "elaborated_census", "unit_census"]

_PAYLOAD = "i__payload"  # port of the input stream's payload in Amaranth's Verilog


def unit_census(unit: "Unit", batch: Batch, path: "Cost") -> Census:
    """Return the operators of configurations, and their longest paths.

    Args:
        unit: Its formulas are used where it has any; else the one configuration is elaborated.
        batch: The configurations; one where the unit has no formulas.
        path: Costs of paths, in ns, to choose the longest one of an elaborated design by.
    """
    if unit.census is not None:
        return unit.census(batch)
    (config,) = batch.configs
    return elaborated_census(unit, config, path)


def elaborated_census(unit: "Unit", config: "Config", path: "Cost") -> Census:
    """Return the operators of a configuration as they stand in its Verilog, and its longest path.

    Each is driven by the fields of the input payload that it depends on, directly or through
    registers. It is taken to work in every cycle but for what the structure says otherwise, as of
    words that are addressed (:meth:`.OperatorNetlist.census`).

    Raises:
        UserError: If Yosys is not there, or the Verilog has an operator without cost.
    """
    from consilico.sim.estimate.operators.operand_statistics import operand_places

    netlist = _netlist(unit, config)
    payload = netlist.inputs.get(_PAYLOAD, ())
    operands = {
        name: [net for low, width in places for net in payload[low : low + width]]
        for name, places in operand_places(unit, config).items()
    }
    census = netlist.census(operands)
    census.path(*longest_steps(netlist, step_delays(path)))
    return census


@lru_cache(maxsize=16)
def _operators(unit_name: str, module: str, text: str) -> "OperatorNetlist":
    from consilico.sim.estimate.operators.elaborate import read_operators

    return read_operators(text, module, unit_name, as_written=True)


def _netlist(unit: "Unit", config: "Config") -> "OperatorNetlist":
    return _operators(unit.name, unit.module_name, verilog(unit, config))


def both(unit: "Unit", config: "Config") -> dict[str, tuple[int, int]]:
    """Return by kind of operator its bits by the unit's formulas, and those in its Verilog.

    Raises:
        UserError: If the unit has no formulas.
    """
    if unit.census is None:
        raise UserError(f"{unit.name} has no census to compare with its Verilog")
    totals = unit.census(Batch([config])).totals()
    formula = {kind: round(float(np.sum(bits))) for kind, bits in totals.items()}
    found = {kind: int(bits) for kind, bits in _netlist(unit, config).census({}).totals().items()}
    return {kind: (formula.get(kind, 0), found.get(kind, 0)) for kind in {**found, **formula}}


def main() -> None:
    """Print both, for a unit and ``field=value`` settings."""
    unit = find_unit(sys.argv[1])
    for kind, (formula, found) in both(unit, configure(unit, sys.argv[2:])).items():
        print(f"{kind:12} {formula:8} {found:8}  {'' if formula == found else formula - found}")


if __name__ == "__main__":
    main()
