"""Finds the shortest script that still shows a failure, by delta debugging on its items."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.script import ALWAYS_READY, Script
from consilico.sim.rtlsim.symptoms import Observed
from consilico.sim.units.stimulus import Kind

__all__ = ["shortest"]

_TRIALS = 60  # replays spent on one failure; each takes a fraction of a second
_ITEMS = 60_000  # replayed for one failure, in all

Shows = Callable[[Script], Observed | None]  # the replay, if it shows the failure


def shortest(first: Observed, what: str, shows: Shows) -> Observed:
    """Return the replay of the shortest script found that shows a failure.

    Items after the failure go first, then stalls and gaps as far as they do not matter, then items
    in ever smaller groups (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
    Input", 2002). The first load of configuration stays: without it nothing is promised.

    Args:
        first: A replay that shows the failure.
        what: Its symptom.
        shows: Replays a script, and tells whether it still shows the failure.
    """
    trials = items = 0
    best = first

    def exhausted() -> bool:
        return trials >= _TRIALS or items >= _ITEMS

    def accepts(script: Script) -> bool:
        nonlocal trials, items, best
        if exhausted() or not len(script):
            return False
        trials, items = trials + 1, items + len(script)
        seen = shows(script)
        if seen is not None:
            best = seen
        return seen is not None

    if not accepts(_until(first, what)) and not accepts(first.script):
        return first  # it does not show twice, so nothing can be learned from shorter ones
    for simpler in _simplifications(best.script):
        accepts(simpler(best.script))
    fixed = _first_load(best.script)
    groups = 2
    while True:
        script = best.script
        free = np.flatnonzero(~fixed)
        if not len(free) or exhausted():
            return best
        groups = min(groups, len(free))
        for part in np.array_split(free, groups):
            kept = np.ones(len(script), dtype=np.bool_)
            kept[part] = False
            if accepts(script.select(kept)):
                fixed = fixed[kept]
                groups = max(groups - 1, 2)
                break
        else:
            if groups == len(free):
                return best
            groups = min(2 * groups, len(free))


def _until(seen: Observed, what: str) -> Script:
    """Return the script without what was accepted only after the failure."""
    comparison = seen.comparison
    if comparison is None:
        return seen.script
    if seen.symptoms[what] >= seen.transcript.last_cycle:
        return seen.script  # something never came
    return seen.script.select(np.sort(comparison.order[comparison.cycles <= seen.symptoms[what]]))


def _simplifications(script: Script) -> list[Callable[[Script], Script]]:
    """Return what may make a script plainer, the most first."""

    def patient(script: Script) -> Script:
        return replace(script, consumer=ALWAYS_READY)

    def eager(script: Script) -> Script:
        return replace(script, gap=np.zeros_like(script.gap))

    def ordered(script: Script) -> Script:
        none = np.zeros(len(script), dtype=np.int64)
        return replace(script, data_lead=none, config_lead=none)

    return [
        lambda script: ordered(eager(patient(script))),
        patient,
        eager,
        ordered,
    ]


def _first_load(script: Script) -> NDArray[np.bool_]:
    """Return which items are the configuration before the first beat of data."""
    before = np.cumsum(script.kind == Kind.DATA) == 0
    fixed: NDArray[np.bool_] = before & (script.kind == Kind.CONFIG)
    return fixed
