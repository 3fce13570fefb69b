"""Questions that a counting rule answers: a paper's own rule, or a straightforward count."""

from dataclasses import dataclass
from fractions import Fraction

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import FORMS, UNITS, ClaimAnswer, Figure
from consilico.sim.memory.evidence.conventions import CONVENTIONS
from consilico.sim.memory.evidence.counting import (
    STRAIGHT_COUNTS,
    CountedBytes,
    PublishedTraining,
    Rule,
)
from consilico.sim.memory.evidence.published import nominal_parameters
from consilico.sim.memory.presets import find_model

__all__ = ["QUANTITIES", "RULES", "CountingQuestion"]

QUANTITIES = (*CountedBytes._fields, "weights+states", "all")
RULES: dict[str, Rule] = {**STRAIGHT_COUNTS, **CONVENTIONS}
"""Counting rules by name: straightforward ones, and those of papers."""


@dataclass(frozen=True, kw_only=True)
class CountingQuestion:
    """Count that a rule gives for a model, or its ratio to what another rule counts.

    The figures have no activations but those that a rule assumes: they are no peaks.
    """

    quantity: str  # one of QUANTITIES
    rule: str  # one of RULES
    against: str  # another rule; empty where nothing is compared
    form: str  # one of FORMS
    case: PublishedTraining
    dimension: str

    @classmethod
    def read(cls, table: TomlTable) -> "CountingQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        against = table.choice("against", (*RULES, ""), "")
        form = table.choice("form", FORMS, "amount")
        if (form == "amount") == bool(against):
            raise table.error(
                "form", f"must be amount without against, and one of the others with it, not {form}"
            )
        name = table.text("model")
        try:
            model = find_model(name)
        except UserError as error:
            raise table.error("model", f"is not accepted: {error}") from None
        percent = table.integer("pruned_percent", 0)
        if percent > 100:
            raise table.error("pruned_percent", f"must be at most 100, not {percent}")
        rank = table.integer("rank", 0)
        return cls(
            quantity=table.choice("quantity", QUANTITIES),
            rule=table.choice("rule", (*RULES,)),
            against=against,
            form=form,
            case=PublishedTraining(
                model=model, rank=rank, percent=percent, nominal=nominal_parameters(model.name)
            ),
            dimension="bytes" if form in ("amount", "less") else "ratio",
        )

    def answer(self, unit: str) -> ClaimAnswer:
        """Count by the rule; the figure is in the unit that is named."""
        against = self._amount(self.against) if self.against else None
        figure = Figure.of(self._amount(self.rule), against, self.form, UNITS[unit])
        return ClaimAnswer(figure=figure, command="")

    def _amount(self, rule: str) -> Interval:
        """Return the bytes of the kinds that the quantity names."""
        memory = RULES[rule](self.case)
        kinds = memory._fields if self.quantity == "all" else self.quantity.split("+")
        return exactly(float(Fraction(sum(getattr(memory, kind) for kind in kinds))))
