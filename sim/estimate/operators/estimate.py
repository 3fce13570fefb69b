"""Area, longest path, energy and leakage of configurations, without synthesis.

Figures are of the layout, with its wires, clock tree and glitches, where a kit was laid out; else,
or where asked for, of mapped cells.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from consilico.hw.census import Batch
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval
from consilico.sim.estimate.operators.answers import (
    AssumedActivity,
    CalibrationState,
    EstimatedRung,
    GivenActivity,
    LayoutBasis,
    PathStep,
    RtlCalibration,
    RtlEstimate,
    UnitEstimate,
)
from consilico.sim.estimate.operators.calibration_state import units_measured_otherwise
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.fit import predict
from consilico.sim.estimate.operators.ladder_factors import carry_to_layout, factor_features
from consilico.sim.estimate.operators.ordinary import ORDINARY, rtl_census, same_rate
from consilico.sim.estimate.operators.tables import (
    LayoutCosts,
    OperandTraffic,
    groups,
    metric_features,
    read_calibration,
    read_layout,
)
from consilico.sim.estimate.operators.unit_census import unit_census
from consilico.sim.rtlsim.foreign.sources import Sources
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = [
    "chosen_rung",
    "estimate",
    "estimate_many",
    "estimate_rtl",
    "estimated_costs",
    "layout_factors",
]

Operands = Mapping[str, Mapping[str, float]]
_LEAST = {"toggle_rate": 0.0, "sign_correlation": -1.0}  # of what is said of an operand
_FAR = 2.0  # beyond so many times the largest area fitted, an estimate is called extrapolated
_RUNGS = ("cells", "layout")  # that estimates are of
_BEATS = 1024  # of traffic, about, to take statistics of
_MEASURES = ("area_um2", "path_ns", "energy_pj", "energy_per_operation_pj", "leakage_w")


def estimate(
    unit: Unit,
    config: "Config",
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
    rung: str | None = None,
) -> UnitEstimate:
    """Return what a configuration of a unit would cost in a kit.

    A unit that is not in the kit's calibration is estimated with the costs of the operators alone,
    and intervals as wide as those of units left out of the fit.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        pdk: Name of a calibrated kit.
        source: Traffic whose statistics hold, one of the unit's sources; None for the first one
            that the unit is calibrated with.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload, either
            of them in place of that of the source.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Returns:
        The costs. They are extrapolated where the area is more than twice the largest of the unit
        (of any unit, if it is not calibrated) that was fitted to.

    Raises:
        UserError: If the kit is not calibrated, or the source, a field or the rung is unknown, or
            the kit was not laid out and a layout is asked for.
    """
    calibration = read_calibration(pdk)
    layout, why = chosen_rung(pdk, rung)
    source = source or _default_source(unit, pdk)
    traffic = _traffic(unit, [config], pdk, source)
    ladder = {
        each: {
            name: _interval(ends)
            for name, ends in estimate_many(unit, [config], pdk, source, operands, each).items()
        }
        for each in _RUNGS[: 1 if layout is None else 2]
    }
    last, found = list(ladder.items())[-1]
    mapped_um2 = ladder["cells"]["area_um2"].value
    known = unit.name in calibration.largest_um2
    largest_um2 = calibration.largest_um2.get(unit.name, max(calibration.largest_um2.values()))
    return UnitEstimate(
        unit=unit.name,
        config=config.to_json(),
        pdk=pdk,
        corner=calibration.corner,
        voltage_v=calibration.voltage_v,
        clock_ns=calibration.clock_ns,
        core_um2=found.get("core_um2"),
        **{name: found[name] for name in _MEASURES},
        operation=unit.operation,
        operations_per_result=unit.operations_per_result(config, source),
        activity=GivenActivity(
            source="given" if operands else source, operands=_operands(unit, traffic, operands)
        ),
        level=calibration.level,
        rung=last,
        ladder=tuple(_rung(each, costs) for each, costs in ladder.items()),
        layout=_layout_basis(layout, unit.name, mapped_um2),
        no_layout=why,
        extrapolated=mapped_um2 > _FAR * largest_um2,
        basis="calibrated" if known else "operators",
        calibration=CalibrationState(
            date=calibration.date,
            tools=calibration.tools,
            other_verilog=known and bool(units_measured_otherwise(pdk, unit.name)),
        ),
    )


def estimated_costs(
    unit: Unit, config: "Config", pdk: str, rung: str | None = None
) -> dict[str, Interval]:
    """Return the measures of :func:`estimate` by name, and nothing else.

    Whether the calibration is one of the Verilog that the tree generates now is not in it, for
    which that has to be generated: a tool that prices a chip in milliseconds does without.

    Raises:
        UserError: As :func:`estimate`.
    """
    found = estimate_many(unit, [config], pdk, rung=rung)
    return {name: _interval(ends) for name, ends in found.items()}


def estimate_many(
    unit: Unit,
    configs: Sequence["Config"],
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
    rung: str | None = None,
) -> dict[str, tuple[Any, Any, Any]]:
    """Return the same for many configurations of a unit at once.

    Returns:
        For each measure of :func:`estimate` three arrays of shape ``(configurations,)``: values,
        low and high ends; ``core_um2`` only on the layout.
    """
    calibration = read_calibration(pdk)
    layout, _ = chosen_rung(pdk, rung)
    measures = _MEASURES if layout is None else (*_MEASURES, "core_um2")
    source = source or _default_source(unit, pdk)
    traffic = _traffic(unit, configs, pdk, source)
    seen = _operands(unit, traffic, operands)
    factor = traffic.operations
    result: dict[str, Any] = {
        name: tuple(np.zeros(len(configs)) for _ in range(3)) for name in measures
    }
    for batch, places in groups(unit, configs):
        census = unit_census(unit, batch, calibration.costs["path_ns"])
        count = len(places)
        values = {
            metric: predict(metric_features(census, metric, seen, count), cost, unit.name)
            for metric, cost in calibration.costs.items()
        }
        if layout is not None:
            features = factor_features(census, seen, count, calibration.costs)
            values = carry_to_layout(values, calibration.costs, features, layout, unit.name)
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


def layout_factors(
    unit: Unit, config: "Config", pdk: str, source: str | None = None
) -> dict[str, Interval]:
    """Return how many times as much the layout of a configuration costs as its mapped cells.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        pdk: Name of a kit that was laid out.
        source: Traffic whose statistics hold; None as for :func:`estimate`.

    Returns:
        By quantity of :data:`consilico.sim.estimate.operators.ladder_factors.FACTORED`;
        ``core_um2`` relative to the area of the mapped cells.

    Raises:
        UserError: If the kit was not laid out, or the unit has no such source.
    """
    layout, _ = chosen_rung(pdk, "layout")
    assert layout is not None
    costs = read_calibration(pdk).costs
    source = source or _default_source(unit, pdk)
    operands = _operands(unit, _traffic(unit, [config], pdk, source), None)
    census = unit_census(unit, Batch([config]), costs["path_ns"])
    features = factor_features(census, operands, 1, costs)
    return {
        quantity: _interval(predict(features[quantity], cost, unit.name))
        for quantity, cost in layout.costs.items()
    }


def estimate_rtl(
    verilog: str | Sources,
    top: str,
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
    source: str = "the Verilog",
    rung: str | None = None,
) -> RtlEstimate:
    """Return what a design would cost in a kit, from the operators of its elaborated form.

    Costs and intervals are those of :mod:`consilico.sim.estimate.operators.ordinary`.

    Args:
        verilog: All modules: Verilog-2005 and what Yosys reads of SystemVerilog.
        top: Module to start at.
        pdk: Name of a calibrated kit.
        toggle_rate: Toggles a bit and cycle of whatever data there is.
        source: What to call the text in messages.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out. Factors to the
            layout are those of all units, with the intervals of one that was not laid out.

    Returns:
        The costs, with the census and the longest path that they are made of; ``front_ends`` is
        left out.

    Raises:
        UserError: If the Verilog cannot be read or holds no operator, the kit is not calibrated or
            not laid out where that is asked for, or the toggle rate is not in [0, 1].
    """
    if not 0 <= toggle_rate <= 1:
        raise UserError(f"the toggle rate must be in [0, 1], not {toggle_rate:g}")
    calibration = read_calibration(pdk)
    layout, why = chosen_rung(pdk, rung)
    plain = calibration.plain.costs
    netlist = read_operators(verilog, top, source)
    census = rtl_census(netlist, plain["path_ns"])
    bits = census.totals()
    if not bits:
        raise UserError(f"module {top!r} of {source} has no operator: nothing to estimate")
    operands = same_rate(toggle_rate)
    values = {
        metric: predict(metric_features(census, metric, operands, 1), cost, ORDINARY)
        for metric, cost in plain.items()
    }
    ladder = {"cells": {metric: _interval(ends) for metric, ends in values.items()}}
    if layout is not None:
        features = factor_features(census, operands, 1, plain)
        placed = carry_to_layout(values, plain, features, layout, ORDINARY)
        ladder["layout"] = {metric: _interval(ends) for metric, ends in placed.items()}
    last, costs = list(ladder.items())[-1]
    return RtlEstimate(
        top=top,
        pdk=pdk,
        corner=calibration.corner,
        voltage_v=calibration.voltage_v,
        clock_ns=calibration.clock_ns,
        area_um2=costs["area_um2"],
        core_um2=costs.get("core_um2"),
        path_ns=costs["path_ns"],
        energy_cycle_pj=costs["energy_pj"],
        leakage_w=costs["leakage_w"],
        census_bits={kind: int(count) for kind, count in bits.items()},
        path=tuple(
            PathStep(kind=kind, width=int(width), levels=int(count))
            for kind, width, count in census.paths[0]
        ),
        activity=AssumedActivity(source="assumed", toggle_rate=toggle_rate),
        level=calibration.level,
        rung=last,
        ladder=tuple(_rung(each, own) for each, own in ladder.items()),
        layout=_layout_basis(layout, ORDINARY, ladder["cells"]["area_um2"].value),
        no_layout=why,
        basis="calibrated",
        calibration=RtlCalibration(date=calibration.date, tools=calibration.tools),
    )


def chosen_rung(pdk: str, rung: str | None) -> tuple[LayoutCosts | None, str | None]:
    """Return a kit's factors to the layout, or why figures are of mapped cells.

    Args:
        pdk: Name of a calibrated kit.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Raises:
        UserError: If there is no such rung, or none such in the kit.
    """
    if rung not in (None, *_RUNGS):
        raise UserError(f"rung of an estimate must be {' or '.join(_RUNGS)}, not {rung!r}")
    if rung == "cells":
        return None, "asked for"
    layout = read_layout(pdk)
    if layout is not None:
        return layout, None
    from consilico.sim.silicon.kits.kit import has_wires

    why = "not laid out" if has_wires(pdk) else "no wires"
    if rung is not None:
        raise UserError(f"rung of an estimate must be cells in {pdk} ({why}), not {rung!r}")
    return None, why


def _layout_basis(layout: LayoutCosts | None, unit: str, mapped_um2: float) -> LayoutBasis | None:
    if layout is None:
        return None
    return LayoutBasis(
        date=layout.date,
        designs=layout.designs,
        of_unit=unit in layout.units,
        extrapolated=mapped_um2 > _FAR * layout.largest_um2,
    )


def _rung(rung: str, costs: Mapping[str, Interval]) -> EstimatedRung:
    return EstimatedRung(
        rung=rung,
        area_um2=costs["area_um2"],
        core_um2=costs.get("core_um2"),
        path_ns=costs["path_ns"],
        energy_pj=costs["energy_pj"],
        leakage_w=costs["leakage_w"],
    )


def _interval(ends: tuple[Any, Any, Any]) -> Interval:
    """Return the first configuration's value with its bounds."""
    return Interval(*(float(end[0]) for end in ends))


