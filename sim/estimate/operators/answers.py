"""Answers of the estimator: costs of a unit, or of anyone's design, and what they hold for."""

from dataclasses import dataclass
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds

__all__ = [
    "AssumedActivity",
    "CalibrationState",
    "EstimatedRung",
    "GivenActivity",
    "LayoutBasis",
    "PathStep",
    "RtlCalibration",
    "RtlEstimate",
    "UnitEstimate",
]


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
class EstimatedRung(Facts):
    """Estimated costs on one rung of the way from mapped cells to a layout."""

    rung: str  # "cells" or "layout"
    area_um2: Interval  # of the cells
    core_um2: Interval | None  # of the rows that the cells are placed in; None: not placed
    path_ns: Interval
    energy_pj: Interval  # per result; of anyone's design dynamic, per clock cycle
    leakage_w: Interval


@dataclass(frozen=True, kw_only=True)
class LayoutBasis(Facts):
    """The layouts that factors from mapped cells to the layout come from."""

    date: str  # of the newest
    designs: int
    of_unit: bool  # whether the unit is among them; else its intervals are wider
    extrapolated: bool  # whether the area is more than twice the largest of them


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
    core_um2: Interval | None  # of the rows that cells are placed in; None: on mapped cells
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
    rung: str  # that all figures are of: "cells" or "layout"
    ladder: tuple[EstimatedRung, ...]  # up to it
    layout: LayoutBasis | None  # None: figures are of mapped cells
    no_layout: str | None  # why they are


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
    core_um2: Interval | None  # of the rows that cells are placed in; None: on mapped cells
    path_ns: Interval
    energy_cycle_pj: Interval  # dynamic, per clock cycle
    leakage_w: Interval
    census_bits: dict[str, int]  # output bits by kind of operator
    path: tuple[PathStep, ...]
    activity: AssumedActivity
    level: float  # probability of the intervals
    basis: str
    calibration: RtlCalibration
    rung: str  # that all figures are of: "cells" or "layout"
    ladder: tuple[EstimatedRung, ...]  # up to it
    layout: LayoutBasis | None  # None: figures are of mapped cells
    no_layout: str | None  # why they are
    front_ends: FrontEnds | None = None  # how simulator and synthesizer read it, where compared
