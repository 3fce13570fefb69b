"""What one bench found, the same for every bench."""

from dataclasses import asdict, dataclass, field
from typing import Any

from consilico.sim.units.stimulus import Stimulus

__all__ = ["Outcome", "results_in"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of replaying a stimulus on one bench. A beat carries one payload of all lanes."""

    bench: str
    checked: int  # results compared, all lanes counted
    beats_checked: int
    beats_dropped: int  # in flight at a reset
    beats_wrong: int
    beats_missing: int  # due, but never delivered
    violations: int  # of the stream protocol, results too many included
    problems: list[str]  # what went wrong, for people; empty if nothing did
    first_mismatch: dict[str, Any] | None  # index of the DATA item, got and expected in hex
    cycles: int
    seconds: float  # wall clock, from handing over the stimulus to the verdict
    latency_cycles: int | None = None  # of the first result; the unit's own if nothing stalls
    events: dict[str, int] = field(default_factory=dict)  # stall cycles, resets in flight, ...

    @property
    def mismatches(self) -> int:
        """Wrong and missing beats and protocol violations; at least 1 if anything went wrong."""
        found = self.beats_wrong + self.beats_missing + self.violations
        return max(found, len(self.problems))

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing was wrong."""
        return self.mismatches == 0 and self.checked > 0

    def to_json(self) -> dict[str, Any]:
        """Field values by name, with ``mismatches`` and ``passed``."""
        return asdict(self) | {"mismatches": self.mismatches, "passed": self.passed}


def results_in(stimulus: Stimulus, beats: int) -> int:
    """Results, all lanes counted, in that many of the stimulus' beats."""
    return stimulus.results * beats // max(1, len(stimulus.expected))
