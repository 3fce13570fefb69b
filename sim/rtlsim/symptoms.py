"""Tells apart what is wrong in a replay, so that distinct failures can be told from each other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.acceptance import Expect, ReplayComparison, compare
from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.script import Script
from consilico.sim.units.layout import Layout

__all__ = ["Observed", "observe", "tell_lanes_apart", "wrong_by_fields"]

_COINCIDENCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A replay, and what it shows: each symptom with the cycle in which it first appeared."""

    script: Script
    transcript: Transcript
    comparison: ReplayComparison | None  # None where the order of acceptance promises nothing
    symptoms: dict[str, int]
    apart: frozenset[str] = frozenset()  # fields whose lanes are different symptoms


def observe(
    script: Script,
    transcript: Transcript,
    expect: Expect,
    o: Layout,
    apart: frozenset[str] = frozenset(),
) -> Observed:
    """Compare a replay with the golden model and list its symptoms.

    Args:
        script: What was driven.
        transcript: What happened.
        expect: The unit's golden model on its streams.
        o: Layout of the results: wrong ones are told apart by the names of their fields.
        apart: Names of fields whose lanes are told apart, too.
    """
    try:
        comparison = compare(script, transcript, expect)
    except ValueError:
        comparison = None
    return Observed(
        script=script,
        transcript=transcript,
        comparison=comparison,
        symptoms=_symptoms(transcript, comparison, o, apart),
        apart=apart,
    )


def _symptoms(
    transcript: Transcript, comparison: ReplayComparison | None, o: Layout, apart: Collection[str]
) -> dict[str, int]:
    """Return what is wrong in a replay, in the order of appearance, with the cycle of each."""
    found: dict[str, int] = {}
    for problem in transcript.problems:
        what, cycle = _located(problem, transcript.last_cycle)
        found.setdefault(what, cycle)
    if comparison is not None:
        for name, chosen in wrong_by_fields(comparison, transcript, o, apart).items():
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
    comparison: ReplayComparison, transcript: Transcript, o: Layout, apart: Collection[str] = ()
) -> dict[str, NDArray[np.int64]]:
    """Return the wrong results, as numbers of delivered beats, by the names of what is wrong.

    Args:
        comparison: What was delivered and due.
        transcript: What happened.
        o: Layout of the results.
        apart: Names of fields whose lanes are told apart; a beat may then have several names.
    """
    chosen = np.flatnonzero(comparison.wrong)
    if not len(chosen):
        return {}
    delivered = comparison.delivered[chosen]
    unknown = transcript.unknown[np.flatnonzero(transcript.delivers)][delivered]
    differ = _differ(comparison, chosen, o)
    whole = {
        name: np.asarray(wrong.any(axis=1)) for name, wrong in differ.items() if name not in apart
    }
    parts = [_named(whole, unknown)]
    for lane in range(max((differ[name].shape[1] for name in apart), default=0)):
        fields = {f"lane{lane}/{name}": differ[name][:, lane] for name in differ if name in apart}
        parts.append(np.where(unknown, "", _named(fields, np.zeros_like(unknown))))
    return {
        f"wrong: {text}": delivered[names == text]
        for names in parts
        for text in dict.fromkeys(names.tolist())
        if text
    }


def _differ(
    comparison: ReplayComparison, chosen: NDArray[np.int64], o: Layout
) -> dict[str, NDArray[np.bool_]]:
    """Return which lanes of each field differ in compared beats, shape ``(chosen, lanes)``."""
    got = o.unpack(comparison.got[comparison.delivered[chosen]])
    expected = o.unpack(comparison.expected[comparison.due[chosen]])
    return {
        name: (got[name] != expected[name]).reshape(len(chosen), len(fields))
        for name, fields in o.by_name.items()
    }


def _named(
    fields: Mapping[str, NDArray[np.bool_]], unknown: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Return the names of the fields that are wrong in each beat, as text."""
    names = np.full(len(unknown), "", dtype=object)
    for name, wrong in fields.items():
        names[wrong] += f", {name}"
    names = np.array([text.removeprefix(", ") for text in names], dtype=object)
    names[unknown] = "bits unknown"
    return names


def tell_lanes_apart(seen: Observed, o: Layout) -> Observed:
    """Return a replay with the symptoms of single lanes apart, where lanes fail by themselves.

    One fault that all lanes share, such as a wrong table, shows in some lanes only if it shows
    rarely. Lanes are told apart where that would be a strange coincidence: where ``n`` wrong values
    would hit no more than ``g`` of ``m`` lanes with a probability below one in a hundred, at most
    ``binomial(m, g) * (g / m) ** n`` (the union bound over the choices of ``g`` lanes).
    """
    if seen.comparison is None:
        return seen
    apart = set()
    for name, wrong in _differ(seen.comparison, np.flatnonzero(seen.comparison.wrong), o).items():
        lanes, hit = wrong.shape[1], int(wrong.any(axis=0).sum())
        if 0 < hit < lanes and comb(lanes, hit) * (hit / lanes) ** int(wrong.sum()) < _COINCIDENCE:
            apart.add(name)
    if not apart:
        return seen
    symptoms = _symptoms(seen.transcript, seen.comparison, o, apart)
    return replace(seen, symptoms=symptoms, apart=frozenset(apart))
