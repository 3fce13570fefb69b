"""A unit's netlist under its own traffic: its results compared, its power from the activity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.golden.config import Config
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.processes import work_folder
from consilico.sim.rtlsim.bulk_replay import BenchTiming
from consilico.sim.silicon.activity.gatesim import (
    SCOPE,
    DelayedNetlist,
    GateRun,
    delayed_netlist,
    simulate_gates,
)
from consilico.sim.silicon.circuit import Circuit
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import PowerReport
from consilico.sim.silicon.timing.delays import instance_delays
from consilico.sim.silicon.timing.opensta import opensta_power
from consilico.sim.silicon.timing.sdf import read_sdf
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.sim.units.stimulus import Stimulus

__all__ = ["Delays", "GateLevelPower", "gate_level_power", "traffic"]

_OPERATIONS = 8192  # of traffic to measure activity on, about
_LEAST_BEATS = 512
_PARTS = 16  # of a recording, whose spread tells the sampling error
_CLOCK = "clk"


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Delays that a netlist is simulated with."""

    sdf: Path  # as :func:`consilico.sim.silicon.timing.delays.write_sdf` writes it
    timing: BenchTiming  # from :func:`consilico.sim.silicon.activity.gatesim.bench_timing`
    propagated: bool  # whether the netlist holds its clock's tree; else the clock is ideal

    def of(self, netlist: Netlist, cells: Mapping[str, Cell], clock: str) -> DelayedNetlist:
        """Return a netlist with these delays.

        Raises:
            UserError: If the file cannot be read, or is not of this netlist.
        """
        arcs = instance_delays(
            netlist, cells, read_sdf(self.sdf), clock, propagated=self.propagated
        )
        return delayed_netlist(netlist, arcs, self.timing)


@dataclass(frozen=True, kw_only=True)
class GateLevelPower:
    """A netlist's replay of some traffic, and the power that follows from it."""

    gates: GateRun
    report: PowerReport
    cross_check: dict[str, float] | str  # power by the user's OpenSTA, or why there is none
    # standard error of the power as a fraction of it, since the traffic is a sample; None: the
    # traffic is too short to tell
    sampling_error: float | None = None


def traffic(unit: Unit, config: Config, source: str) -> "Stimulus":
    """Return what :func:`implement` drives into a unit: a sample spread over its traffic.

    512 beats of 12,000 cells take 40 s of processor time with delays.

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
    delays: Delays | None = None,
    propagated: bool = False,
) -> GateLevelPower:
    """Replay a stimulus on a unit's netlist, compare its results, and compute its power.

    Glitches count where the delays of the cells are given.

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
        delays: Delays of the netlist's cells; None: they switch at once.
        propagated: Whether the netlist holds its clock's tree, for the slews in it.

    Returns:
        The power is at the recording's clock, ``gates.period_ns``.

    Raises:
        UserError: If a tool is missing, or nothing toggles.
        CheckFailed: If a result is wrong.
    """
    top, clock, scope, text = unit.module_name, _CLOCK, SCOPE, netlist.read_text()
    if circuit is not None:
        top, clock, scope = circuit.top, circuit.clock, circuit.scope
        text = circuit.wrapped(text)
    library = read_liberty((kit.mapping_liberty,))
    delayed = None
    if delays is not None:
        flat = read_netlist(netlist, top, library.cells)
        delayed = delays.of(flat, library.cells, clock)
        text = delayed.text if circuit is None else circuit.wrapped(delayed.text)
    with work_folder("power") as folder:
        recorded = waveform or folder / "activity.vcd"
        gates = simulate_gates(
            text, list(cells), library, unit.module_name, unit.ports(config), stimulus, recorded,
            levels=len(scope.split("/")) - 1, delayed=delayed,
        )  # fmt: skip
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        report = analyze_power(
            netlist, top, kit.liberty, recorded, scope, clock, gates.period_ns,
            window_ns=window_ns or max(1, gates.cycles // _PARTS) * gates.period_ns,
            wires_f=wires_f, propagated=propagated,
        )  # fmt: skip
        check = opensta_power(netlist, top, kit.liberty, recorded, scope, gates.period_ns, clock)
    if not report.toggles:
        raise UserError(f"the traffic of {unit.name} causes no activity: nothing to measure")
    assert report.profile is not None
    return GateLevelPower(
        gates=gates,
        report=report if window_ns else replace(report, profile=None),
        cross_check=check,
        sampling_error=report.profile.sampling_error(_PARTS),
    )
