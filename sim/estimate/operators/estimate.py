"""Area, longest path, energy and leakage of configurations, without synthesis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.fit import predict
from consilico.sim.estimate.operators.tables import (
    groups,
    metric_features,
    read_calibration,
)
from consilico.sim.estimate.operators.unit_census import unit_census
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = ["estimate", "estimate_many"]

Operands = Mapping[str, Mapping[str, float]]
_FAR = 2.0  # beyond so many times the largest area fitted, an estimate is called extrapolated
_MEASURES = ("area_um2", "path_ns", "energy_pj", "energy_per_operation_pj", "leakage_w")


def estimate(
    unit: Unit,
    config: "Config",
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
) -> dict[str, Any]:
    """What a configuration of a unit would cost in a kit.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        pdk: Name of a calibrated kit.
        source: Traffic whose statistics hold; None for the unit's own first one.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload, either
            of them in place of that of the source.

    Returns:
        ``area_um2``, ``path_ns``, ``energy_pj`` (of a result), ``energy_per_operation_pj`` and
        ``leakage_w``, each with ``value``, ``low`` and ``high`` (the interval of ``level``),
        ``extrapolated``, whether the area is more than twice the largest of the unit that was
        fitted to, and what all this holds for.

    Raises:
        UserError: If the kit is not calibrated, or the source or a field is unknown.
    """
    calibration = read_calibration(pdk)
    source = source or next(iter(_traffic(unit, pdk)))
    found = estimate_many(unit, [config], pdk, source, operands)
    ends = ("value", "low", "high")
    return {
        "unit": unit.name,
        "config": config.to_json(),
        "pdk": pdk,
        "corner": calibration.corner,
        "voltage_v": calibration.voltage_v,
        "clock_ns": calibration.clock_ns,
        **{
            measure: {end: float(values[place][0]) for place, end in enumerate(ends)}
            for measure, values in found.items()
        },
        "operation": unit.operation,
        "operations_per_result": unit.operations_per_result(config, source),
        "activity": {
            "source": "given" if operands else source,
            "operands": _operands(unit, pdk, source, operands),
        },
        "level": calibration.level,
        "extrapolated": bool(found["area_um2"][0][0] > _FAR * calibration.largest_um2[unit.name]),
        "basis": "calibrated",
        "calibration": {"date": calibration.date, "tools": calibration.tools},
    }


def estimate_many(
    unit: Unit,
    configs: Sequence["Config"],
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
) -> dict[str, tuple[Any, Any, Any]]:
    """The same for many configurations of a unit at once.

    Returns:
        For each measure of :func:`estimate` three arrays of shape ``(configurations,)``: values,
        low and high ends.
    """
    calibration = read_calibration(pdk)
    source = source or next(iter(_traffic(unit, pdk)))
    seen = _operands(unit, pdk, source, operands)
    factor = calibration.traffic[unit.name][source]["operations"]
    result: dict[str, Any] = {
        name: tuple(np.zeros(len(configs)) for _ in range(3)) for name in _MEASURES
    }
    for batch, places in groups(unit, configs):
        census = unit_census(unit, batch, calibration.costs["path_ns"])
        count = len(places)
        values = {
            metric: predict(metric_features(census, metric, seen, count), cost, unit.name)
            for metric, cost in calibration.costs.items()
        }
        operations = batch.of(unit.operations_per_beat) * factor
        still = values["leakage_w"][0] * calibration.clock_ns * 1e3  # pJ a beat
        each = tuple((end + still) / operations for end in values["energy_pj"])
        values["energy_per_operation_pj"] = each
        length = batch.of(lambda config: unit.operations_per_result(config, source))
        values["energy_pj"] = tuple(end * length for end in each)
        for name, ends in values.items():
            for target, end in zip(result[name], ends, strict=True):
                target[places] = end
    return result


def _traffic(unit: Unit, pdk: str) -> dict[str, Any]:
    """What the calibration knows of a unit's traffic, by source."""
    known: dict[str, Any] | None = read_calibration(pdk).traffic.get(unit.name)
    if known is None:
        raise UserError(f"{unit.name} is not in the calibration of {pdk}")
    return known


def _operands(
    unit: Unit, pdk: str, source: str, given: Operands | None
) -> dict[str, dict[str, float]]:
    """Statistics of the operands in the traffic of a source, with those that are given."""
    sources = _traffic(unit, pdk)
    if source not in sources:
        raise UserError(
            f"unknown source of traffic {source!r} for {unit.name}; there are: {', '.join(sources)}"
        )
    known: dict[str, dict[str, float]] = sources[source]["operands"]
    if foreign := sorted(set(given or {}) - set(known)):
        names = ", ".join(known)
        raise UserError(f"{unit.name} has no operand {foreign[0]!r}; it has: {names}")
    return {name: {**values, **(given or {}).get(name, {})} for name, values in known.items()}
