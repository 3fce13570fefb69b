"""Coverage points of the streams: what every verification must have seen, whatever the unit."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.acceptance import ReplayComparison
from consilico.sim.rtlsim.bulk_replay import Transcript

__all__ = ["LONG_STALL_CYCLES", "Exemption", "Required", "events_of", "stream_points"]

LONG_STALL_CYCLES = 4096  # likewise of a sleep

_ALWAYS = (
    "gap_cycles",
    "i_stall_cycles",
    "o_stall_cycles",
    "ready_after_valid",
    "long_stall",
    "long_sleep",
)
_CONFIG = (
    "config_with_data",
    "config_back_to_back",
    "config_after_reset",
    "config_when_full",
    "config_in_flight",
)
_RESET = ("reset_in_flight", "reset_under_back_pressure")
_HELD = ("config_when_full", "config_in_flight", *_RESET)


@dataclass(frozen=True, kw_only=True)
class Exemption(Facts):
    """Something that a verification did not cover."""

    point: str  # coverage point, or what was not run
    why: str


@dataclass(frozen=True, kw_only=True)
class Required:
    """Points of the streams that have to be hit, and those that need not be."""

    points: tuple[str, ...]
    exempt: tuple[Exemption, ...]


def stream_points(*, configurable: bool, latency_cycles: int) -> Required:
    """Return the points of the streams that a unit has to hit.

    Args:
        configurable: Whether the unit has a stream ``cfg``.
        latency_cycles: Its latency; with none it holds nothing that a reset could drop.
    """
    exempt: dict[str, str] = {}
    if not configurable:
        exempt |= dict.fromkeys(_CONFIG, "the unit has no configuration stream")
    if not latency_cycles:
        exempt |= {point: "the unit holds no results" for point in _HELD if point not in exempt}
    every = (*_ALWAYS, *_RESET, *_CONFIG)
    return Required(
        points=tuple(f"stream/{point}" for point in every if point not in exempt),
        exempt=tuple(
            Exemption(point=f"stream/{point}", why=why) for point, why in sorted(exempt.items())
        ),
    )


def events_of(transcript: Transcript, comparison: ReplayComparison | None) -> dict[str, int]:
    """Return how often a replay hit each point of the streams."""
    events = dict(transcript.events)
    for what in ("stall", "sleep"):
        events[f"long_{what}"] = int(events.pop(f"longest_{what}") > LONG_STALL_CYCLES)
    if comparison is not None:
        events["reset_in_flight"] = comparison.resets_in_flight
        events["config_in_flight"] = comparison.configs_in_flight
    events.pop("dump_cycles")
    return events
