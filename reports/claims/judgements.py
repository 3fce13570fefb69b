"""Published claims by paper, and how many of them there are with each verdict."""

from dataclasses import dataclass

from consilico.reports.claims.facts import ClaimFacts
from consilico.reports.page.section import Card, Judged
from consilico.sim.claims.check import VERDICTS, CheckedClaim, counted, counted_words

__all__ = ["ClaimRows", "PaperClaims", "judge_claims"]


@dataclass(frozen=True, kw_only=True)
class PaperClaims:
    """The claims of one paper."""

    paper: str
    source: str
    claims: tuple[CheckedClaim, ...]


@dataclass(frozen=True, kw_only=True)
class ClaimRows:
    """Judgements of claims that the section's template shows apart from the facts."""

    papers: tuple[PaperClaims, ...]
    counts: dict[str, int]  # by verdict, in their order


def judge_claims(facts: ClaimFacts) -> Judged:
    """Group the claims by paper and count the verdicts.

    A verdict is on the paper and not on this product: none of them is a target.

    Returns:
        Rows: a :class:`ClaimRows`.
    """
    counts = counted(facts.claims)
    papers = tuple(
        PaperClaims(
            paper=paper,
            source=source,
            claims=tuple(c for c in facts.claims if (c.paper, c.source) == (paper, source)),
        )
        for paper, source in dict.fromkeys((c.paper, c.source) for c in facts.claims)
    )
    card = Card(
        label="Published claims checked",
        value=f"{len(facts.claims) - counts[VERDICTS[-1]]} of {len(facts.claims)}",
        note=counted_words(facts.claims),
        kind="counted",
    )
    return Judged(cards=[card], rows=ClaimRows(papers=papers, counts=counts))
