"""Tells apart what is wrong in a replay, so that distinct failures can be told from each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.acceptance import Comparison, Expect, compare
from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.script import Script
from consilico.sim.units.layout import Layout

__all__ = ["Observed", "observe", "wrong_by_fields"]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A replay, and what it shows: each symptom with the cycle in which it first appeared."""

    script: Script
    transcript: Transcript
    comparison: Comparison | None  # None where the order of acceptance promises nothing
    symptoms: dict[str, int]


def observe(script: Script, transcript: Transcript, expect: Expect, o: Layout) -> Observed:
    """Compare a replay with the golden model and list its symptoms."""
    try:
        comparison = compare(script, transcript, expect)
    except ValueError:
        comparison = None
    return Observed(
        script=script,
        transcript=transcript,
        comparison=comparison,
        symptoms=_symptoms(transcript, comparison, o),
    )


def _symptoms(transcript: Transcript, comparison: Comparison | None, o: Layout) -> dict[str, int]:
    """Return what is wrong in a replay, in the order of appearance, with the cycle of each.

    Args:
        transcript: What happened.
        comparison: What that means.
        o: Layout of the results: wrong ones are told apart by the names of their fields.
    """
    found: dict[str, int] = {}
    for problem in transcript.problems:
        what, cycle = _located(problem, transcript.last_cycle)
        found.setdefault(what, cycle)
    if comparison is not None:
        for name, chosen in wrong_by_fields(comparison, transcript, o).items():
            found[name] = int(comparison.delivered_cycles[chosen[0]])
        if len(comparison.extra):
            found["a result that nothing was due for"] = int(
                comparison.delivered_cycles[comparison.extra[0]]
            )
        if comparison.early:
            found["a result before its input was accepted"] = transcript.last_cycle
        if comparison.missing:
            found["a result never came"] = transcript.last_cycle
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _located(problem: str, last_cycle: int) -> tuple[str, int]:
    """Split a line of the testbench into what is wrong and the cycle."""
    if problem.startswith("cycle "):  # "cycle 12, result 3: o__valid is unknown"
        where, _, what = problem.partition(": ")
        return what, int(where.split(",")[0].split()[1])
    return problem.partition(" (cycle")[0], last_cycle


def wrong_by_fields(
    comparison: Comparison, transcript: Transcript, o: Layout
) -> dict[str, NDArray[np.int64]]:
    """Return the wrong results, as numbers of delivered beats, by the names of what is wrong."""
    chosen = np.flatnonzero(comparison.wrong)
    if not len(chosen):
        return {}
    delivered = comparison.delivered[chosen]
    unknown = transcript.unknown[np.flatnonzero(transcript.delivers)][delivered]
    got = o.unpack(comparison.got[delivered])
    expected = o.unpack(comparison.expected[comparison.due[chosen]])
    names = np.zeros(len(chosen), dtype=object)
    names[:] = ""
    for name in got:
        differ = (got[name] != expected[name]).reshape(len(chosen), -1).any(axis=1)
        names[differ] += f", {name}"
    names[unknown] = ", bits unknown"
    found: dict[str, NDArray[np.int64]] = {}
    for text in dict.fromkeys(names.tolist()):
        found[f"wrong: {text[2:]}"] = delivered[names == text]
    return found
