"""Costs for Verilog that is not ours: fitted to operators alone and to ordinary designs.

The units' own costs would not do. Their Verilog is close to gates, much of which mapping saves;
ordinary Verilog, as people write it, leaves adders, multiplexers and comparisons whole. The twenty
designs in ``designs/`` share a factor, and each is predicted by a fit without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from consilico.hw.census import Census
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.fit import METRICS, Cost, Sample, fit_cost, left_out
from consilico.sim.estimate.operators.measurements import KitMeasurements, MeasuredDesign
from consilico.sim.estimate.operators.operator_netlist import OperatorNetlist
from consilico.sim.estimate.operators.operator_path import longest_steps, step_delays
from consilico.sim.estimate.operators.primitives import TOP, primitive_samples
from consilico.sim.estimate.operators.tables import (
    OrdinaryCosts,
    design_samples,
    feature_names,
)

__all__ = [
    "ORDINARY", "ORDINARY_DESIGNS", "OrdinaryDesign", "fit_ordinary",
    "rtl_census", "same_rate",
]  # fmt: skip

ORDINARY = "plain Verilog"  # stands for a unit: all designs share a factor
_FOLDER = Path(__file__).parent / "designs"
_OPERAND = "data"  # what makes everything toggle
_PASSES = 2  # the longest path depends on delays, which are fitted to it
_OPERANDS = {  # widths of a, b and c
    "alu": (16, 16, 3),
    "arbiter": (8,),
    "average": (10,),
    "clock": (2,),
    "cordic": (16, 16, 16),
    "crc": (8,),
    "decode": (32, 32),
    "divide": (16, 16, 1),
    "fifo": (8, 2),
    "fir": (12,),
    "mac": (8, 8, 1),
    "matrix": (32, 16),
    "normalize": (24,),
    "popcount": (32,),
    "registers": (16, 13),
    "rotate": (32, 5, 5),
    "scramble": (8,),
    "sine": (8, 8),
    "sort": (32,),
    "uart": (8, 1),
}


@dataclass(frozen=True)
class OrdinaryDesign:
    """One design, between operands that come from outside."""

    name: str
    operands: tuple[int, ...]  # widths

    @property
    def verilog(self) -> str:
        """The design's text; its top module is called :data:`primitives.TOP`."""
        text = (_FOLDER / f"{self.name}.v").read_text()
        return text.replace("module sample", f"module {TOP}")


ORDINARY_DESIGNS = tuple(OrdinaryDesign(name, operands) for name, operands in _OPERANDS.items())


@cache
def _operators(name: str) -> OperatorNetlist:
    (design,) = (item for item in ORDINARY_DESIGNS if item.name == name)
    return read_operators(design.verilog, TOP, name)


def rtl_census(netlist: OperatorNetlist, path: Cost) -> Census:
    """Return the operators of a design, all of which see the same data, and its longest path.

    Args:
        netlist: The design.
        path: Costs of paths, in ns, to choose the longest one by.
    """
    census = Census()
    for kind, bits in netlist.census({}).totals().items():
        census.add(kind, bits, (_OPERAND,))
    census.path(*longest_steps(netlist, step_delays(path)))
    return census


def same_rate(toggle_rate: float) -> dict[str, dict[str, float]]:
    """Return the statistics of data all of whose bits toggle at one rate."""
    return {_OPERAND: {"toggle_rate": toggle_rate, "sign_correlation": 1 - 2 * toggle_rate}}


def fit_ordinary(table: KitMeasurements, path: Cost) -> OrdinaryCosts:
    """Fit costs to a kit's measured primitives and ordinary designs.

    Args:
        table: What was measured in the kit.
        path: Costs of paths to choose the designs' longest paths by at first: those of the units.
    """
    designs = table.designs
    found = {metric: primitive_samples(table.primitives, metric) for metric in METRICS}
    for _ in range(_PASSES):
        censuses = {row.name: rtl_census(_operators(row.name), path) for row in designs}
        both = {
            metric: [*found[metric], *_samples(designs, censuses, metric)] for metric in METRICS
        }
        path = fit_cost(both["path_ns"], feature_names("path_ns"))
    costs = {metric: fit_cost(both[metric], feature_names(metric)) for metric in METRICS}
    return OrdinaryCosts(
        costs=costs,
        left_out={
            metric: {
                name: float(np.exp(-np.mean(residuals)))
                for name, residuals in left_out(both[metric])[ORDINARY].items()
            }
            for metric in METRICS
        },
    )


def _samples(
    rows: Sequence[MeasuredDesign], censuses: dict[str, Census], metric: str
) -> list[Sample]:
    def operands(correlation: float) -> dict[str, dict[str, float]]:
        return same_rate((1 - correlation) / 2)  # uniform where not kept

    return [
        sample
        for row in rows
        for sample in design_samples(row, censuses[row.name], metric, operands, ORDINARY)
    ]
