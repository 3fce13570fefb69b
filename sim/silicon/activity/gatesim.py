"""Gate-level simulation of a unit's traffic: results checked, activity recorded."""

from dataclasses import dataclass
from pathlib import Path

from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Dump, Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.silicon.liberty.cellmodels import cell_models
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.units.stimulus import Kind, Ports, Stimulus

__all__ = ["PERIOD_NS", "SCOPE", "GateRun", "simulate_gates"]

PERIOD_NS = 4.0  # clock period of the bench, and so of the recorded activity
SCOPE = "consilico_bench/dut"


_POWER_UPS = ("$urandom", "~$urandom")  # bit by bit


@dataclass(frozen=True, kw_only=True)
class GateRun:
    """Result of a gate-level simulation, with the length of its recorded window."""

    outcome: ReplayOutcome
    power_up: str  # what flip-flops and latches hold before the reset: "unknown" or "random"
    cycles: int  # in the window: everything after the first constants were loaded
    results: int  # delivered in it, all lanes counted


def simulate_gates(
    netlist: str,
    cells: list[str],
    library: Library,
    top: str,
    ports: Ports,
    stimulus: Stimulus,
    waveform: Path,
) -> GateRun:
    """Replay a stimulus at full speed on a netlist, on Icarus, without delays.

    Flip-flops and latches start as x. Gates may keep an x that no real state causes, as in
    ``a & q | a & ~q``; so where results are wrong, the netlist has to be right twice: from
    random bits, and from their complements.

    Args:
        netlist: Verilog text.
        cells: Names of the cells in it.
        library: Their library.
        top: The netlist's top module.
        ports: Payload widths of the unit.
        stimulus: What to replay; begins with the constants.
        waveform: Where the VCD goes.

    Raises:
        UserError: If Icarus is missing, or the library does not say what a cell does.
        BuildError: If the netlist does not compile.
    """
    simulator = find_simulator("icarus")
    first = int((stimulus.kind == Kind.DATA).argmax())
    dump = Dump(path=waveform, first=first, last=len(stimulus.kind))

    def replay(power_up: str | None) -> ReplayOutcome:
        models = cell_models(library.cells, cells, power_up)
        build = build_bulk(simulator, [netlist, models], top, ports)
        return run_bulk(simulator, build, ports, stimulus, Replay(bench="gate level", dump=dump))

    outcome, known = replay(None), "unknown"
    if not outcome.passed:
        outcomes, known = [replay(power_up) for power_up in _POWER_UPS], "random"
        outcome = next((each for each in outcomes if not each.passed), outcomes[-1])
    return GateRun(
        outcome=outcome,
        power_up=known,
        cycles=outcome.events["dump_cycles"],
        results=stimulus.results,
    )
