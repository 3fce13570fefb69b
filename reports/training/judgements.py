"""Expectations of low-bit training, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consilico.reports.page.section import Check, Judged
from consilico.reports.training.rounding_cost import TrainingFacts

__all__ = ["Expectation", "expectations", "judge_training"]


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Expectation of a loss, judged on the seed that fits the expectation least."""

    quantity: str
    limit: float  # of the loss's ratio to AdamW's, less 1
    at_most: bool  # False: at least
    measured: tuple[float | None, ...]  # by seed; None where a run was not done

    @property
    def met(self) -> bool | None:
        """Return whether the expectation is met; None unless every seed was measured."""
        known = [value for value in self.measured if value is not None]
        if len(known) < len(self.measured):
            return None
        return max(known) <= self.limit if self.at_most else min(known) >= self.limit

    @property
    def words(self) -> str:
        """Return the limit in words."""
        return f"{'at most' if self.at_most else 'at least'} {100 * self.limit:.0f} %"


def expectations(against_adamw: Mapping[str, Sequence[float | None]]) -> list[Expectation]:
    """Return what was expected of rounding, and what came out.

    Args:
        against_adamw: By method and seed the ratio of the loss to AdamW's, less 1.
    """
    return [
        Expectation(
            quantity=f"Q-GaLore's loss above AdamW's, {words}",
            limit=limit,
            at_most=at_most,
            measured=tuple(against_adamw[name]),
        )
        for name, words, limit, at_most in (
            ("qgalore_stochastic", "stochastic rounding", 0.01, True),
            ("qgalore_nearest", "rounding to nearest", 0.04, False),
        )
    ]


def judge_training(facts: TrainingFacts) -> Judged:
    """Judge the expectations; one that is not met is counted, and is no failure.

    Returns:
        Rows: of :func:`expectations`.
    """
    rows = expectations(facts.training.against_adamw)
    checks = [
        Check(
            what=row.quantity,
            limit=row.words,
            measured=", ".join(
                "not measured" if value is None else f"{value:+.2%}" for value in row.measured
            ),
            met=row.met,
        )
        for row in rows
    ]
    return Judged(checks=checks, rows=rows)
