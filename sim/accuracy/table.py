"""Read the table of perplexities that were measured, which documents and ``system`` quote.

``python -m consilico.sim.accuracy.measure`` makes it: a window of 2,048 tokens takes about a
minute, and nobody who asks for a chip waits for one.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilico.sim.accuracy.facts import Accuracy
from consilico.sim.base.facts import Facts

__all__ = [
    "TABLE",
    "KnownAccuracy",
    "MeasuredAccuracies",
    "MeasuredAccuracy",
    "TextPerplexity",
    "known_accuracy",
    "measured_accuracies",
]

TABLE = Path(__file__).with_name("measured.json")
_SCHEMA = "consilico.accuracy-table/1"


@dataclass(frozen=True, kw_only=True)
class MeasuredAccuracy(Facts):
    """Accuracy that was measured once; of its layers the worst one is kept."""

    found: Accuracy
    date: str  # ISO 8601
    tools: dict[str, str]  # versions

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Return what no other row has."""
        found = self.found
        return (found.text, found.tokens, found.normaliser, found.p_format)


@dataclass(frozen=True, kw_only=True)
class MeasuredAccuracies(Facts):
    """The table of all perplexities that were measured, a row each."""

    rows: tuple[MeasuredAccuracy, ...] = ()
    schema: str = _SCHEMA

    def added(self, row: MeasuredAccuracy) -> "MeasuredAccuracies":
        """Return the table with a row in addition, or in place of that of the same key."""
        (worst,) = (each for each in row.found.layers if each.layer == row.found.worst_layer)
        kept = replace(row, found=replace(row.found, layers=(worst,)))
        found = {each.key: each for each in (*self.rows, kept)}
        return replace(self, rows=tuple(found[key] for key in sorted(found)))

    def of(self, **wanted: Any) -> list[Accuracy]:
        """Return what was found where the named fields have these values."""
        return [
            row.found
            for row in self.rows
            if all(getattr(row.found, name) == value for name, value in wanted.items())
        ]


@dataclass(frozen=True, kw_only=True)
class TextPerplexity(Facts):
    """Perplexity of a model on one text, with a unit in it and with softmax in floating point."""

    text: str
    tokens: int  # of a window
    perplexity: float
    baseline: float  # with softmax in floating point
    change_pct: float


@dataclass(frozen=True, kw_only=True)
class KnownAccuracy(Facts):
    """Measured effect of a normalizer with a format of P, as the answer about a chip has it."""

    derived = ("change_pct",)

    texts: tuple[TextPerplexity, ...]  # none: not measured
    note: str  # of which model, or why there is nothing

    @property
    def change_pct(self) -> float | None:
        """Return the greatest change of perplexity of the texts; None where not measured."""
        return max((each.change_pct for each in self.texts), default=None)


def known_accuracy(normaliser: str, p_format: str, context: int) -> KnownAccuracy:
    """Return what the table has of a chip's normalizer.

    Args:
        normaliser: Unit in its default configuration.
        p_format: Format of P.
        context: Tokens; the longest windows count that are not longer.
    """
    if normaliser.startswith("consmax/"):
        why = f"not measured: a model has to be trained with {normaliser}"
        return KnownAccuracy(texts=(), note=why)
    known = measured_accuracies().of(normaliser=normaliser, p_format=p_format)
    longest = max((each.tokens for each in known if each.tokens <= context), default=0)
    found = [each for each in known if each.tokens == longest]
    if not found:
        return KnownAccuracy(texts=(), note="not measured: `consilico accuracy` does")
    return KnownAccuracy(
        texts=tuple(
            TextPerplexity(
                text=each.text,
                tokens=each.tokens,
                perplexity=each.perplexity,
                baseline=each.baseline,
                change_pct=each.change_pct,
            )
            for each in found
        ),
        note=f"{found[0].model} in windows of {longest:,} tokens, INT8 scores; all but the"
        " normalizer in floating point",
    )


def measured_accuracies() -> MeasuredAccuracies:
    """Return the table; an empty one where nothing was measured."""
    if not TABLE.exists():
        return MeasuredAccuracies()
    return MeasuredAccuracies.from_json(json.loads(TABLE.read_text()))
