"""How numbers are written on the page. None is always "not measured"."""

import math
from collections.abc import Mapping
from typing import Any

from consilico.sim.base.interval import Interval
from consilico.sim.base.progress import duration

__all__ = ["NOT_MEASURED", "count", "duration", "fixed", "percent", "rate", "ratio", "wide"]

NOT_MEASURED = "not measured"


def fixed(value: float | None, digits: int = 2) -> str:
    """With thousands separated and a fixed number of decimals."""
    if value is None:
        return NOT_MEASURED
    if not math.isfinite(value):
        raise ValueError(f"a fact is {value}")
    return f"{value:,.{digits}f}"


def count(value: int | None) -> str:
    """An integer, thousands separated."""
    return NOT_MEASURED if value is None else f"{value:,}"


def percent(value: float | None, digits: int = 2) -> str:
    """A share of one as a percentage."""
    return NOT_MEASURED if value is None else f"{fixed(100 * value, digits)}\N{NO-BREAK SPACE}%"


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
