"""Says what one replay means: what was wrong, how quick it was, whether clocks rested."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.acceptance import ReplayComparison
from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.clock_gates import clock_problems, gate_of
from consilico.sim.rtlsim.plan import Planned
from consilico.sim.rtlsim.points import events_of
from consilico.sim.rtlsim.replay import ReplayOutcome, WrongPayload, problems_of
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.symptoms import Observed, observe
from consilico.sim.units.accepted import Accepted
from consilico.sim.units.stimulus import Kind
from consilico.sim.units.unit import Unit

__all__ = ["Rate", "ReplayJudgement", "judged", "quick_cycles"]

_QUICK_CYCLES = 256  # without a handshake where no consumer stalls for long


@dataclass(frozen=True, kw_only=True)
class Rate(Facts):
    """Rate at which a unit took data at full speed, over whole stimuli."""

    beats: int  # of data, each right after another one
    cycles: int  # that they took
    declared_cycles: int

    def __add__(self, other: "Rate") -> "Rate":
        """Return the rate over both stimuli."""
        return Rate(
            beats=self.beats + other.beats,
            cycles=self.cycles + other.cycles,
            declared_cycles=self.declared_cycles + other.declared_cycles,
        )


@dataclass(frozen=True, kw_only=True)
class ReplayJudgement:
    """Meaning of one replay: its outcome, and the problems that it shows."""

    seen: Observed
    outcome: ReplayOutcome
    rate: Rate | None  # measured where nothing stalled
    problems: tuple[str, ...]  # one line each


def judged(
    unit: Unit, config: Config, plan: Planned, script: Script, transcript: Transcript
) -> ReplayJudgement:
    """Judge a replay.

    Args:
        unit: The unit.
        config: Its configuration.
        plan: What was replayed.
        script: The script of the plan.
        transcript: What happened.
    """
    seen = observe(script, transcript, plan.expect, unit.layouts(config).o)
    outcome = _outcome(plan, seen)
    problems = list(outcome.problems)
    if not outcome.checked:
        problems.append("nothing was checked")
    problems += clock_problems(transcript.ticks, _most_ticks(unit, config, seen))
    rate = None
    if plan.full_speed and seen.comparison is not None:
        rate, slow = _measured_rate(unit, config, seen.comparison, script)
        problems += slow
    return ReplayJudgement(seen=seen, outcome=outcome, rate=rate, problems=tuple(problems))


def quick_cycles(script: Script, latency_cycles: int) -> int:
    """Return the cycles without a handshake after which nothing more is awaited in a replay."""
    longest = max(int(script.consumer.delays.max()), int(script.gap.max(initial=0)))
    return _QUICK_CYCLES + 2 * longest + 8 * latency_cycles


def _most_ticks(unit: Unit, config: Config, seen: Observed) -> dict[str, int]:
    """Return how often the clocks that a contract names may have ticked, by gate."""
    comparison, contract = seen.comparison, unit.contract
    if comparison is None or contract is None:
        return {}
    layouts = unit.layouts(config)
    kind = seen.script.kind[comparison.order]
    accepted = Accepted(kind, seen.script.bits[comparison.order], layouts)
    fields = {field.label: field for field in layouts.i.fields}

    def of(label: str) -> NDArray[np.int64]:
        """Return a field of each beat."""
        values, lane = accepted.data[fields[label].name], fields[label].lane
        return values if lane is None else values[:, lane]

    def unmasked(label: str) -> int:
        """Return the number of beats whose lane is not masked."""
        return int((of(label) == 0).sum())

    promised = contract(config)
    resets = 1 + int((kind == Kind.RESET).sum())
    most = {}
    for clock, often in promised.beat_clocks.items():
        if often.masked_by:
            beats = unmasked(often.masked_by)
        elif often.where:
            beats = int(np.any([of(label) != 0 for label in often.where], axis=0).sum())
        else:
            beats = int((kind == (Kind.DATA if often.stream == "i" else Kind.CONFIG)).sum())
        most[gate_of(clock)] = often.most(beats, resets)
    for label, clock in promised.masked_clocks.items():
        most[gate_of(clock)] = unmasked(label)
    return most


def _measured_rate(
    unit: Unit, config: Config, comparison: ReplayComparison, script: Script
) -> tuple[Rate, list[str]]:
    """Compare the cycles that beats of data took with those declared."""
    kind = script.kind[comparison.order]
    accepted = Accepted(kind, script.bits[comparison.order], unit.layouts(config))
    declared = np.asarray(unit.item_cycles(config, accepted))
    excused = _waited_before(kind, declared)[1:]
    took, declared = np.diff(comparison.cycles), declared[1:]
    declared = np.where(excused & (took < declared), took, declared)
    beats = (kind[1:] == Kind.DATA) & (kind[:-1] == Kind.DATA)
    rate = Rate(
        beats=int(beats.sum()),
        cycles=int(took[beats].sum()),
        declared_cycles=int(declared[beats].sum()),
    )
    wrong = np.flatnonzero(beats & (took != declared))
    if not len(wrong):
        return rate, []
    at = int(np.cumsum(beats)[wrong[0]])
    differs = (
        f"{rate.beats} beats of data took {rate.cycles} cycles, declared "
        f"{rate.declared_cycles}; beat {at} is the first to differ"
    )
    return rate, [differs]


def _waited_before(kind: NDArray[np.uint8], declared: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which items need not wait, because a configuration has waited in their place.

    What is declared holds if ``cfg`` offers its beats along with data; in a fixed order data has to
    follow them.
    """
    items = np.arange(len(kind))
    configured = np.maximum.accumulate(np.where(kind == Kind.CONFIG, items, -1))
    waited = np.maximum.accumulate(np.where((declared > 1) & (kind == Kind.DATA), items, -1))
    return configured > np.append(-1, waited[:-1])


