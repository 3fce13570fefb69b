"""Estimate anyone's Verilog."""

from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.fit import predict
from consilico.sim.estimate.operators.ordinary import ORDINARY, rtl_census, same_rate
from consilico.sim.estimate.operators.sources import Sources
from consilico.sim.estimate.operators.tables import metric_features, read_calibration

__all__ = ["estimate_rtl"]


def estimate_rtl(
    verilog: str | Sources,
    top: str,
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
    source: str = "the Verilog",
) -> dict[str, Any]:
    """Return what a design would cost in a kit, from the operators of its elaborated form.

    Costs and intervals are those of :mod:`consilico.sim.estimate.operators.ordinary`.

    Args:
        verilog: All modules: Verilog-2005 and what Yosys reads of SystemVerilog.
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
    netlist = read_operators(verilog, top, source)
    census = rtl_census(netlist, calibration.plain["path_ns"])
    found = census.totals()
    if not found:
        raise UserError(f"module {top!r} of {source} has no operator: nothing to estimate")
    operands = same_rate(toggle_rate)
    result: dict[str, Any] = {}
    for metric, cost in calibration.plain.items():
        ends = predict(metric_features(census, metric, operands, 1), cost, ORDINARY)
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
        "path": [
            {"kind": kind, "width": width, "levels": count}
            for kind, width, count in census.paths[0]
        ],
        "activity": {"source": "assumed", "toggle_rate": toggle_rate},
        "level": calibration.level,
        "basis": "calibrated",
        "calibration": {"date": calibration.date, "tools": calibration.tools},
    }
