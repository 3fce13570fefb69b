"""Forms of numbers on the page. None is always "not measured"."""

import math
from collections.abc import Mapping
from typing import Any

from consilico.sim.base.interval import Interval
from consilico.sim.base.progress import duration

__all__ = [
    "NOT_MEASURED",
    "count",
    "duration",
    "fixed",
    "gibi",
    "giga",
    "mm2",
    "per_cent",
    "percent",
    "rate",
    "ratio",
    "signed_percent",
    "wide",
]

NOT_MEASURED = "not measured"


def fixed(value: float | None, digits: int = 2) -> str:
    """With thousands separated and a fixed number of decimals."""
    if value is None:
        return NOT_MEASURED
    if not math.isfinite(value):
        raise ValueError(f"a fact is {value}")
    return f"{value:,.{digits}f}"


def count(value: int | None) -> str:
    """Return an integer with its thousands separated."""
    return NOT_MEASURED if value is None else f"{value:,}"


def percent(value: float | None, digits: int = 2) -> str:
    """A share of one as a percentage."""
    return NOT_MEASURED if value is None else f"{fixed(100 * value, digits)}\N{NO-BREAK SPACE}%"


def per_cent(value: float | None, digits: int = 2) -> str:
    """Return a share of one in hundredths, for a column whose head says "%"."""
    return fixed(None if value is None else 100 * value, digits)


def signed_percent(value: float | None, digits: int = 2) -> str:
    """Return a relative difference as a percentage with its sign; nothing for None."""
    return "" if value is None else f"{100 * value:+.{digits}f} %"


def giga(value: float | None, digits: int = 2) -> str:
    """Return a count in thousands of millions: bytes in GB, operations in GFLOP."""
    return fixed(None if value is None else value / 1e9, digits)


def gibi(value: float | None, digits: int = 2) -> str:
    """Return a number of bytes in GiB."""
    return fixed(None if value is None else value / 2**30, digits)


def mm2(value: float | None, digits: int = 2) -> str:
    """Return an area given in um2 in mm2."""
    return fixed(None if value is None else value / 1e6, digits)


def ratio(value: float | None) -> str:
    """A ratio, three significant places at most."""
    return NOT_MEASURED if value is None else f"{fixed(value, 2)}x"


def rate(value: float | None) -> str:
    """Return something per second, to three significant digits."""
    if value is None:
        return NOT_MEASURED
    for size, name in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {name}/s"
    return f"{value:.3g}/s"


def wide(value: Interval | Mapping[str, Any]) -> bool:
    """Tell whether an interval shows in three digits: wider than 0.5 % of its value."""
    it = value if isinstance(value, Interval) else Interval.of(value)
    return it.high - it.low > 0.005 * it.value
