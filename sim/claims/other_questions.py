"""Questions that need no run: a paper's own arithmetic, and what cannot be decided here."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import UNITS, ClaimAnswer, Figure

__all__ = ["NoQuestion", "PrintedFigure", "PrintedQuestion"]

_SCALES = {  # of units that papers print; the result is in base units, and then in the claim's
    "": 1.0, "%": 0.01, "um2": 1e-12, "mm2": 1e-6, "W": 1.0, "mW": 1e-3, "uW": 1e-6, "Hz": 1.0,
    "MHz": 1e6, "GHz": 1e9, "s": 1.0, "ns": 1e-9, "pJ": 1e-12, "fJ": 1e-15, "MB": 1e6, "GB": 1e9,
    "GiB": 2.0**30, "bit": 0.125, "parameters": 1.0, "billion parameters": 1e9,
}  # fmt: skip
_BASE = {"bytes": 1.0, "ratio": 1.0, "count": 1.0, "area": 1e-12, "power": 1.0, "energy": 1e-12,
         "delay": 1e-9}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PrintedFigure:
    """A figure that the paper prints, and where."""

    what: str
    value: float
    unit: str  # a key of _SCALES

    @classmethod
    def read(cls, table: TomlTable) -> "PrintedFigure":
        """Return the figure of a table of a claim file."""
        figure = cls(
            what=table.text("what"),
            value=table.quantity("value"),
            unit=table.choice("unit", (*_SCALES,), ""),
        )
        table.done()
        return figure


@dataclass(frozen=True, kw_only=True)
class PrintedQuestion:
    """Check of a claim by other figures of its paper: a product divided by others."""

    product: tuple[PrintedFigure, ...]
    divisor: tuple[PrintedFigure, ...]
    form: str  # "quotient", or "saving": one less the quotient
    dimension: str  # what the result measures

    @classmethod
    def read(cls, table: TomlTable) -> "PrintedQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        divisor = table.tables("divisor") if "divisor" in table.data else ()
        form = table.choice("form", ("quotient", "saving"), "quotient")
        return cls(
            product=tuple(PrintedFigure.read(item) for item in table.tables("product")),
            divisor=tuple(PrintedFigure.read(item) for item in divisor),
            form=form,
            dimension=table.choice("result", (*_BASE,), "ratio"),
        )

    def answer(self, unit: str) -> ClaimAnswer:
        """Do the arithmetic; the figure is in the unit that is named."""
        value = prod(item.value * _SCALES[item.unit] for item in self.product)
        value /= prod(item.value * _SCALES[item.unit] for item in self.divisor)
        if self.form == "saving":
            value = 1 - value
        value /= _BASE[self.dimension] * UNITS[unit].size
        return ClaimAnswer(figure=Figure(value=value, low=value, high=value), command="")


@dataclass(frozen=True, kw_only=True)
class NoQuestion:
    """A claim that nothing here decides, and why."""

    why: str
    dimension: ClassVar[str] = ""  # of any unit

    @classmethod
    def read(cls, table: TomlTable) -> "NoQuestion":
        """Return the question of a table of a claim file."""
        return cls(why=table.text("why"))

    def answer(self, unit: str) -> ClaimAnswer:
        """Say why there is no answer."""
        return ClaimAnswer(figure=None, command="", why=self.why)
