"""Facts of the report on published claims: every claim with its verdict."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.claims.catalogue import find_claims
from consilico.sim.claims.check import CheckedClaim, check_claims

__all__ = ["ClaimFacts", "claim_facts"]


@dataclass(frozen=True, kw_only=True)
class ClaimFacts(Facts):
    """The claims that the report shows, in the order of their files."""

    claims: tuple[CheckedClaim, ...]


def claim_facts() -> ClaimFacts:
    """Check all claims that are known."""
    return ClaimFacts(claims=check_claims(find_claims(())))
