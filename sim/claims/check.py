"""Check claims: ask what each needs, and judge by which of its conditions meet the figure.

A verdict is computed from the answers and typed nowhere.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from consilico.sim.base.facts import Facts, plain
from consilico.sim.base.progress import Progress, silent
from consilico.sim.claims.claim import Claim, Condition
from consilico.sim.claims.figure import ClaimAnswer, ClaimLimit, Figure

__all__ = [
    "VERDICTS",
    "CheckedClaim",
    "CheckedCondition",
    "check_claims",
    "counted",
    "counted_words",
    "verdict",
]

SUPPORTED, CONDITIONAL = "supported", "conditional"
NOT_SUPPORTED, NOT_CHECKABLE = "not supported", "not checkable"
VERDICTS = (SUPPORTED, CONDITIONAL, NOT_SUPPORTED, NOT_CHECKABLE)
_LIMIT = tuple(item.name for item in fields(ClaimLimit))


@dataclass(frozen=True, kw_only=True)
class CheckedCondition(Facts):
    """A definition with what was found under it."""

    given: str
    kind: str
    measured: Figure | None
    met: bool | None  # None: nothing was found, or its bounds leave it open
    why: str  # it is None
    command: str


@dataclass(frozen=True, kw_only=True)
class CheckedClaim(Facts):
    """A claim with its verdict."""

    claim: str  # its name
    paper: str
    source: str
    where: str
    says: str
    stated: str
    limit: ClaimLimit | None  # None: the paper gives no figure
    conditions: tuple[CheckedCondition, ...]
    verdict: str  # one of VERDICTS
    why: str

    @property
    def measured(self) -> Figure | None:
        """Return what the first condition that has a figure gave."""
        found = (item.measured for item in self.conditions)
        return next((figure for figure in found if figure is not None), None)

    @property
    def measured_words(self) -> str:
        """Return the least and the most that was found under any condition."""
        found = [item.measured for item in self.conditions if item.measured is not None]
        if not found:
            return "-"
        ends = [f"{f(figure.value for figure in found):.4g}" for f in (min, max)]
        return " to ".join(dict.fromkeys(ends))

    @property
    def command(self) -> str:
        """Return the command behind that figure, or that would give one."""
        known = [item for item in self.conditions if item.measured is not None]
        return (known or [*self.conditions])[0].command or f"consilico claims {self.claim}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``published`` and its unit stand at the top."""
        return {
            "claim": self.claim,
            "paper": self.paper,
            "source": self.source,
            "where": self.where,
            "says": self.says,
            "stated": self.stated,
            **(dict.fromkeys(_LIMIT) if self.limit is None else self.limit.to_json()),
            "measured": plain(self.measured),
            "verdict": self.verdict,
            "conditions": plain(self.conditions),
            "why": self.why,
            "command": self.command,
        }

    @classmethod
    def from_json(cls, value: Any) -> "CheckedClaim":
        """Return the claim that :meth:`to_json` made ``value`` from."""
        limit = None if value["published"] is None else {key: value[key] for key in _LIMIT}
        return super().from_json({**value, "limit": limit})


def check_claims(claims: Sequence[Claim], progress: Progress = silent) -> tuple[CheckedClaim, ...]:
    """Ask what each claim needs, and return the verdicts in the same order.

    Args:
        claims: The claims.
        progress: Called after each claim with a label, claims done and claims in all.

    Raises:
        UserError: If a claim file names a unit, a setting or a kit that does not exist.
    """
    found: list[CheckedClaim] = []
    progress("claims", 0, len(claims))
    for claim in claims:
        found.append(_checked(claim))
        progress("claims", len(found), len(claims))
    return tuple(found)


def counted(claims: Sequence[CheckedClaim]) -> dict[str, int]:
    """Return how many claims have each verdict, in the order of :data:`VERDICTS`."""
    found = Counter(claim.verdict for claim in claims)
    return {each: found[each] for each in VERDICTS}


def counted_words(claims: Sequence[CheckedClaim]) -> str:
    """Return the counts of :func:`counted` in words, such as ``10 supported, 35 conditional``."""
    return ", ".join(f"{count} {each}" for each, count in counted(claims).items())


def verdict(conditions: Sequence[CheckedCondition]) -> tuple[str, str]:
    """Return the verdict on a claim, and why, from what was found under its conditions.

    It is supported if every condition meets the figure, conditional if some do, and not supported
    if none does. What is open keeps a claim from either end: where none of the others meets the
    figure, the claim cannot be checked.
    """
    met = [f"if {_told(item)}" for item in conditions if item.met]
    missed = [f"not if {_told(item)}" for item in conditions if item.met is False]
    reasons: dict[str, list[str]] = {}
    for item in conditions:
        if item.met is None:
            reasons.setdefault(item.why, []).append(item.given)
    unknown = [
        f"open if {', or if '.join(given)}: {why}" if any(given) else why
        for why, given in reasons.items()
    ]
    if not missed and not unknown:
        return SUPPORTED, "; ".join(met)
    if met:
        return CONDITIONAL, "; ".join((f"only {met[0]}", *met[1:], *missed, *unknown))
    if not unknown:
        return NOT_SUPPORTED, "; ".join(missed)
    return NOT_CHECKABLE, "; ".join((*unknown, *missed))


def _told(item: CheckedCondition) -> str:
    """Return a definition with its figure, such as ``projections count as states (58.3)``."""
    assert item.measured is not None
    return f"{item.given} ({item.measured.words})"


def _checked(claim: Claim) -> CheckedClaim:
    conditions = tuple(_answered(item, claim) for item in claim.conditions)
    word, why = verdict(conditions)
    return CheckedClaim(
        claim=claim.name,
        paper=claim.paper,
        source=claim.source,
        where=claim.where,
        says=claim.says,
        stated=claim.stated,
        limit=claim.limit,
        conditions=conditions,
        verdict=word,
        why=why,
    )


def _answered(condition: Condition, claim: Claim) -> CheckedCondition:
    limit = claim.limit
    answer: ClaimAnswer = condition.question.answer("" if limit is None else limit.unit)
    met, why = None, answer.why
    if answer.figure is not None and limit is not None:
        met = limit.met(answer.figure)
        if met is None:
            why = f"{answer.figure.words} leaves it open"
    return CheckedCondition(
        given=condition.given,
        kind=condition.kind,
        measured=answer.figure,
        met=met,
        why=why,
        command=answer.command or f"consilico claims {claim.name}",
    )
