"""Measurements in a kit: the table that the costs of estimates are fitted to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from consilico.sim.base.facts import Facts

__all__ = [
    "FOLDER",
    "EnergyRun",
    "KitMeasurements",
    "MeasuredConfig",
    "MeasuredDesign",
    "read_measurements",
]

FOLDER = Path(__file__).parent / "calibration"


@dataclass(frozen=True, kw_only=True)
class EnergyRun(Facts):
    """The energy of a design on one stimulus."""

    correlation: float  # probability that a bit of an operand is kept from one cycle to the next
    energy_pj: float  # dynamic, per cycle


@dataclass(frozen=True, kw_only=True)
class MeasuredDesign(Facts):
    """A primitive, or an ordinary design, mapped and simulated."""

    name: str
    area_um2: float
    path_ns: float
    leakage_w: float
    runs: tuple[EnergyRun, ...]
    verilog_sha256: str


@dataclass(frozen=True, kw_only=True)
class MeasuredConfig(Facts):
    """A configuration of a unit, mapped and simulated on the traffic of one source."""

    unit: str
    config: dict[str, Any]  # field values by name
    source: str  # of its traffic
    purpose: Literal["fit", "test"]  # "test": costs are judged by it and not fitted to it
    area_um2: float
    path_ns: float
    leakage_w: float
    energy_beat_pj: float  # dynamic, per beat
    beats: int
    cycles: int
    results: int
    operations: int
    operands: dict[str, dict[str, float]]  # toggle_rate and sign_correlation by operand
    verilog_sha256: str


@dataclass(frozen=True, kw_only=True)
class KitMeasurements(Facts):
    """Everything that was measured in one kit."""

    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that netlists were mapped for
    liberty_sha256: str
    tools: dict[str, str]  # versions by name
    date: str  # of the newest measurement
    primitives: tuple[MeasuredDesign, ...] = ()
    designs: tuple[MeasuredDesign, ...] = ()  # ordinary ones
    configs: tuple[MeasuredConfig, ...] = ()

    @property
    def fitted(self) -> tuple[MeasuredConfig, ...]:
        """The configurations that costs are fitted to."""
        return tuple(row for row in self.configs if row.purpose == "fit")


def read_measurements(pdk: str) -> KitMeasurements:
    """Return the table of what was measured in a calibrated kit."""
    return KitMeasurements.from_json(json.loads((FOLDER / f"{pdk}.json").read_text()))
