"""Figures that papers print, next to what counting gives: the checked part of the ledger.

There are two kinds, never mixed: ``arithmetic`` is pure counting and must be exact; ``convention``
is a paper's own rule, reproduced with its quirks, and what no rule reproduces stays as a miss.
"""

import math
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.memory.evidence.conventions import CONVENTIONS
from consilico.sim.memory.evidence.counting import (
    STRAIGHT_COUNTS,
    CountedBytes,
    PublishedTraining,
    Rule,
)
from consilico.sim.memory.presets import find_model

__all__ = ["PublishedFigure", "nominal_parameters", "published_figures"]

_UNITS = {  # bytes, or elements, of one unit
    "MB": 10**6,
    "1024 MB": 1024 * 10**6,
    "GB": 10**9,
    "GiB": 2**30,
    "million": 10**6,
}
_GALORE_G = _UNITS["1024 MB"]


@dataclass(frozen=True, kw_only=True)
class PublishedFigure:
    """One printed figure; ``published``, ``computed`` and ``straight`` are in the same unit."""

    kind: str  # arithmetic or convention
    paper: str
    source: str
    table: str
    label: str  # the method, as the paper names it
    model: str
    rank: int  # 0: none
    quantity: str
    convention: str
    printed: str
    unit: str  # as printed
    meaning: str  # of one unit: "1024 MB" is 1024 x 10^6 bytes
    computed: float
    straight: float
    note: str  # what the straight count is; empty where it is the computed one
    match: str  # rounded, truncated (to the printed digits), or miss

    @property
    def published(self) -> float:
        """Return the printed figure as a number."""
        return float(self.printed)

    @property
    def exact(self) -> bool:
        """Tell whether the computed figure has the printed digits, rounded or truncated."""
        return self.match != "miss"

    @property
    def residual_pct(self) -> float:
        """Return by how much the computed figure differs from the printed one, in percent.

        Of a printed zero it is 0 where the computed figure is exact, and infinite otherwise.
        """
        if not self.published:
            return 0.0 if self.exact else math.inf
        return 100 * (self.computed / self.published - 1)


@cache
def _published() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("published_tables.toml").read_text())


def nominal_parameters(model: str) -> int:
    """Return the parameters of a model as GaLore rounds them; 0 if it does not."""
    return int(_published()["nominal"].get(model, 0))


def published_figures() -> list[PublishedFigure]:
    """Return every figure, in the order of ``published_tables.toml``."""
    data = _published()
    return [_row(table, item) for table in data["table"] for item in table["rows"]]


def _row(table: dict[str, Any], item: dict[str, Any]) -> PublishedFigure:
    """Count one figure of a table by the paper's rule and straightforwardly."""
    name = item.get("architecture", item["model"].lower())
    case = PublishedTraining(
        model=find_model(name),
        rank=item.get("rank", 0),
        percent=item.get("percent", 0),
        nominal=nominal_parameters(name),
    )
    kinds, meaning = table["quantity"], table["meaning"]
    against = CONVENTIONS[item["against"]] if "against" in item else None
    rule = CONVENTIONS[item["convention"]]
    computed = straight = _value(case, rule, against, kinds, meaning, item.get("places"))
    note = ""
    if item["straight"] != "same":
        count = STRAIGHT_COUNTS[item["straight"]]
        if "straight_against" in item:
            against = STRAIGHT_COUNTS[item["straight_against"]]
        straight = _value(case, count, against, kinds, meaning)
        note = (count.__doc__ or "").split("\n")[0]
    return PublishedFigure(
        **{key: table[key] for key in ("kind", "paper", "source", "table", "quantity", "unit")},
        label=item["method"],
        model=item["model"],
        rank=case.rank,
        convention=item["convention"],
        printed=item["printed"],
        meaning=table["meaning"],
        computed=float(computed),
        straight=float(straight),
        note=note,
        match=_match(computed, item["printed"]),
    )


def _amount(memory: CountedBytes, quantity: str) -> Fraction:
    """Return the sum in bytes of the kinds that ``quantity`` names."""
    kinds = memory._fields if quantity == "all" else quantity.split("+")
    return Fraction(sum(getattr(memory, kind) for kind in kinds))


def _value(
    case: PublishedTraining,
    rule: Rule,
    against: Rule | None,
    quantity: str,
    meaning: str,
    places: int | None = None,
) -> Fraction:
    """Return a figure in units of ``meaning``.

    Where it is compared with another rule's, it is a difference, a quotient or a saving. ``places``
    says to how many places both sides are rounded, in GaLore's G, before they are compared.
    """
    amount = _amount(rule(case), quantity)
    if against is None:
        return amount / _UNITS[meaning]
    base = _amount(against(case), quantity)
    if places is not None:
        amount, base = (_round(side / _GALORE_G, places) for side in (amount, base))
    if meaning == "ratio":
        return base / amount
    if meaning == "percent":
        return 100 * (1 - amount / base)
    return (base - amount) / _UNITS[meaning]


def _round(value: Fraction, places: int) -> Fraction:
    """Round half away from zero, as the published tables do."""
    return Fraction(math.floor(value * 10**places + Fraction(1, 2)), 10**places)


def _match(value: Fraction, printed: str) -> str:
    """Say how ``value`` becomes the printed digits: rounded, truncated, or not at all (miss)."""
    places = len(printed.partition(".")[2])
    target = Fraction(printed)
    if _round(value, places) == target:
        return "rounded"
    return "truncated" if Fraction(math.floor(value * 10**places), 10**places) == target else "miss"
