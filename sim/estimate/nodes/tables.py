"""The tables of Stillmaker and Baas (Integration 2017), and the supplies at which they are used."""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["VARIANTS", "Row", "area_table", "polynomial", "rows", "scaling_data", "sources"]

VARIANTS = ("hp", "lp")
_SUPPLIES = (0.5, 1.5)  # accepted, of a row's nominal one
_TURNED = 0.7  # of the delay where a polynomial stops being convex: below, it means nothing


@dataclass(frozen=True, kw_only=True)
class Row:
    """A node of the table of polynomials; coefficients stand highest power first."""

    node_nm: int
    variants: tuple[str, ...]
    nominal_v: float
    delay: tuple[float, ...]
    energy: tuple[float, ...]
    power: tuple[float, ...]

    @property
    def name(self) -> str:
        """For messages."""
        kind = "" if len(self.variants) > 1 else f" {self.variants[0].upper()}"
        return f"{self.node_nm} nm{kind}"

    @property
    def convex_v(self) -> float:
        """Supply up to which the delay falls ever more slowly, as that of transistors does."""
        cubic, square, linear, _ = self.delay
        return -square / (3 * cubic) if cubic else -linear / (2 * square)

    @property
    def accepted_v(self) -> tuple[float, float]:
        """Lowest and highest supply, the latter in steps of 10 mV."""
        low, high = (round(share * self.nominal_v, 3) for share in _SUPPLIES)
        least = _TURNED * polynomial(self.delay, self.convex_v)
        steps = range(math.ceil(100 * self.convex_v), math.floor(100 * high + 1e-9) + 1)
        turned = (step / 100 for step in steps if polynomial(self.delay, step / 100) < least)
        return low, min(high, round(next(turned, math.inf) - 0.01, 2))


def polynomial(coefficients: Sequence[float], volts: float) -> float:
    """Value of a polynomial, highest power first."""
    value = 0.0
    for coefficient in coefficients:
        value = value * volts + coefficient
    return value


@cache
def rows(variant: str) -> tuple[Row, ...]:
    """Polynomials of the high performance (hp) or low power (lp) transistors, largest node first.

    From 180 to 65 nm the two have the same.
    """
    chosen = [
        Row(
            node_nm=fit["node_nm"],
            variants=tuple(fit["variants"]),
            nominal_v=fit["nominal_v"],
            **{name: tuple(fit[name]) for name in ("delay", "energy", "power")},
        )
        for fit in scaling_data()["fit"]
        if variant in fit["variants"]
    ]
    return tuple(sorted(chosen, key=lambda row: -row.node_nm))


def area_table() -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """Nodes in nm, largest first, and the ratios: area at the column's node to the row's."""
    table = scaling_data()["area"]
    return tuple(table["nodes_nm"]), tuple(tuple(row) for row in table["rows"])


def sources() -> list[str]:
    """Citations of the tables."""
    source = scaling_data()["source"]
    return [source["citation"], f"doubtful: {source['doubtful']}"]


@cache
def scaling_data() -> dict[str, Any]:
    """All of ``scaling.toml``."""
    return tomllib.loads(Path(__file__).with_name("scaling.toml").read_text())
