"""Area, longest path, energy and leakage of configurations, without synthesis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.estimate.operators.calibration_state import units_measured_otherwise
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.fit import predict
from consilico.sim.estimate.operators.ordinary import ORDINARY, rtl_census, same_rate
from consilico.sim.estimate.operators.tables import (
    OperandTraffic,
    groups,
    metric_features,
    read_calibration,
)
from consilico.sim.estimate.operators.unit_census import unit_census
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds
from consilico.sim.rtlsim.foreign.sources import Sources
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = [
    "AssumedActivity",
    "CalibrationState",
    "GivenActivity",
    "PathStep",
    "RtlCalibration",
    "RtlEstimate",
    "UnitEstimate",
    "estimate",
    "estimate_many",
    "estimate_rtl",
]

Operands = Mapping[str, Mapping[str, float]]
_LEAST = {"toggle_rate": 0.0, "sign_correlation": -1.0}  # of what is said of an operand
_FAR = 2.0  # beyond so many times the largest area fitted, an estimate is called extrapolated
_RUNG = "cells"  # of the implementations that costs are fitted to
_BEATS = 1024  # of traffic, about, to take statistics of
_MEASURES = ("area_um2", "path_ns", "energy_pj", "energy_per_operation_pj", "leakage_w")


@dataclass(frozen=True, kw_only=True)
class GivenActivity(Facts):
    """The traffic that an estimate of a unit holds for."""

    source: str  # of the traffic, or "given"
    operands: dict[str, dict[str, float]]  # toggle_rate and sign_correlation by operand


@dataclass(frozen=True, kw_only=True)
class CalibrationState(Facts):
    """The calibration that an estimate of a unit comes from."""

    date: str
    tools: dict[str, str]  # versions by name
    other_verilog: bool  # whether the unit was measured with other Verilog than is generated now


@dataclass(frozen=True, kw_only=True)
class UnitEstimate(Facts):
    """Estimated costs of one configuration of a unit in one kit, and what they hold for."""

    unit: str
    config: dict[str, Any]  # field values by name
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that leakage is spread over
    area_um2: Interval
    path_ns: Interval
    energy_pj: Interval  # per result
    energy_per_operation_pj: Interval
    leakage_w: Interval
    operation: str
    operations_per_result: float
    activity: GivenActivity
    level: float  # probability of the intervals
    extrapolated: bool  # whether the area is more than twice the largest that was fitted to
    basis: str  # "calibrated", or "operators" for a unit that was not in the fit
    calibration: CalibrationState
    rung: str  # of an implementation, that the costs were fitted to


@dataclass(frozen=True, kw_only=True)
class PathStep(Facts):
    """One operator on the longest path of a design."""

    kind: str
    width: int  # in bits
    levels: int  # how often it is passed


@dataclass(frozen=True, kw_only=True)
class AssumedActivity(Facts):
    """The toggle rate, per bit and cycle, that an estimate of anyone's design assumes."""

    source: str
    toggle_rate: float


@dataclass(frozen=True, kw_only=True)
class RtlCalibration(Facts):
    """The calibration that an estimate of anyone's design comes from."""

    date: str
    tools: dict[str, str]  # versions by name


@dataclass(frozen=True, kw_only=True)
class RtlEstimate(Facts):
    """Estimated costs of anyone's design in one kit, and what they hold for."""

    top: str
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that the calibration was mapped for
    area_um2: Interval
    path_ns: Interval
    energy_cycle_pj: Interval  # dynamic, per clock cycle
    leakage_w: Interval
    census_bits: dict[str, int]  # output bits by kind of operator
    path: tuple[PathStep, ...]
    activity: AssumedActivity
    level: float  # probability of the intervals
    basis: str
    calibration: RtlCalibration
    rung: str  # of an implementation, that the costs were fitted to
    front_ends: FrontEnds | None = None  # how simulator and synthesizer read it, where compared


