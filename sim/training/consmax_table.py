"""The table of trainings with ConSmax: what was trained, where, when, and what came of it.

``python -m consilico.sim.training.consmax_measure`` writes it.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.training.consmax_formats import Distribution, FormatLoss

__all__ = ["TABLE", "ConsmaxRun", "ConsmaxTable", "Spread", "read_consmax_table"]

TABLE = Path(__file__).with_name("consmax_measured.json")
_SCHEMA = "consilico.consmax-trainings/1"


@dataclass(frozen=True, kw_only=True)
class Spread(Facts):
    """The least, the mean and the greatest of all heads."""

    least: float
    mean: float
    greatest: float


@dataclass(frozen=True, kw_only=True)
class ConsmaxRun(Facts):
    """Outcome of one training of the study."""

    size: str  # name of the model and its training
    normalizer: str  # name of what normalizes its scores, and of where that starts
    seed: int
    settings: dict[str, Any]  # everything that the training depends on
    loss: float  # nats per byte, all text that was held out, in floating point
    training_loss: float  # nats per byte, mean of the last steps
    passage_bytes: int  # of the text that was held out, on which formats are measured
    passage_loss: float  # nats per byte, in floating point
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
class ConsmaxTable(Facts):
    """All trainings, a row each."""

    rows: tuple[ConsmaxRun, ...] = ()
    schema: str = _SCHEMA

    def added(self, row: ConsmaxRun) -> "ConsmaxTable":
        """Return the table with a row in addition, or in place of that of the same key."""
        found = {each.key: each for each in (*self.rows, row)}
        return replace(self, rows=tuple(found[key] for key in sorted(found)))

    def find(self, size: str, normalizer: str, seed: int) -> ConsmaxRun | None:
        """Return a row; None where the training was not run."""
        key = (size, normalizer, seed)
        return next((row for row in self.rows if row.key == key), None)


def read_consmax_table(path: Path = TABLE) -> ConsmaxTable:
    """Return the table; an empty one where nothing was measured."""
    return ConsmaxTable.from_json(json.loads(path.read_text())) if path.exists() else ConsmaxTable()
