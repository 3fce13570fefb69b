"""Estimates for anyone's Verilog."""

import math
from typing import Any

from hw.census import KINDS, Census
from sim.errors import UserError
from sim.model.estimate.dataflow import read_dataflow
from sim.model.estimate.features import PATH_FEATURES
from sim.model.estimate.fit import Cost, predict
from sim.model.estimate.rtl import rtl_census
from sim.model.estimate.rtl_path import longest_steps
from sim.model.estimate.rtl_reader import read_design
from sim.model.estimate.tables import metric_features, read_calibration

__all__ = ["estimate_rtl"]

_OPERAND = "data"


def estimate_rtl(
    verilog: str,
    top: str,
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
    source: str = "the Verilog",
) -> dict[str, Any]:
    """What a design would cost in a kit, from the operators its data flow has.

    Intervals are those of units that were left out of the fit altogether.

    Args:
        verilog: Text of all modules, Verilog-2005.
        top: Module to start at.
        pdk: Name of a calibrated kit.
        toggle_rate: Toggles a bit and cycle of whatever data there is.
        source: What to call the text in messages.

    Returns:
        ``area_um2``, ``path_ns``, ``energy_cycle_pj``, ``leakage_w``, each with ``value``, ``low``
        and ``high``; the census in ``census_bits`` and the longest path in ``path``.

    Raises:
        UserError: If the Verilog cannot be read or holds no operator, the kit is not calibrated,
            or the toggle rate is not in [0, 1].
    """
    if not 0 <= toggle_rate <= 1:
        raise UserError(f"the toggle rate must be in [0, 1], not {toggle_rate:g}")
    calibration = read_calibration(pdk)
    design = read_design(read_dataflow(verilog, top, source))
    found = rtl_census(design)
    if not found:
        raise UserError(f"module {top!r} of {source} has no operator: nothing to estimate")
    steps = longest_steps(
        design, lambda kind, width: _delay(calibration.costs["path_ns"], kind, width)
    )
    census = Census()
    for kind in KINDS:
        census.add(kind, found.get(kind, 0), (_OPERAND,))
    census.path(*steps)
    operands = {_OPERAND: {"toggle_rate": toggle_rate, "sign_correlation": 1 - 2 * toggle_rate}}
    result: dict[str, Any] = {}
    for metric, cost in calibration.costs.items():
        ends = predict(metric_features(census, metric, operands, 1), cost, "")
        values = dict(zip(("value", "low", "high"), (float(end[0]) for end in ends), strict=True))
        result["energy_cycle_pj" if metric == "energy_pj" else metric] = values
    return {
        "top": top,
        "pdk": pdk,
        "corner": calibration.corner,
        "voltage_v": calibration.voltage_v,
        "clock_ns": calibration.clock_ns,
        **result,
        "census_bits": found,
        "path": [{"kind": kind, "width": width, "levels": count} for kind, width, count in steps],
        "activity": {"source": "assumed", "toggle_rate": toggle_rate},
        "level": calibration.level,
        "basis": "calibrated",
        "calibration": {"date": calibration.date, "tools": calibration.tools},
    }


def _delay(cost: Cost, kind: str, width: int) -> float:
    """Delay of one step."""
    values = dict(zip(cost.names, cost.coefficients, strict=True))
    slope = values.get(f"{kind}, log2 of width", 0.0) * math.log2(max(1, width))
    return (values[kind] if kind in PATH_FEATURES else 0.0) + slope