def _default_source(unit: Unit, pdk: str) -> str:
    """Return the first source in the calibration: its statistics are known without a model."""
    return next(iter(read_calibration(pdk).traffic.get(unit.name, {})), unit.measured_with[0])


def _traffic(unit: Unit, configs: Sequence["Config"], pdk: str, source: str) -> OperandTraffic:
    """Return what a source's traffic is like.

    It is that of the calibration or, for a unit or a source that is not in it, of a little traffic
    of the first configuration.

    Raises:
        UserError: If the unit has no such source.
    """
    known = read_calibration(pdk).traffic.get(unit.name, {})
    if source in known:
        return known[source]
    from consilico.sim.estimate.operators.operand_statistics import operand_statistics
    from consilico.sim.units.stimulus import Kind

    config = configs[0]
    stimulus = unit.traffic(config, source, _BEATS)
    beats = int((stimulus.kind == Kind.DATA).sum())
    return OperandTraffic(
        operations=stimulus.operations / beats / unit.operations_per_beat(config),
        operands=operand_statistics(unit, config, stimulus),
    )


def _operands(
    unit: Unit, traffic: OperandTraffic, given: Operands | None
) -> dict[str, dict[str, float]]:
    """Return statistics of the operands, with those that are given in place of the traffic's."""
    known = traffic.operands
    if foreign := sorted(set(given or {}) - set(known)):
        names = ", ".join(known)
        raise UserError(f"{unit.name} has no operand {foreign[0]!r}; it has: {names}")
    for name, values in (given or {}).items():
        for statistic, value in values.items():
            least = _LEAST.get(statistic)
            if least is None or not least <= value <= 1:
                accepted = " and ".join(f"{each} in [{low:g}, 1]" for each, low in _LEAST.items())
                raise UserError(f"operand {name} takes {accepted}, not {statistic} = {value}")
    return {name: {**values, **(given or {}).get(name, {})} for name, values in known.items()}
