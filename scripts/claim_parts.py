"""Parts of docs/claims.md: every published claim with its verdict."""

from collections.abc import Callable
from functools import cache

from consilico.sim.claims.catalogue import find_claims
from consilico.sim.claims.check import CheckedClaim, check_claims, counted_words
from scripts.document_text import paragraph, table

__all__ = ["PARTS"]


@cache
def _checked() -> tuple[CheckedClaim, ...]:
    return check_claims(find_claims(()))


def claims_counted() -> str:
    """Return how many claims there are with each verdict."""
    papers = len({claim.paper for claim in _checked()})
    return paragraph(f"{len(_checked())} claims of {papers} papers: {counted_words(_checked())}.")


def claims_table() -> str:
    """Return a row for each claim."""
    return table(
        ("claim", "what the paper says", "published", "here", "verdict", "why"),
        [
            (
                f"`{claim.claim}`",
                claim.says,
                "no figure" if claim.limit is None else claim.limit.words,
                claim.measured_words,
                f"**{claim.verdict}**",
                claim.why,
            )
            for claim in _checked()
        ],
    )


PARTS: dict[str, Callable[[], str]] = {
    "claims_counted": claims_counted,
    "claims_table": claims_table,
}
