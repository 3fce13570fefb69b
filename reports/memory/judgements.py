"""Limits of the memory ledger's errors, and its tables in the order in which they are shown."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.reports.memory.facts import EvidenceRow, FitsFacts, MemoryFacts, MethodRow
from consilico.reports.page.numbers import fixed
from consilico.reports.page.section import Card, Check, Judged
from consilico.sim.memory.evidence.peaks import ClassError

__all__ = [
    "LEAST_PCT",
    "LIMITS_PCT",
    "VERDICTS",
    "WITHIN_6_PCT",
    "WRONGLY_REFUSED",
    "BatchCell",
    "BatchRow",
    "BatchTable",
    "ErrorRow",
    "EvidenceGroup",
    "JudgedEvidence",
    "LimitedError",
    "MemoryRows",
    "error_rows",
    "fits_table",
    "grouped_evidence",
    "judge_memory",
]

LIMITS_PCT = {  # targets: the error is at most that, in percent
    "held out": {"median": 2.5},
    "seen": {"median": 3.0, "worst": 7.0},
    "tracked": {"worst": 1.0},
}
LEAST_PCT = -10.0
"""Target of the lowest error of a held-out peak: a peak that is far too low misleads most."""
WITHIN_6_PCT = 0.9
"""Target of the part of held-out peaks within 6 %."""
VERDICTS = {"fits": "Fits", "tight": "Tight", "does not fit": "Does NOT fit"}
"""Words of the page for each verdict."""
WRONGLY_REFUSED = 0.1
"""Target of the part of runs that ran and are said not to fit."""
_BEYOND_PCT = {"measured": 6.0, "tracked": 1.0}  # an error is beyond its kind's limit
_KINDS = {  # in the order of the table
    "arithmetic": "pure counting: printed figures that follow from shapes alone",
    "convention": "printed figures that follow a paper's own rule",
    "measured": "peaks that others measured",
    "tracked": "peaks of our own execution",
}


@dataclass(frozen=True, kw_only=True)
class LimitedError:
    """An error next to its limit, both in percent."""

    error_pct: float
    limit_pct: float | None  # None: there is no limit

    @property
    def met(self) -> bool | None:
        """Return whether the limit is met; None where there is none."""
        return None if self.limit_pct is None else self.error_pct <= self.limit_pct


@dataclass(frozen=True, kw_only=True)
class ErrorRow:
    """The errors over some runs."""

    label: str
    runs: int
    median: LimitedError
    worst: LimitedError


@dataclass(frozen=True, kw_only=True)
class JudgedEvidence:
    """A comparison, and whether it misses what its kind aims at."""

    row: EvidenceRow
    beyond: bool

    @property
    def ours(self) -> str:
        """Return what the ledger says, with one digit more than is published."""
        return fixed(self.row.computed, self._digits)

    @property
    def straight(self) -> str:
        """Return the straight count in the same digits, empty where it is the same."""
        if self.row.straight is None:
            return ""
        text = fixed(self.row.straight, self._digits)
        return "" if text == self.ours else text

    @property
    def note(self) -> str:
        """Return the note; that on a straight count only where the count differs."""
        return self.row.note if self.row.straight is None or self.straight else ""

    @property
    def _digits(self) -> int:
        return len(self.row.published.partition(".")[2]) + 1


@dataclass(frozen=True, kw_only=True)
class EvidenceGroup:
    """The comparisons of one kind."""

    kind: str
    words: str
    digits: bool  # judged by printed digits, not by an error's limit
    rows: tuple[JudgedEvidence, ...]

    @property
    def right(self) -> int:
        """Return how many comparisons come out as their kind aims at."""
        return sum(not item.beyond for item in self.rows)

    @property
    def missed(self) -> list[str]:
        """Return the sources of those that do not, each with their number if there are several."""
        counts: dict[str, int] = {}
        for item in self.rows:
            if item.beyond:
                counts[item.row.source] = counts.get(item.row.source, 0) + 1
        return [f"{name}: {n}" if n > 1 else name for name, n in sorted(counts.items())]


@dataclass(frozen=True, kw_only=True)
class BatchCell:
    """The largest batch of one method, length and memory."""

    batch: int
    shade: int  # 0 where nothing fits, one more for each doubling
    first: bool  # of its length


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """The largest batches of one method, of every length and memory."""

    title: str
    rank: int
    cells: tuple[BatchCell, ...]


@dataclass(frozen=True, kw_only=True)
class BatchTable:
    """The largest batches of all methods."""

    sequences: tuple[int, ...]
    rows: tuple[BatchRow, ...]
    most: int  # the greatest batch that fits anywhere


@dataclass(frozen=True, kw_only=True)
class MemoryRows:
    """Everything that the section's template shows apart from the facts."""

    errors: tuple[ErrorRow, ...]
    evidence: tuple[EvidenceGroup, ...]
    fits: BatchTable
    verdict: str  # on the headline's run, in the page's words
    outside_bytes: int  # memory of the headline's run that is not tensors
    printed: tuple[EvidenceRow, ...]  # what the authors of the headline's run measured


