"""The verdict on a unit: its Verilog equals its golden model, on every simulator asked for."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from typing import Any, ClassVar

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import digest
from consilico.sim.rtlsim.builds import BuildError, compiler_version
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.cocotb_replay import build_cocotb, run_cocotb
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.stimulus import Kind, Ports, Stimulus, prefix
from consilico.sim.units.unit import Unit

__all__ = ["SimulatorRun", "Verification", "check", "verify"]

_COCOTB_ITEMS = 1200  # a Python step per cycle: the bulk testbench replays the rest
_FULL_SPEED = "bulk, full speed"


@dataclass(frozen=True, kw_only=True)
class SimulatorRun(Facts):
    """Result of one simulator, with all of its testbenches."""

    derived: ClassVar[tuple[str, ...]] = ("checked_per_second",)

    simulator: str
    version: str
    checked: int  # results compared, all lanes counted
    mismatches: int  # wrong and missing beats and violations of the stream protocol
    seconds: float  # wall clock, compilation left out
    benches: tuple[ReplayOutcome, ...]  # one per testbench
    coverage: dict[str, int]  # hits of the points of the streams, such as "stream/gap_cycles"

    @property
    def checked_per_second(self) -> float:
        """Return the results compared per second of wall clock."""
        return self.checked / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class Verification(Facts):
    """The verdict on one configuration of a unit."""

    derived: ClassVar[tuple[str, ...]] = ("passed",)

    unit: str
    config: dict[str, Any]  # field values by name
    seed: int  # of the stimuli and the stalls
    verilog_sha256: str
    runs: tuple[SimulatorRun, ...]
    coverage: dict[str, int]  # hits of each point, the least of the simulators'
    uncovered: tuple[str, ...]  # points that had to be hit and were not
    latency_cycles: dict[str, int]  # "declared", and measured by simulator
    problems: tuple[str, ...]  # one line each; empty if the unit passed

    @property
    def passed(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems


def verify(
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> Verification:
    """Verify the generated Verilog of a unit; a verdict that passed is cached.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        simulators: Names, at least one of ``icarus`` and ``verilator``.
        seed: Seed of the stimuli and the stalls.
        progress: Called after each testbench with a label, steps done and steps in all.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    return check(unit, config, verilog(unit, config), simulators, seed, progress)


