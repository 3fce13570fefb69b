"""Questions to the comparison of units: by how much one takes more than another."""

from dataclasses import dataclass
from typing import ClassVar

from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import UNITS, ClaimAnswer, Figure
from consilico.sim.comparison.facts import BUFFERS
from consilico.sim.comparison.table import measured_comparison

__all__ = ["ComparisonQuestion"]


@dataclass(frozen=True, kw_only=True)
class ComparisonQuestion:
    """Comparison of two units that are built, verified, laid out and measured in the same way.

    Their layouts take minutes: the answer is that of the table of comparisons that were measured.
    """

    unit: str
    against: str  # the figure is its quantity divided by that of ``unit``
    quantity: str  # "area", "energy" per score, or "power" at one clock
    buffer: str  # what rows wait in, one of BUFFERS
    lanes: int
    row: int  # scores
    clock_ns: float
    dimension: ClassVar[str] = "ratio"

    @classmethod
    def read(cls, table: TomlTable) -> "ComparisonQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        return cls(
            unit=table.text("unit"),
            against=table.text("against"),
            quantity=table.choice("quantity", ("area", "energy", "power")),
            buffer=table.choice("buffer", BUFFERS),
            lanes=table.integer("lanes", 1),
            row=table.integer("row", 256),
            clock_ns=table.number("clock_ns", optional=True) or 4.0,
        )

    @property
    def command(self) -> str:
        """Return the command that measures it anew."""
        return (
            f"consilico compare {self.unit} {self.against} --lanes {self.lanes} --row {self.row}"
            f" --buffer {self.buffer} --clock-ns {self.clock_ns:g}"
        )

    def answer(self, unit: str) -> ClaimAnswer:
        """Look the ratio up; the figure is in the unit that is named."""
        found = measured_comparison(
            (self.unit, self.against), lanes=(self.lanes,), rows=(self.row,),
            buffers=(self.buffer,), clock_ns=self.clock_ns,
        )  # fmt: skip
        if found is None or not found.ratios:
            why = "the table of measured comparisons has no such layouts; the command makes them"
            return ClaimAnswer(figure=None, command=self.command, why=why)
        ratio = getattr(found.ratios[0], self.quantity) / UNITS[unit].size
        figure = Figure(value=ratio.value, low=ratio.low, high=ratio.high)
        return ClaimAnswer(figure=figure, command=self.command)