def estimate(
    unit: Unit,
    config: "Config",
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
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

    Returns:
        The costs. They are extrapolated where the area is more than twice the largest of the unit
        (of any unit, if it is not calibrated) that was fitted to.

    Raises:
        UserError: If the kit is not calibrated, or the source or a field is unknown.
    """
    calibration = read_calibration(pdk)
    source = source or _default_source(unit, pdk)
    traffic = _traffic(unit, [config], pdk, source)
    found = estimate_many(unit, [config], pdk, source, operands)
    known = unit.name in calibration.largest_um2
    largest_um2 = calibration.largest_um2.get(unit.name, max(calibration.largest_um2.values()))
    return UnitEstimate(
        unit=unit.name,
        config=config.to_json(),
        pdk=pdk,
        corner=calibration.corner,
        voltage_v=calibration.voltage_v,
        clock_ns=calibration.clock_ns,
        **{name: _interval(ends) for name, ends in found.items()},
        operation=unit.operation,
        operations_per_result=unit.operations_per_result(config, source),
        activity=GivenActivity(
            source="given" if operands else source, operands=_operands(unit, traffic, operands)
        ),
        level=calibration.level,
        rung=_RUNG,
        extrapolated=bool(found["area_um2"][0][0] > _FAR * largest_um2),
        basis="calibrated" if known else "operators",
        calibration=CalibrationState(
            date=calibration.date,
            tools=calibration.tools,
            other_verilog=known and bool(units_measured_otherwise(pdk, unit.name)),
        ),
    )


def estimate_many(
    unit: Unit,
    configs: Sequence["Config"],
    pdk: str = "nangate45",
    source: str | None = None,
    operands: Operands | None = None,
) -> dict[str, tuple[Any, Any, Any]]:
    """Return the same for many configurations of a unit at once.

    Returns:
        For each measure of :func:`estimate` three arrays of shape ``(configurations,)``: values,
        low and high ends.
    """
    calibration = read_calibration(pdk)
    source = source or _default_source(unit, pdk)
    traffic = _traffic(unit, configs, pdk, source)
    seen = _operands(unit, traffic, operands)
    factor = traffic.operations
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


def estimate_rtl(
    verilog: str | Sources,
    top: str,
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
    source: str = "the Verilog",
) -> RtlEstimate:
    """Return what a design would cost in a kit, from the operators of its elaborated form.

    Costs and intervals are those of :mod:`consilico.sim.estimate.operators.ordinary`.

    Args:
        verilog: All modules: Verilog-2005 and what Yosys reads of SystemVerilog.
        top: Module to start at.
        pdk: Name of a calibrated kit.
        toggle_rate: Toggles a bit and cycle of whatever data there is.
        source: What to call the text in messages.

    Returns:
        The costs, with the census and the longest path that they are made of; ``front_ends`` is
        left out.

    Raises:
        UserError: If the Verilog cannot be read or holds no operator, the kit is not calibrated,
            or the toggle rate is not in [0, 1].
    """
    if not 0 <= toggle_rate <= 1:
        raise UserError(f"the toggle rate must be in [0, 1], not {toggle_rate:g}")
    calibration = read_calibration(pdk)
    netlist = read_operators(verilog, top, source)
    census = rtl_census(netlist, calibration.plain.costs["path_ns"])
    found = census.totals()
    if not found:
        raise UserError(f"module {top!r} of {source} has no operator: nothing to estimate")
    operands = same_rate(toggle_rate)
    costs = {
        metric: _interval(predict(metric_features(census, metric, operands, 1), cost, ORDINARY))
        for metric, cost in calibration.plain.costs.items()
    }
    return RtlEstimate(
        top=top,
        pdk=pdk,
        corner=calibration.corner,
        voltage_v=calibration.voltage_v,
        clock_ns=calibration.clock_ns,
        area_um2=costs["area_um2"],
        path_ns=costs["path_ns"],
        energy_cycle_pj=costs["energy_pj"],
        leakage_w=costs["leakage_w"],
        census_bits={kind: int(bits) for kind, bits in found.items()},
        path=tuple(
            PathStep(kind=kind, width=int(width), levels=int(count))
            for kind, width, count in census.paths[0]
        ),
        activity=AssumedActivity(source="assumed", toggle_rate=toggle_rate),
        level=calibration.level,
        rung=_RUNG,
        basis="calibrated",
        calibration=RtlCalibration(date=calibration.date, tools=calibration.tools),
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
