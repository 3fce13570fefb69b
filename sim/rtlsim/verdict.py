"""The verdict on a unit as facts, and how it follows from what the simulators found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.endings import Stop
from consilico.sim.rtlsim.failures import Failure
from consilico.sim.rtlsim.judge import Found
from consilico.sim.rtlsim.judgement import Rate
from consilico.sim.rtlsim.plan import FULL_SPEED
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.replay import ReplayOutcome
from consilico.sim.rtlsim.simulators import Simulator

__all__ = [
    "SimulatorRun",
    "Verification",
    "covered",
    "differences_in_cycles",
    "latencies",
    "run_of",
]


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
    rate: Rate | None = None  # at full speed; None if that was not replayed
    stopped: Stop | None = None  # why it did not come to its end, if it did not

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
    failures: tuple[Failure, ...] = ()  # what differs and the least that shows it
    exempt: tuple[Exemption, ...] = ()  # points that are not covered, and what was not run

    @property
    def passed(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems


def run_of(simulator: Simulator, found: Found) -> SimulatorRun:
    """Return what a simulator found, all of its replays together."""
    events: Counter[str] = Counter()
    for outcome in found.outcomes:
        events.update(outcome.events)
    return SimulatorRun(
        simulator=simulator.name,
        version=simulator.version,
        checked=sum(outcome.checked for outcome in found.outcomes),
        mismatches=sum(outcome.mismatches for outcome in found.outcomes),
        seconds=sum(outcome.seconds for outcome in found.outcomes),
        benches=tuple(found.outcomes),
        coverage={f"stream/{event}": hits for event, hits in events.items()},
        rate=found.rate,
        stopped=next((each.stopped for each in found.outcomes if each.stopped), found.stopped),
    )


def latencies(declared: int, runs: list[SimulatorRun]) -> tuple[dict[str, int], list[str]]:
    """Return the latency declared and measured by each simulator, and what is wrong with them."""
    latency = {"declared": declared}
    problems = []
    for run in runs:
        for outcome in run.benches:
            if outcome.bench == FULL_SPEED and outcome.latency_cycles is not None:
                latency[run.simulator] = outcome.latency_cycles
                if outcome.latency_cycles != declared:
                    problems.append(
                        f"{run.simulator}, {outcome.bench}: latency is {outcome.latency_cycles} "
                        f"cycles, declared {declared}"
                    )
    return latency, problems


def differences_in_cycles(runs: list[SimulatorRun]) -> list[str]:
    """Return a line for each replay that took other numbers of cycles on other simulators."""
    cycles: dict[tuple[str, int], set[int]] = {}
    for run in runs:
        for outcome in run.benches:
            if not outcome.beats_missing:
                # a simulator may have replayed a part only
                which = (outcome.bench, outcome.beats_checked + outcome.beats_dropped)
                cycles.setdefault(which, set()).add(outcome.cycles)
    return [
        f"{bench}: the simulators differ in cycles: {sorted(counts)}"
        for (bench, _), counts in cycles.items()
        if len(counts) > 1
    ]


def covered(
    asked: list[str],
    required: Sequence[str],
    own: Mapping[str, int],
    runs: list[SimulatorRun],
) -> tuple[dict[str, int], list[str]]:
    """Return the hits of each point, and the points that had to be hit and never were.

    Args:
        asked: Points of the unit.
        required: Points of the streams; their hits are the least of the simulators'.
        own: Hits of the unit's points in the stimuli.
        runs: What each simulator found.
    """
    coverage = dict.fromkeys(asked, 0) | dict(own)
    for point in required:
        coverage[point] = min(run.coverage.get(point, 0) for run in runs)
    return coverage, [point for point in (*asked, *required) if not coverage[point]]