def _outcome(plan: Planned, seen: Observed) -> ReplayOutcome:
    transcript, comparison = seen.transcript, seen.comparison
    problems = list(transcript.problems)
    if comparison is None:
        problems.append("the golden model promises nothing for the order that the unit accepted")
        return ReplayOutcome(
            bench=plan.name, checked=0, beats_checked=0, beats_dropped=0, beats_wrong=0,
            beats_missing=0, violations=transcript.violations, problems=tuple(problems),
            first_mismatch=None, cycles=transcript.last_cycle, seconds=transcript.seconds,
            events=events_of(transcript, None), stopped=transcript.stopped,
        )  # fmt: skip
    beats, wrong = len(comparison.due), int(comparison.wrong.sum())
    problems += problems_of(
        beats=beats, due=len(comparison.expected), missing=comparison.missing, wrong=wrong
    )
    if len(comparison.extra):
        problems.append(f"{len(comparison.extra)} results that nothing was due for")
    if comparison.early:
        problems.append(f"{comparison.early} results came before their input was accepted")
    latency = None
    if beats:
        taken = comparison.cycles[comparison.source[comparison.due[0]]]
        latency = int(comparison.delivered_cycles[comparison.delivered[0]] - taken)
    return ReplayOutcome(
        bench=plan.name,
        checked=round(plan.results_per_beat * beats),
        beats_checked=beats,
        beats_dropped=comparison.dropped,
        beats_wrong=wrong,
        beats_missing=comparison.missing,
        violations=transcript.violations + len(comparison.extra) + comparison.early,
        problems=tuple(problems),
        first_mismatch=_first_mismatch(seen),
        cycles=transcript.last_cycle,
        seconds=transcript.seconds,
        latency_cycles=latency,
        events=events_of(transcript, comparison),
        stopped=transcript.stopped,
    )


def _first_mismatch(seen: Observed) -> WrongPayload | None:
    comparison = seen.comparison
    if comparison is None or not comparison.wrong.any():
        return None
    first = int(np.flatnonzero(comparison.wrong)[0])
    delivered, due = comparison.delivered[first], comparison.due[first]
    unknown = seen.transcript.unknown[np.flatnonzero(seen.transcript.delivers)]
    got = comparison.got[delivered][::-1].tobytes().hex()
    if unknown[delivered] and seen.transcript.unknown_hex:
        got = seen.transcript.unknown_hex[0]
    return WrongPayload(
        index=int(due), got=got, expected=comparison.expected[due][::-1].tobytes().hex()
    )
