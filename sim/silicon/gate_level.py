"""A unit's netlist under its own traffic: its results compared, its power from the activity."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.golden.config import Config
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.progress import Progress, silent
from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE, GateRun, simulate_gates
from consilico.sim.silicon.circuit import Circuit
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import PowerReport
from consilico.sim.silicon.timing.opensta import opensta_power
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.sim.units.stimulus import Stimulus

__all__ = ["STEPS", "GateLevelPower", "gate_level_power", "show_step", "traffic"]

_OPERATIONS = 8192  # of traffic to measure activity on, about
_LEAST_BEATS = 512
_CLOCK = "clk"
STEPS = (
    "Verilog", "synthesis", "timing", "modules", "equivalence", "layout", "simulation", "power",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GateLevelPower:
    """A netlist's replay of some traffic, and the power that follows from it."""

    gates: GateRun
    report: PowerReport
    with_wires: PowerReport | None  # the same with the loads of wires, where they are given
    cross_check: dict[str, float] | str  # power by the user's OpenSTA, or why there is none


def traffic(unit: Unit, config: Config, source: str) -> "Stimulus":
    """Return what :func:`implement` drives into a unit.

    Raises:
        UserError: If the unit has no such source of traffic.
    """
    beats = max(_LEAST_BEATS, _OPERATIONS // unit.operations_per_beat(config))
    return unit.traffic(config, source, beats)


def gate_level_power(
    unit: Unit,
    config: Config,
    kit: Kit,
    netlist: Path,
    cells: Iterable[str],
    stimulus: "Stimulus",
    *,
    window_ns: float | None = None,
    progress: Progress = silent,
    circuit: Circuit | None = None,
    wires_f: Mapping[str, float] | None = None,
) -> GateLevelPower:
    """Replay a stimulus on a unit's netlist, compare its results, and compute its power.

    Args:
        unit: The unit.
        config: Its configuration.
        kit: Process kit of the netlist's cells.
        netlist: Gate-level Verilog.
        cells: Names of the cells in it.
        stimulus: What to replay; begins with the constants.
        window_ns: Width of the windows of a power profile; no profile if None.
        progress: Called with the step, steps done and steps in all.
        circuit: What the netlist was made of; the unit's own if not given.
        wires_f: Capacitance in F of the wires by name of the net; power is computed without and
            with them.

    Returns:
        The power is at the recording's clock, ``gatesim.PERIOD_NS``.

    Raises:
        UserError: If a tool is missing, or nothing toggles.
        CheckFailed: If a result is wrong.
    """
    top, clock, scope, text = unit.module_name, _CLOCK, SCOPE, netlist.read_text()
    if circuit is not None:
        top, clock, scope = circuit.top, circuit.clock, circuit.scope
        text = circuit.wrapped(text)
    library = read_liberty((kit.mapping_liberty,))
    show_step(progress, unit, "simulation")
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        waveform = Path(name, "activity.vcd")
        gates = simulate_gates(
            text, list(cells), library, unit.module_name, unit.ports(config), stimulus, waveform
        )
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        show_step(progress, unit, "power")
        analyze = partial(
            analyze_power, netlist, top, kit.liberty, waveform, scope, clock, PERIOD_NS,
            window_ns=window_ns,
        )  # fmt: skip
        report = analyze()
        with_wires = None if wires_f is None else analyze(wires_f=wires_f)
        check = opensta_power(netlist, top, kit.liberty, waveform, scope, PERIOD_NS, clock)
    if not report.toggles:
        raise UserError(f"the traffic of {unit.name} causes no activity: nothing to measure")
    return GateLevelPower(gates=gates, report=report, with_wires=with_wires, cross_check=check)


def show_step(progress: Progress, unit: Unit, step: str) -> None:
    """Report that one of :data:`STEPS` begins for a unit."""
    progress(f"{unit.name}: {step}", STEPS.index(step), len(STEPS))
