"""The table of trainings with ConSmax: what was trained, where, when, and what came of it.

``python -m consilico.sim.training.consmax_measure`` writes it.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from consilico.sim.base.facts import Facts
from consilico.sim.training.consmax_formats import Distribution, FormatLoss

__all__ = [
    "TABLE",
    "ConsmaxRun",
    "ConsmaxTable",
    "ConversionRun",
    "Spread",
    "TrainedRun",
    "read_consmax_table",
]

TABLE = Path(__file__).with_name("consmax_measured.json")
_SCHEMA = "consilico.consmax-trainings/1"


@dataclass(frozen=True, kw_only=True)
class Spread(Facts):
    """The least, the mean and the greatest of all heads."""

    least: float
    mean: float
    greatest: float


@dataclass(frozen=True, kw_only=True)
class TrainedRun(Facts):
    """Outcome of a training; losses are in nats per byte, or per token of a conversion."""

    size: str  # name of the model and its training
    normalizer: str  # name of what normalizes its scores, and of where that starts
    seed: int
    settings: dict[str, Any]  # everything that the training depends on
    loss: float  # of text that was held out, in floating point
    training_loss: float  # mean of the last steps
    passage_loss: float  # of the text that formats are measured on, in floating point
    formats: tuple[FormatLoss, ...]  # with the unit, bit for bit
    distribution: Distribution  # of the unit's results
    beta: Spread | None  # learned; None with softmax
    gamma: Spread | None
    seconds: float  # of the training
    machine: str
    date: str  # ISO 8601
    versions: dict[str, str]
    text: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """Return what no other row has."""
        return (self.size, self.normalizer, self.seed)

    def format_loss(self, p_format: str) -> FormatLoss:
        """Return what a format of P does to the model."""
        return next(each for each in self.formats if each.p_format == p_format)


@dataclass(frozen=True, kw_only=True)
class ConsmaxRun(TrainedRun):
    """Outcome of one training of a byte-level GPT; its loss is that of all held-out text."""

    passage_bytes: int  # of the text that was held out, on which formats are measured


@dataclass(frozen=True, kw_only=True)
class ConversionRun(TrainedRun):
    """Outcome of the conversion of a pretrained model."""

    before: float  # loss before any step, on the same text as the loss
    unsaturated: float | None  # that loss where weights do not saturate at 1; None: no number
    held_out_tokens: int  # that the loss is the mean of
    passage_tokens: int  # of the text that was held out, on which formats are measured
    model: dict[str, str]  # package, version, file and SHA-256


Run = TypeVar("Run", bound=TrainedRun)


@dataclass(frozen=True, kw_only=True)
class ConsmaxTable(Facts):
    """All trainings, a row each."""

    rows: tuple[ConsmaxRun, ...] = ()
    schema: str = _SCHEMA
    conversions: tuple[ConversionRun, ...] = ()

    def added(self, row: ConsmaxRun | ConversionRun) -> "ConsmaxTable":
        """Return the table with a row in addition, or in place of that of the same key."""
        if isinstance(row, ConversionRun):
            return replace(self, conversions=_with(self.conversions, row))
        return replace(self, rows=_with(self.rows, row))

    def find(self, size: str, normalizer: str, seed: int) -> ConsmaxRun | None:
        """Return a training of a GPT; None where it was not run."""
        return _find(self.rows, (size, normalizer, seed))

    def find_conversion(self, size: str, normalizer: str, seed: int) -> ConversionRun | None:
        """Return a conversion; None where it was not run."""
        return _find(self.conversions, (size, normalizer, seed))


def _with(rows: tuple[Run, ...], row: Run) -> tuple[Run, ...]:
    found = {each.key: each for each in (*rows, row)}
    return tuple(found[key] for key in sorted(found))


def _find(rows: tuple[Run, ...], key: tuple[str, str, int]) -> Run | None:
    return next((row for row in rows if row.key == key), None)


def read_consmax_table(path: Path = TABLE) -> ConsmaxTable:
    """Return the table; an empty one where nothing was measured."""
    return ConsmaxTable.from_json(json.loads(path.read_text())) if path.exists() else ConsmaxTable()
