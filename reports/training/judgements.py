"""What was expected of low-bit training, and what came out."""

from collections.abc import Sequence
from typing import Any

from consilico.reports.page.section import Check, Judged

__all__ = ["expectations", "judge_training"]


def expectations(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was expected of rounding, judged on the seed that fits the expectation least.

    Args:
        methods: Entries ``name`` and ``against_adamw``, as :func:`training_facts` makes them.

    Returns:
        ``quantity``, ``limit``, ``at_most`` (or at least), ``measured`` by seed, and ``met``:
        None unless every seed was measured.
    """
    above = {row["name"]: row["against_adamw"] for row in methods}
    rows: list[dict[str, Any]] = []
    for name, words, limit, at_most in (
        ("qgalore_stochastic", "stochastic rounding", 0.01, True),
        ("qgalore_nearest", "rounding to nearest", 0.04, False),
    ):
        measured = above[name]
        met = None
        if None not in measured:
            met = max(measured) <= limit if at_most else min(measured) >= limit
        rows.append(
            {
                "quantity": f"Q-GaLore's loss above AdamW's, {words}",
                "limit": limit,
                "at_most": at_most,
                "measured": measured,
                "met": met,
            }
        )
    return rows


def judge_training(facts: dict[str, Any]) -> Judged:
    """Judge the expectations; one that is not met is counted, and is no failure.

    Args:
        facts: From :mod:`consilico.reports.training.section`.

    Returns:
        Rows: of :func:`expectations`.
    """
    rows = expectations(facts["training"]["methods"])
    checks = [
        Check(
            what=row["quantity"],
            limit=f"{'at most' if row['at_most'] else 'at least'} {row['limit']:.0%}",
            measured=", ".join(
                "not measured" if value is None else f"{value:+.2%}" for value in row["measured"]
            ),
            met=row["met"],
        )
        for row in rows
    ]
    return Judged(checks=checks, rows=rows)
