"""Figures of claims: values with bounds, and the units that papers print them in."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval

__all__ = ["BOUNDS", "UNITS", "ClaimAnswer", "ClaimLimit", "Figure", "FigureUnit"]

BOUNDS = ("equal", "at least", "at most", "up to")
"""How a claim bounds its figure; ``up to`` is what the best case reaches, so at least that."""


@dataclass(frozen=True, kw_only=True)
class FigureUnit:
    """Unit of a printed figure: its quantity and its size."""

    quantity: str  # what it measures, such as "bytes"
    size: float  # in bytes, um2, W, pJ, ns, or as a plain number


UNITS = {
    "%": FigureUnit(quantity="ratio", size=0.01),
    "x": FigureUnit(quantity="ratio", size=1.0),
    "MB": FigureUnit(quantity="bytes", size=1e6),
    "GB": FigureUnit(quantity="bytes", size=1e9),
    "GiB": FigureUnit(quantity="bytes", size=2.0**30),
    "G (1024 MB)": FigureUnit(quantity="bytes", size=1024e6),  # of GaLore's tables
    "parameters": FigureUnit(quantity="count", size=1.0),
    "million parameters": FigureUnit(quantity="count", size=1e6),
    "um2": FigureUnit(quantity="area", size=1.0),
    "mm2": FigureUnit(quantity="area", size=1e6),
    "mW": FigureUnit(quantity="power", size=1e-3),
    "pJ": FigureUnit(quantity="energy", size=1.0),
    "ns": FigureUnit(quantity="delay", size=1.0),
    # no question answers in these
    "TOPS/W": FigureUnit(quantity="operations per energy", size=1.0),
    "TOPS/mm2": FigureUnit(quantity="operations per area", size=1.0),
    "perplexity": FigureUnit(quantity="perplexity", size=1.0),
}
"""Units that a claim may be printed in."""


@dataclass(frozen=True, kw_only=True)
class Figure(Facts):
    """A value and its bounds.

    Unlike an interval it may be negative: what costs more than it should is a negative saving.

    Raises:
        ValueError: If ``low <= value <= high`` does not hold.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                "a figure needs low <= value <= high, not"
                f" {self.low!r}, {self.value!r}, {self.high!r}"
            )

    @property
    def words(self) -> str:
        """Return the value with four digits, and its bounds where they differ from it."""
        value = f"{self.value:.4g}"
        if self.low == self.high:
            return value
        return f"{value}, of {self.low:.4g} to {self.high:.4g}"

    @classmethod
    def of(
        cls, amount: Interval, against: Interval | None, form: str, unit: FigureUnit
    ) -> "Figure":
        """Return an amount, or how two of them compare.

        Args:
            amount: The amount.
            against: What it is compared with; None where ``form`` is ``"amount"``.
            form: One of :data:`FORMS`.
            unit: Unit of the result.
        """
        if form == "amount":
            scaled = amount / unit.size
            return cls(value=scaled.value, low=scaled.low, high=scaled.high)
        assert against is not None
        if form == "less":
            return cls(
                value=(against.value - amount.value) / unit.size,
                low=(against.low - amount.high) / unit.size,
                high=(against.high - amount.low) / unit.size,
            )
        if form == "times less":
            quotient = against / amount / unit.size
            return cls(value=quotient.value, low=quotient.low, high=quotient.high)
        share = amount / against
        if form == "share":
            share = share / unit.size
            return cls(value=share.value, low=share.low, high=share.high)
        return cls(
            value=(1 - share.value) / unit.size,
            low=(1 - share.high) / unit.size,
            high=(1 - share.low) / unit.size,
        )


FORMS = ("amount", "less", "times less", "share", "saving")
"""How a figure is made of amounts: the amount itself, by how much it is less than another one, the
other divided by it, its share of the other, and one less that share."""


@dataclass(frozen=True, kw_only=True)
class ClaimLimit(Facts):
    """Limit that a claim sets for a figure: a value, and on which side of it the figure lies."""

    published: float
    unit: str  # a key of UNITS
    bound: str  # one of BOUNDS
    tolerance: float  # in the same unit: how far off the figure may be

    @property
    def words(self) -> str:
        """Return the claim in words, such as ``at most 24 GiB``."""
        bound = "" if self.bound == "equal" else f"{self.bound} "
        return f"{bound}{self.published:g} {self.unit}"

    def met(self, figure: Figure) -> bool | None:
        """Tell whether a figure is what the claim says; None if its bounds leave that open."""
        low = self.published - self.tolerance if self.bound != "at most" else float("-inf")
        high = (
            self.published + self.tolerance if self.bound in ("equal", "at most") else float("inf")
        )
        if figure.high < low or figure.low > high:
            return False
        return True if low <= figure.low and figure.high <= high else None


@dataclass(frozen=True, kw_only=True)
class ClaimAnswer(Facts):
    """Answer to a question: a figure, or the reason why there is none."""

    figure: Figure | None
    command: str  # gives the same by itself; empty where nothing here does
    why: str = ""  # there is no figure
