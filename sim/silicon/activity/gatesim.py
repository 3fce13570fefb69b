"""Gate-level simulation of a unit's traffic: results checked, activity recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.bulk_replay import BenchTiming, build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Dump, Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.silicon.liberty.cellmodels import NO_DELAYS, CellDelays, Variant, cell_models
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.netlist.netlist import Netlist
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist
from consilico.sim.units.stimulus import Kind, Ports, Stimulus

__all__ = [
    "PERIOD_NS",
    "SCOPE",
    "DelayedNetlist",
    "GateRun",
    "bench_timing",
    "delayed_netlist",
    "simulate_gates",
]

PERIOD_NS = 4.0  # clock period of the bench without delays, and so of the recorded activity
SCOPE = "consilico_bench/dut"


_POWER_UPS = ("$urandom", "~$urandom")  # bit by bit
_INPUT_DELAY = 0.05  # of a period, after which inputs change


@dataclass(frozen=True, kw_only=True)
class GateRun:
    """Result of a gate-level simulation, with the length of its recorded window."""

    outcome: ReplayOutcome
    power_up: str  # what flip-flops and latches hold before the reset: "unknown" or "random"
    cycles: int  # in the window: everything after the first constants were loaded
    results: int  # delivered in it, all lanes counted
    period_ns: float = PERIOD_NS  # of the recorded clock


@dataclass(frozen=True, kw_only=True)
class DelayedNetlist:
    """A netlist whose cells have delays, as one module that names a variant of each cell."""

    text: str  # Verilog
    variants: Mapping[str, Variant]  # by the names of their modules
    timing: BenchTiming


def bench_timing(clock_ns: float, path_ns: float, insertion_ns: float = 0.0) -> BenchTiming:
    """Return the clock and the arrival of inputs with which a netlist with delays is simulated.

    Inputs change a twentieth of a period after the clock has come to the registers. The period is
    the one that was asked for, or as long as the netlist needs to have results before the next
    edge, if that is longer.

    Args:
        clock_ns: Period that was asked for.
        path_ns: Shortest period at which no path fails.
        insertion_ns: Delay of the clock's tree; 0 for an ideal clock.

    Raises:
        UserError: If the tree takes half of the period.
    """
    late_ns = insertion_ns + _INPUT_DELAY * clock_ns
    period_ns = max(clock_ns, path_ns + late_ns)
    if late_ns >= period_ns / 2:
        raise UserError(
            f"the clock arrives {insertion_ns:g} ns late at the registers; accepted: less than half"
            f" of the period of {period_ns:g} ns"
        )
    return BenchTiming(period_ps=round(period_ns * 1000), input_delay_ps=round(late_ns * 1000))


def delayed_netlist(
    netlist: Netlist,
    delays: Sequence[CellDelays],
    timing: BenchTiming,
    names: PlainNames | None = None,
) -> DelayedNetlist:
    """Return a netlist in which every instance has its own delays.

    Args:
        netlist: Flat; its nets keep their names if these are plain.
        delays: Of each instance, in the order of the netlist; none where it switches at once.
        timing: Clock and arrival of inputs.
        names: Of nets and instances; None: plain ones.
    """
    taken = {instance.cell for instance in netlist.instances}
    modules: dict[Variant, str] = {}
    instances = []
    for instance, own in zip(netlist.instances, delays, strict=True):
        cell = instance.cell
        if own != NO_DELAYS:
            name = f"{cell}__{len(modules)}"
            while name in taken:
                name += "_"
            cell = modules.setdefault(Variant(cell=cell, delays=own), name)
        instances.append(replace(instance, cell=cell))
    varied = replace(netlist, instances=instances)
    return DelayedNetlist(
        text=write_netlist(varied, names or PlainNames(varied)),
        variants={name: variant for variant, name in modules.items()},
        timing=timing,
    )


def simulate_gates(
    netlist: str,
    cells: Sequence[str],
    library: Library,
    top: str,
    ports: Ports,
    stimulus: Stimulus,
    waveform: Path,
    *,
    levels: int = 0,
    delayed: DelayedNetlist | None = None,
) -> GateRun:
    """Replay a stimulus at full speed on a netlist, on Icarus.

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
        levels: Levels of the hierarchy below the testbench that are recorded; 0: all.
        delayed: What the text was made from, if cells have delays; their variants are added to
            ``cells``.

    Raises:
        UserError: If Icarus is missing, or the library does not say what a cell does.
        BuildError: If the netlist does not compile.
    """
    simulator = find_simulator("icarus")
    first = int((stimulus.kind == Kind.DATA).argmax())
    dump = Dump(path=waveform, first=first, last=len(stimulus.kind), levels=levels)
    variants = {} if delayed is None else delayed.variants
    timing = None if delayed is None else delayed.timing

    def replay(power_up: str | None) -> ReplayOutcome:
        models = cell_models(library.cells, [*cells, *variants], power_up, variants)
        build = build_bulk(simulator, [netlist, models], top, ports, timing=timing)
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
        period_ns=PERIOD_NS if timing is None else timing.period_ps / 1000,
    )
