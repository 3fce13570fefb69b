"""Explains what a replay found: which fields differ, by how much, when, and what shows it.

A replay that fails shows symptoms, such as "wrong: data, overflow" or "hang: no result comes". For
each of them the stimulus is made as short as possible, with the same compiled testbench, and kept
as a file that can be replayed, with a waveform of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.acceptance import Expect, ReplayComparison
from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.shrink import shortest
from consilico.sim.rtlsim.symptoms import (
    Observed,
    observe,
    tell_lanes_apart,
    wrong_by_fields,
)
from consilico.sim.units.layout import Field, Layout

__all__ = ["Failure", "FieldDifference", "Files", "differences", "explain"]

_DISTINCT = 4  # symptoms that are explained; what follows is mostly their echo
_SHOWN = 8  # fields of a result that are listed
_NS_PER_CYCLE = 4
_FIRST_NS = 16  # at which the first cycle is sampled

Replays = Callable[[Script], Transcript]


@dataclass(frozen=True, kw_only=True)
class FieldDifference(Facts):
    """One field of a result that is not what it should be."""

    got: str  # decimal, or hexadecimal with x for unknown digits
    expected: str
    ulp: int | None  # got - expected in units in the last place; None if bits are unknown


@dataclass(frozen=True, kw_only=True)
class Failure(Facts):
    """One way in which a unit failed, and the shortest stimulus found that still shows it."""

    what: str  # the symptom, for people
    bench: str  # where it was seen first: simulator and replay
    fields: dict[
        str, FieldDifference
    ]  # by lane and name, of the first wrong result of the stimulus
    results_wrong: int  # beats on ``o`` with this symptom in the replay that found it
    worst_ulp: int | None  # over all fields of these beats, as a magnitude
    mean_ulp: float | None  # over those fields of them that differ
    cycle: int  # in the replay of the stimulus, from 1 after the first reset
    time_ns: int  # in its waveform
    items: int  # of the stimulus
    stimulus: str  # file
    waveform: str  # file; "" where none was written
    replay: str  # command


def differences(
    comparison: ReplayComparison, transcript: Transcript, o: Layout, delivered: int
) -> dict[str, FieldDifference]:
    """Return the fields in which one delivered beat differs from what was due, by lane and name."""
    due = int(comparison.due[np.flatnonzero(comparison.delivered == delivered)[0]])
    unknown = np.cumsum(transcript.unknown[np.flatnonzero(transcript.delivers)])
    digits = None
    if unknown[delivered] > (unknown[delivered - 1] if delivered else 0):
        place = int(unknown[delivered]) - 1
        if place < len(transcript.unknown_hex):
            digits = transcript.unknown_hex[place]
    found: dict[str, FieldDifference] = {}
    for field in o.fields:
        got, expected = (
            _value(field, rows) for rows in (comparison.got[delivered], comparison.expected[due])
        )
        hidden = _unknown_digits(field, digits)
        if hidden:
            found[field.label] = FieldDifference(got=hidden, expected=str(expected), ulp=None)
        elif got != expected:
            ulp = field.ulp(np.array([got]), np.array([expected]))[0]
            found[field.label] = FieldDifference(got=str(got), expected=str(expected), ulp=int(ulp))
    return dict(list(found.items())[:_SHOWN])


def _value(field: Field, row: NDArray[np.uint8]) -> int:
    whole = int.from_bytes(row.tobytes(), "little") >> field.offset
    value = whole & ((1 << field.width) - 1)
    return value - (1 << field.width) if field.signed and value >> (field.width - 1) else value


def _unknown_digits(field: Field, digits: str | None) -> str:
    """Return the hexadecimal digits that hold a field, if one of them is unknown."""
    if digits is None:
        return ""
    high = len(digits) - field.offset // 4
    low = len(digits) - (field.offset + field.width - 1) // 4 - 1
    part = digits[low:high].lower()  # Verilog writes X where some bits of a digit are known
    return part if "x" in part else ""


def _ulps(
    comparison: ReplayComparison, o: Layout, delivered: NDArray[np.int64], what: str
) -> tuple[int | None, float | None]:
    """Return the worst and the mean difference of the fields that a symptom names, in beats."""
    named = what.removeprefix("wrong: ").split(", ")
    due = comparison.due[np.isin(comparison.delivered, delivered)]
    got, expected = o.unpack(comparison.got[delivered]), o.unpack(comparison.expected[due])
    found = [np.zeros(0, dtype=np.int64)]
    for name, fields in o.by_name.items():
        ulps = np.abs(fields[0].ulp(got[name], expected[name])).reshape(-1, len(fields))
        lanes = [lane for lane, each in enumerate(fields) if {name, each.label} & {*named}]
        found.append(ulps[:, lanes].ravel())
    apart = np.concatenate(found)
    apart = apart[apart > 0]
    return (int(apart.max()), float(apart.mean())) if len(apart) else (None, None)


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files that explain a failure."""

    stimulus: Path
    waveform: Path | None  # None where the simulation wrote none
    command: str  # that replays it


def explain(
    first: Observed,
    bench: str,
    expect: Expect,
    o: Layout,
    replays: Replays,
    keep: Callable[[Observed, str], Files],
    known: set[str],
) -> list[Failure]:
    """Return the distinct failures of a replay, each with the shortest stimulus that shows it.

    Wrong results are told apart by the fields that are wrong, and by lane where lanes fail by
    themselves.

    Args:
        first: The replay that failed.
        bench: What it was, for people.
        expect: The unit's golden model on its streams.
        o: Layout of the results.
        replays: Replays a script on the same build.
        keep: Keeps the script of a replay and its waveform; is given the symptom.
        known: Symptoms that have been explained already; those explained here are added.
    """
    first = tell_lanes_apart(first, o)
    found: list[Failure] = []
    for what in [name for name in first.symptoms if name not in known]:
        if len(known) == _DISTINCT:
            break
        known.add(what)

        least = _shortest(first, what, replays, expect, o)
        files = keep(least, what)
        wrong = _wrong_of(first, o, what)
        worst, mean = (
            _ulps(first.comparison, o, wrong, what)
            if first.comparison and len(wrong)
            else (None, None)
        )
        shown = _wrong_of(least, o, what)
        cycle = least.symptoms[what]
        found.append(
            Failure(
                what=what,
                bench=bench,
                fields=differences(least.comparison, least.transcript, o, int(shown[0]))
                if least.comparison and len(shown)
                else {},
                results_wrong=len(wrong),
                worst_ulp=worst,
                mean_ulp=mean,
                cycle=cycle,
                time_ns=_FIRST_NS + _NS_PER_CYCLE * (cycle - 1),
                items=len(least.script),
                stimulus=str(files.stimulus),
                waveform=str(files.waveform or ""),
                replay=files.command,
            )
        )
    return found


def _shortest(first: Observed, what: str, replays: Replays, expect: Expect, o: Layout) -> Observed:
    def shows(script: Script) -> Observed | None:
        seen = observe(script, replays(script), expect, o, first.apart)
        return seen if what in seen.symptoms else None

    return shortest(first, what, shows)


def _wrong_of(seen: Observed, o: Layout, what: str) -> NDArray[np.int64]:
    """Return the delivered beats that show a symptom."""
    if seen.comparison is None:
        return np.zeros(0, dtype=np.int64)
    wrong = wrong_by_fields(seen.comparison, seen.transcript, o, seen.apart)
    return wrong.get(what, np.zeros(0, dtype=np.int64))
