"""Describe how a stimulus is replayed and what came out of it, for every kind of testbench."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.endings import Stop

__all__ = ["Dump", "Replay", "ReplayOutcome", "WrongPayload", "problems_of"]


@dataclass(frozen=True, kw_only=True)
class Dump:
    """File for the unit's waveform, and the items of the stimulus between which it is recorded.

    The file is a VCD of whole clock cycles, scope ``consilico_bench.dut``. It ends with
    ``$dumpoff``, whose x values are no activity.
    """

    path: Path
    first: int  # item at which the waveform begins
    last: int  # item before which it ends
    levels: int = 0  # of the hierarchy, from the unit down; 0: all


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Settings of a replay: stalls, limits and what is recorded.

    Stall levels are probabilities in 256ths that a cycle stalls. With a level above 0, phases of
    64 cycles that run freely, at that level and nearly blocked follow each other at random.
    """

    bench: str = "bulk"  # name of the outcome
    stall_in: int = 0  # before an item is offered on ``i`` or ``cfg``
    stall_out: int = 0  # while a result is offered on ``o``
    seed: int = 1  # of the stalls
    hang_cycles: int = 10_000  # cycles without a handshake after which the unit counts as hung
    limit_s: float = 3600.0  # wall clock; a combinational loop never reaches the next cycle
    stop_at_mismatch: bool = False
    dump: Dump | None = None  # no waveform if None


@dataclass(frozen=True, kw_only=True)
class WrongPayload(Facts):
    """One result that is wrong; payloads are hexadecimal, with ``x`` for unknown digits."""

    index: int  # of the beat on ``o``
    got: str
    expected: str


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome(Facts):
    """Result of one testbench. A beat carries one payload, of all lanes."""

    derived: ClassVar[tuple[str, ...]] = ("mismatches", "passed")

    bench: str  # what was replayed how, such as "bulk, full speed"
    checked: int  # results compared, all lanes counted
    beats_checked: int
    beats_dropped: int  # in flight at a reset
    beats_wrong: int
    beats_missing: int  # due, but never delivered
    violations: int  # of the stream protocol, results too many included
    problems: tuple[str, ...]  # what went wrong, for people; empty if nothing did
    first_mismatch: WrongPayload | None
    cycles: int
    seconds: float  # wall clock, from handing over the stimulus to the verdict
    latency_cycles: int | None = None  # of the first result; the unit's own if nothing stalls
    events: dict[str, int] = field(default_factory=dict)  # stall cycles, resets in flight, ...
    stopped: Stop | None = None  # why it did not come to its end, if it did not

    @property
    def mismatches(self) -> int:
        """Return the wrong and missing beats and the violations: above 0 if anything is wrong."""
        found = self.beats_wrong + self.beats_missing + self.violations
        return max(found, len(self.problems))

    @property
    def passed(self) -> bool:
        """Tell whether something was checked and nothing was wrong."""
        return self.mismatches == 0 and self.checked > 0


def problems_of(*, beats: int, due: int, missing: int, wrong: int) -> list[str]:
    """Return lines for people about results that are missing or wrong.

    Args:
        beats: Beats that were compared.
        due: Beats that the stimulus expects.
        missing: Beats that were due and never delivered.
        wrong: Beats that differ from what is expected.
    """
    lines = [f"{missing} of {due} results never came"] if missing else []
    return lines + ([f"{wrong} of {beats} payloads are wrong"] if wrong else [])
