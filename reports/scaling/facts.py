"""Facts of the report on scaling: predicted beside measured, and ConSmax beside its paper."""

import tomllib
from pathlib import Path
from statistics import median
from typing import Any

from consilico.sim.estimate.nodes.measure import MeasuredUnit, measured_table
from consilico.sim.estimate.nodes.prediction import (
    BASE,
    ScaledFigure,
    error_bar,
    predictions,
    scale_figures,
    spread,
)
from consilico.sim.estimate.nodes.scaling import Technology, sources, technology

__all__ = ["SHOWN", "scaling_facts"]

SHOWN = ("area", "delay", "energy")
_FIGURES = {"area": "area_um2", "delay": "path_ns", "energy": "energy_pj"}  # of a measured row
_CONSMAX = ("consmax/paper", "consmax/split", "consmax/log2")
_SCALED_TO = ("22nm", "16nm")
_MEASURED_IN = "sky130hd"  # beside what the paper has for 130 nm


def scaling_facts() -> dict[str, Any]:
    """All of it, JSON-able, from checked-in tables alone.

    Returns:
        ``base`` (the kit scaled from), ``kits`` (conditions by kit), ``rows`` (a unit each: its
        ``base`` figures, and by kit and quantity ``predicted``, ``measured``, ``error_pct`` and
        ``ratio``), ``errors`` (their distribution by kit and quantity), ``bars`` (the error bar of
        any other node, scaling down), ``consmax`` and ``sources``.
    """
    table = measured_table()
    return {
        "base": BASE,
        "kits": {
            row.pdk: {
                key: getattr(row, key)
                for key in ("node_nm", "corner", "voltage_v", "clock_ns", "tools")
            }
            for row in table
        },
        "dates": sorted({row.date for row in table}),
        "recipes": sorted({row.recipe for row in table}),
        "rows": _rows(),
        "errors": _errors(),
        "bars": _bars(),
        "consmax": _consmax(),
        "sources": sources(),
    }


def _others() -> list[str]:
    """The kits that are scaled to."""
    return [name for name in dict.fromkeys(row.pdk for row in measured_table()) if name != BASE]


def _rows() -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {
        row.unit: {
            "unit": row.unit,
            "config": row.config,
            "source": row.source,
            "operation": row.operation,
            "base": {quantity: getattr(row, figure) for quantity, figure in _FIGURES.items()},
            "kits": {},
        }
        for row in measured_table()
        if row.pdk == BASE
    }
    for one in (one for pdk in _others() for one in predictions(BASE, pdk)):
        if one.quantity in SHOWN:
            rows[one.unit]["kits"].setdefault(one.pdk, {})[one.quantity] = {
                "predicted": one.predicted,
                "measured": one.measured,
                "error_pct": one.error_pct,
                "ratio": one.ratio,
            }
    return list(rows.values())


def _errors() -> list[dict[str, Any]]:
    """A row for each kit and quantity."""
    found = []
    for pdk in _others():
        for quantity in SHOWN:
            own = [one for one in predictions(BASE, pdk) if one.quantity == quantity]
            found.append(
                {
                    "pdk": pdk,
                    "quantity": quantity,
                    **spread([one.ratio for one in own], [(BASE, pdk)]).to_json(),
                    "median_error_pct": median(abs(one.error_pct) for one in own),
                    "worst_error_pct": max((one.error_pct for one in own), key=abs),
                }
            )
    return found


def _bars() -> list[dict[str, Any]]:
    """What a node gets that is no kit, scaling down."""
    found = []
    for quantity in SHOWN:
        bar = error_bar(quantity, technology(BASE), technology(_SCALED_TO[0]))
        if bar is not None:
            found.append({"quantity": quantity, **bar.to_json()})
    return found


def _consmax() -> dict[str, Any]:
    """The paper's figures, and ours: scaled to its nodes, and measured at 130 nm."""
    published = tomllib.loads(Path(__file__).with_name("consmax_published.toml").read_text())
    rows = {(row.unit, row.pdk): row for row in measured_table()}
    ours = []
    for name in _SCALED_TO:
        for unit in _CONSMAX:
            row = rows[unit, BASE]
            given = {
                "area_um2": row.area_um2,
                "delay_ns": row.path_ns,
                "energy_pj": row.energy_pj,
            }
            found = scale_figures(technology(BASE), technology(name), given)
            figures = {key: _valued(figure) for key, figure in found.figures.items()}
            method = found.figures["area_um2"].method
            ours.append(_place(unit, found.target, figures, "estimated", method))
    for unit in _CONSMAX:
        row = rows[unit, _MEASURED_IN]
        figures = {
            "area_um2": _exact(row.area_um2),
            "delay_ns": _exact(row.path_ns),
            "energy_pj": _exact(row.energy_pj),
        }
        ours.append(_place(unit, row, figures, "measured", f"{row.pdk}, {row.corner}"))
    return {
        "citation": published["citation"],
        "caveat": published["caveat"],
        "published": [
            figure | {"energy_pj": figure["power_mw"] / figure["clock_ghz"]}
            for figure in published["figure"]
        ],
        "ours": ours,
        "measured_at": rows[_CONSMAX[0], BASE].clock_ns,
    }


def _place(
    unit: str, place: Technology | MeasuredUnit, figures: dict[str, Any], basis: str, how: str
) -> dict[str, Any]:
    return {
        "unit": unit,
        "node_nm": place.node_nm,
        "voltage_v": place.voltage_v,
        **figures,
        "basis": basis,
        "how": how,
    }


def _valued(figure: ScaledFigure) -> dict[str, Any]:
    bar = figure.by_our_units
    ends = {key: bar and getattr(bar, key) for key in ("low", "median", "high")}
    return {"value": figure.value, **ends}


def _exact(value: float) -> dict[str, Any]:
    return {"value": value, "low": None, "median": None, "high": None}
