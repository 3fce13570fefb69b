"""A quantity with the interval that it is believed to lie in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consilico.sim.base.facts import Facts

__all__ = ["ZERO", "Interval", "exactly", "summed"]


@dataclass(frozen=True)
class Interval(Facts):
    """A value and its bounds: ``low <= value <= high``, none negative.

    Intervals are propagated as if all errors had one sign: the bounds of a sum are the sums of the
    bounds. That is wider than independent errors would give, and never too narrow.

    Raises:
        ValueError: If the three are not in that order, or ``low`` is negative.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high:
            raise ValueError(
                "an interval needs 0 <= low <= value <= high, not "
                f"{self.low!r}, {self.value!r}, {self.high!r}"
            )

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Interval":
        """Return the interval of a dictionary with ``value``, ``low`` and ``high``."""
        return cls(float(data["value"]), float(data["low"]), float(data["high"]))

    @property
    def is_exact(self) -> bool:
        """Tell whether the bounds are the value itself."""
        return self.low == self.high

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, other: "float | Interval") -> "Interval":
        if isinstance(other, Interval):
            return Interval(self.value * other.value, self.low * other.low, self.high * other.high)
        return Interval(self.value * other, self.low * other, self.high * other)

    def __truediv__(self, other: "float | Interval") -> "Interval":
        if isinstance(other, Interval):
            return Interval(self.value / other.value, self.low / other.high, self.high / other.low)
        return Interval(self.value / other, self.low / other, self.high / other)


def exactly(value: float) -> Interval:
    """Return the interval of a number that is beyond doubt."""
    return Interval(value, value, value)


ZERO = exactly(0.0)


def summed(parts: Iterable[Interval]) -> Interval:
    """Return the sum of some intervals."""
    value = low = high = 0.0
    for part in parts:
        value, low, high = value + part.value, low + part.low, high + part.high
    return Interval(value, low, high)
