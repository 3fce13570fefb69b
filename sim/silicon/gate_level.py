"""A unit's netlist under its own traffic: its results compared, its power from the activity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.golden.config import Config
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.processes import work_folder
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

__all__ = ["GateLevelPower", "gate_level_power", "traffic"]

_OPERATIONS = 8192  # of traffic to measure activity on, about
_LEAST_BEATS = 512
_CLOCK = "clk"


@dataclass(frozen=True, kw_only=True)
class GateLevelPower:
    """A netlist's replay of some traffic, and the power that follows from it."""

    gates: GateRun
    report: PowerReport
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
    circuit: Circuit | None = None,
    wires_f: Mapping[str, float] | None = None,
    waveform: Path | None = None,
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
        circuit: What the netlist was made of; the unit's own if not given.
        wires_f: Capacitance in F of the wires by name of the net; None: ideal wires.
        waveform: Where the recorded VCD is left; None: it is removed.

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
    with work_folder("power") as folder:
        recorded = waveform or folder / "activity.vcd"
        gates = simulate_gates(
            text, list(cells), library, unit.module_name, unit.ports(config), stimulus, recorded
        )
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        report = analyze_power(
            netlist, top, kit.liberty, recorded, scope, clock, PERIOD_NS,
            window_ns=window_ns, wires_f=wires_f,
        )  # fmt: skip
        check = opensta_power(netlist, top, kit.liberty, recorded, scope, PERIOD_NS, clock)
    if not report.toggles:
        raise UserError(f"the traffic of {unit.name} causes no activity: nothing to measure")
    return GateLevelPower(gates=gates, report=report, cross_check=check)