def error_rows(errors: Mapping[str, ClassError], peer: Mapping[str, Any]) -> tuple[ErrorRow, ...]:
    """Return errors next to what they are judged by.

    Args:
        errors: The errors, by what they are of.
        peer: Name of the tool whose runs are taken too, and its own ``worst_pct`` on them.
    """
    peer_limits = {"worst": peer["worst_pct"]}
    return tuple(
        ErrorRow(
            label=label,
            runs=errors[key].runs,
            median=LimitedError(error_pct=errors[key].median_pct, limit_pct=limits.get("median")),
            worst=LimitedError(error_pct=errors[key].worst_pct, limit_pct=limits.get("worst")),
        )
        for key, label, limits in (
            ("held out", "measured by others, held out", LIMITS_PCT["held out"]),
            ("seen", "measured by others, searched for causes of errors", LIMITS_PCT["seen"]),
            ("peer", f"of these, {peer['name']}'s own; limit: its own worst", peer_limits),
            ("tracked", "our own execution, tracked", LIMITS_PCT["tracked"]),
        )
    )


def grouped_evidence(rows: Iterable[EvidenceRow]) -> tuple[EvidenceGroup, ...]:
    """Return the comparisons by kind, each judged.

    A printed figure is missed where the digits differ, a peak where the error is over the limit.
    """
    groups = []
    known = list(rows)
    for kind, words in _KINDS.items():
        limit = _BEYOND_PCT.get(kind)
        own = tuple(
            JudgedEvidence(
                row=row, beyond=not row.exact if limit is None else abs(row.error_pct) > limit
            )
            for row in known
            if row.kind == kind
        )
        groups.append(EvidenceGroup(kind=kind, words=words, digits=limit is None, rows=own))
    return tuple(groups)


def fits_table(fits: FitsFacts, methods: Sequence[MethodRow]) -> BatchTable:
    """Return a row for each method, with the largest batches of every length and memory."""
    titles = {method.name: method.title for method in methods}
    sequences = sorted({row.sequence for row in fits.rows})
    found = {(row.method, row.rank, row.sequence): row for row in fits.rows}
    rows = []
    for name, rank in dict.fromkeys((row.method, row.rank) for row in fits.rows):
        cells = []
        for sequence in sequences:
            largest = found[name, rank, sequence].largest_batch
            batches = [largest[memory] for memory in fits.memories]
            cells += [
                BatchCell(batch=batch, shade=batch.bit_length(), first=index == 0)
                for index, batch in enumerate(batches)
            ]
        rows.append(BatchRow(title=titles[name], rank=rank, cells=tuple(cells)))
    most = max(cell.batch for row in rows for cell in row.cells)
    return BatchTable(sequences=tuple(sequences), rows=tuple(rows), most=most)


def judge_memory(facts: MemoryFacts) -> Judged:
    """Judge the ledger's errors, and whether the headline's run fits its GPU.

    Returns:
        Rows: a :class:`MemoryRows`.
    """
    peer = tomllib.loads(Path(__file__).with_name("peer.toml").read_text())
    errors = error_rows(facts.errors, peer)
    run = facts.headline
    checks = [
        Check(
            what=f"training memory, {name} error of peaks {row.label}",
            limit=f"at most {error.limit_pct:g} %",
            measured=f"{error.error_pct:.3f} %",
            met=error.met,
        )
        for row in errors
        for name, error in (("median", row.median), ("worst", row.worst))
        if error.limit_pct is not None
    ]
    held, verdicts = facts.errors["held out"], facts.verdicts["held out"]
    checks += [
        Check(
            what="training memory, lowest error of peaks measured by others, held out",
            limit=f"at least {LEAST_PCT:g} %",
            measured=f"{held.low_pct:.1f} %",
            met=held.low_pct >= LEAST_PCT,
        ),
        Check(
            what="training memory, peaks measured by others, held out, within 6 %",
            limit=f"at least {WITHIN_6_PCT:.0%}",
            measured=f"{facts.within_6_pct:.0%}",
            met=facts.within_6_pct >= WITHIN_6_PCT,
        ),
        Check(
            what="training memory, held-out runs that died and are said to fit",
            limit="none",
            measured=f"{verdicts.died_fits} of {verdicts.died}",
            met=verdicts.died_fits == 0,
        ),
        Check(
            what="training memory, held-out runs that ran and are said not to fit",
            limit=f"at most {WRONGLY_REFUSED:.0%}",
            measured=f"{verdicts.ran_does_not_fit} of {verdicts.ran}",
            met=verdicts.wrongly_refused <= WRONGLY_REFUSED,
        ),
    ]
    needed, there = run["needed_bytes"], run["memory_bytes"] / 1e9
    card = Card(
        label=f"{run['model']} with {run['method']} on one {facts.card.title}",
        value=VERDICTS[run["verdict"]],
        note=f"needs {needed['value'] / 1e9:.2f} ({needed['low'] / 1e9:.2f} to"
        f" {needed['high'] / 1e9:.2f}) GB of {there:.2f} GB",
        kind="counted",
        good={"fits": True, "does not fit": False}.get(run["verdict"]),
    )
    rows = MemoryRows(
        errors=errors,
        evidence=grouped_evidence(facts.evidence),
        fits=fits_table(facts.fits, facts.methods),
        verdict=VERDICTS[run["verdict"]],
        outside_bytes=sum(part["bytes"] for part in run["outside"]),
        printed=tuple(
            row
            for row in facts.evidence
            if (row.kind, row.model, row.label) == ("measured", run["model"], run["method"])
        ),
    )
    return Judged(checks=checks, cards=[card], rows=rows)
