"""Facts of the report on power: one unit by class and module, and its power over time."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.silicon.activity.gatesim import PERIOD_NS
from consilico.sim.silicon.gate_level import gate_level_power
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.power.accuracy import AccuracyTable
from consilico.sim.silicon.power.report import Power
from consilico.sim.silicon.synthesis.synthesize import map_once, recipes_of, yosys_files
from consilico.sim.units.catalogue import find_unit, verilog

__all__ = ["PeakWindow", "PowerFacts", "PowerOverTime", "UnitPower", "unit_power"]

_UNIT, _KIT, _CLOCK_NS, _SOURCE, _BEATS = "consmax/split", "nangate45", 4.0, "model", 2048
_WINDOW_CYCLES = 16
# As synthesis has it, but that no module is flattened: power can be told by module.
_BOUNDARIES = """
setattr -mod -set keep_hierarchy 1 *
setattr -mod -unset keep_hierarchy consilico_* $paramod*consilico_*
flatten
"""


@dataclass(frozen=True, kw_only=True)
class PeakWindow(Facts):
    """The window in which the power is greatest."""

    start_s: float
    power_w: float


@dataclass(frozen=True, kw_only=True)
class PowerOverTime(Facts):
    """Average power in windows of equal width, as the answer of ``consilico power`` has it."""

    window_s: float
    peak: PeakWindow
    start_s: tuple[float, ...]  # of each window
    recorded_s: tuple[float, ...]  # time recorded in it
    power_w: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class UnitPower(Facts):
    """Power of one unit whose modules are kept apart in mapping."""

    unit: str
    config: dict[str, Any]  # field values by name
    traffic: str  # the source
    kit: str
    node_nm: float | None
    corner: str
    voltage_v: float
    clock_ns: float
    cycles: float  # recorded
    total: Power
    by_class: dict[str, Power]  # of cells
    by_module: dict[str, Power]  # by path, modules inside included; the top by its name
    window_cycles: int
    profile: PowerOverTime


@dataclass(frozen=True, kw_only=True)
class PowerFacts(Facts):
    """Accuracy of the power engine, and the power of one unit."""

    accuracy: AccuracyTable
    unit: UnitPower | None  # None: not measured
    synthetic: bool  # the scores are no language model's

    @property
    def traffic(self) -> str:
        """Return the traffic of the unit in a word."""
        source = self.unit.traffic if self.unit else ""
        return "synthetic" if self.synthetic and source == "model" else source


def unit_power() -> UnitPower:
    """Measure the power of one unit by class of cell, by module and over time.

    Raises:
        UserError: If a tool or the process kit is missing.
        CheckFailed: If the netlist's results are wrong.
    """
    unit = find_unit(_UNIT)
    return _measure(find_kit(_KIT), verilog(unit, unit.config()))


def _measure(kit: Kit, text: str) -> UnitPower:
    unit = find_unit(_UNIT)
    config = unit.config()
    top = unit.module_name
    stimulus = unit.traffic(config, _SOURCE, _BEATS)
    files = yosys_files(text, top, kit, _CLOCK_NS, recipes_of(kit)[0], boundaries=_BOUNDARIES)
    mapped = map_once(files, top, kit)
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        netlist = Path(name, "netlist.v")
        netlist.write_text(mapped.netlist)
        replayed = gate_level_power(
            unit, config, kit, netlist, mapped.cells_by_type, stimulus,
            window_ns=_WINDOW_CYCLES * PERIOD_NS,
        )  # fmt: skip
    report = replayed.report
    assert report.profile is not None
    return UnitPower(
        unit=unit.name,
        config=config.to_json(),
        traffic=_SOURCE,
        kit=kit.name,
        node_nm=kit.node_nm,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=PERIOD_NS,
        cycles=report.duration_s / report.period_s,
        total=report.total,
        by_class=report.by_class,
        by_module=report.by_module,
        window_cycles=_WINDOW_CYCLES,
        profile=PowerOverTime.from_json(report.profile.to_json()),
    )
