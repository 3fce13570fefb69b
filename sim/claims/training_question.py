"""Questions that trainings with ConSmax answer: by how much perplexity grows against softmax."""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import UNITS, ClaimAnswer, Figure

__all__ = ["NORMALIZERS", "SIZES", "TrainingQuestion"]

NORMALIZERS = ("consmax", "consmax_rows")
SIZES = ("quick", "small", "small-512", "paper")
"""Models and normalizers of the study, of which both it and softmax are trained with all seeds."""


@dataclass(frozen=True, kw_only=True)
class TrainingQuestion:
    """Growth of perplexity of a model that learns with ConSmax, against the same with softmax.

    Trainings take minutes to hours: the answer is that of the table of trainings, whose bounds are
    the least and the greatest growth of all seeds.
    """

    size: str  # one of SIZES
    normalizer: str  # one of NORMALIZERS
    dimension: ClassVar[str] = "ratio"

    @classmethod
    def read(cls, table: TomlTable) -> "TrainingQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        return cls(
            size=table.choice("size", SIZES),
            normalizer=table.choice("normalizer", NORMALIZERS, "consmax"),
        )

    @property
    def command(self) -> str:
        """Return the command that runs the trainings that the table does not have."""
        return f"python -m consilico.sim.training.consmax_measure --sizes {self.size}"

    def answer(self, unit: str) -> ClaimAnswer:
        """Look the growth up; the figure is in the unit that is named."""
        from consilico.sim.training.consmax_table import read_consmax_table

        table = read_consmax_table()
        growths = [
            (exp(row.loss - softmax.loss) - 1) / UNITS[unit].size
            for row in table.rows
            if (row.size, row.normalizer) == (self.size, self.normalizer)
            if (softmax := table.find(self.size, "softmax", row.seed)) is not None
        ]
        if not growths:
            why = f"the table of trainings has none of size {self.size}; the command runs them"
            return ClaimAnswer(figure=None, command=self.command, why=why)
        mean = sum(growths) / len(growths)
        figure = Figure(value=mean, low=min(growths), high=max(growths))
        return ClaimAnswer(figure=figure, command=self.command)