def check(
    unit: Unit,
    config: Config,
    text: str,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> Verification:
    """Verify Verilog that was edited by hand, broken on purpose or checked in.

    Args:
        unit: The unit that the Verilog claims to be.
        config: Its configuration.
        text: The Verilog.
        simulators: As for :func:`verify`.
        seed: As for :func:`verify`.
        progress: As for :func:`verify`.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    if not simulators:
        raise UserError("name at least one simulator")
    found = [find_simulator(name) for name in simulators]
    stimulus = unit.vectors(config, seed)
    key = digest(
        [unit.name, config.to_json(), seed, unit.latency(config), _asked(unit, config)],
        [[simulator.name, simulator.version, compiler_version(simulator)] for simulator in found],
        asdict(unit.ports(config)),
        metadata.version("cocotb"),
        code_digest(__name__),
        text,
        stimulus.kind.tobytes(),
        stimulus.bits.tobytes(),
        stimulus.completes.tobytes(),
        stimulus.expected.tobytes(),
        [stimulus.results, stimulus.coverage],
    )
    return cached_facts(
        Verification,
        "verify",
        key,
        lambda: _judged(unit, config, text, found, seed, stimulus, progress),
        keep=lambda judged: judged.passed,
    )


def _judged(
    unit: Unit,
    config: Config,
    text: str,
    simulators: list[Simulator],
    seed: int,
    stimulus: Stimulus,
    progress: Progress | None,
) -> Verification:
    runs: list[SimulatorRun] = []
    problems: list[str] = []
    latency = {"declared": unit.latency(config)}
    total = len(simulators) * len(_plan(seed, stimulus))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(f"verify {unit.name}", done, total)

    cycles: dict[str, set[int]] = {}
    for simulator in simulators:
        outcomes, build_problem = _replayed(
            simulator, text, unit, unit.ports(config), stimulus, seed, step
        )
        runs.append(_run_of(simulator, outcomes))
        if build_problem:
            problems.append(build_problem)
        for outcome in outcomes:
            where = f"{simulator.name}, {outcome.bench}"
            problems += [f"{where}: {problem}" for problem in outcome.problems]
            if not outcome.checked:
                problems.append(f"{where}: nothing was checked")
            cycles.setdefault(outcome.bench, set()).add(outcome.cycles)
            if outcome.bench == _FULL_SPEED and outcome.latency_cycles is not None:
                latency[simulator.name] = outcome.latency_cycles
                if outcome.latency_cycles != latency["declared"]:
                    problems.append(
                        f"{where}: latency is {outcome.latency_cycles} cycles, "
                        f"declared {latency['declared']}"
                    )
    problems += [
        f"{bench}: the simulators differ in cycles: {sorted(counts)}"
        for bench, counts in cycles.items()
        if len(counts) > 1
    ]
    coverage, uncovered = _coverage(_asked(unit, config), latency["declared"], stimulus, runs)
    problems += [f"coverage point {point} was never hit" for point in uncovered]
    return Verification(
        unit=unit.name,
        config=config.to_json(),
        seed=seed,
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
        runs=tuple(runs),
        coverage=coverage,
        uncovered=tuple(uncovered),
        latency_cycles=latency,
        problems=tuple(problems),
    )


def _plan(seed: int, stimulus: Stimulus) -> list[tuple[str, Stimulus, Replay]]:
    """Return what is replayed: kind of testbench, stimulus, and how it is replayed."""
    stalls = Replay(stall_in=64, stall_out=96, seed=seed)
    sample = prefix(stimulus, _COCOTB_ITEMS)
    return [
        ("bulk", stimulus, Replay(bench=_FULL_SPEED, seed=seed)),
        ("bulk", stimulus, replace(stalls, bench="bulk, random stalls")),
        ("cocotb", sample, replace(stalls, bench="cocotb, random stalls")),
    ]


def _replayed(
    simulator: Simulator,
    text: str,
    unit: Unit,
    ports: Ports,
    stimulus: Stimulus,
    seed: int,
    step: Callable[[], None],
) -> tuple[list[ReplayOutcome], str]:
    """Return the outcome of every testbench, and why the rest was not run, or ``""``."""
    outcomes: list[ReplayOutcome] = []
    top = unit.module_name
    try:
        for kind, part, replay in _plan(seed, stimulus):
            if kind == "bulk":
                build = build_bulk(simulator, [text], top, ports)
                outcomes.append(run_bulk(simulator, build, ports, part, replay))
                if not outcomes[-1].cycles:
                    break  # it never came to an end, and would not with cocotb
            else:
                build = build_cocotb(simulator, [text], top)
                outcomes.append(run_cocotb(simulator, build, top, ports, part, replay))
            step()
    except BuildError as error:
        return outcomes, str(error)
    return outcomes, ""


def _run_of(simulator: Simulator, outcomes: list[ReplayOutcome]) -> SimulatorRun:
    events: Counter[str] = Counter()
    for outcome in outcomes:
        events.update(outcome.events)
    return SimulatorRun(
        simulator=simulator.name,
        version=simulator.version,
        checked=sum(outcome.checked for outcome in outcomes),
        mismatches=sum(outcome.mismatches for outcome in outcomes),
        seconds=sum(outcome.seconds for outcome in outcomes),
        benches=tuple(outcomes),
        coverage={
            f"stream/{event}": hits for event, hits in events.items() if event != "dump_cycles"
        },
    )


def _asked(unit: Unit, config: Config) -> list[str]:
    """Return the coverage points of a unit that this configuration has to hit."""
    exempt = unit.exempt(config)
    return [point for point in unit.coverage if point not in exempt]


def _coverage(
    asked: list[str], latency: int, stimulus: Stimulus, runs: list[SimulatorRun]
) -> tuple[dict[str, int], list[str]]:
    """Return the hits of each point, and the required points that were never hit.

    The hits are the least of the simulators'. What is in flight at a reset or a reload is required
    only of a unit that holds data for a cycle or more.
    """
    required = ["stream/gap_cycles", "stream/i_stall_cycles", "stream/o_stall_cycles"]
    for kind, point in ((Kind.RESET, "reset_in_flight"), (Kind.CONFIG, "config_in_flight")):
        later = (stimulus.kind == kind) & (stimulus.kind == Kind.DATA).cumsum().astype(bool)
        if latency and later.any():
            required.append(f"stream/{point}")
    coverage = dict.fromkeys(asked, 0) | stimulus.coverage
    for point in required:
        coverage[point] = min(run.coverage.get(point, 0) for run in runs)
    return coverage, [point for point in (*asked, *required) if not coverage[point]]
