"""Facts of the report on published claims: one of each verdict, without asking anything."""

from consilico.reports.claims.facts import ClaimFacts
from consilico.sim.claims.check import CheckedClaim, CheckedCondition, verdict
from consilico.sim.claims.figure import ClaimLimit, Figure

__all__ = ["small_claims"]


def small_claims() -> ClaimFacts:
    """Return claims of two papers, one with each verdict."""
    claims = [
        ("GaLore", "states", (_found(50.0, met=True), _found(50.2, met=True))),
        ("GaLore", "total", (_found(50.0, met=True), _found(40.0, met=False))),
        ("GaLore", "peak", (_found(40.0, met=False),)),
        ("VEXP", "area", (_open("it needs <a cluster>"),)),
    ]
    return ClaimFacts(claims=tuple(_claim(*claim) for claim in claims))


def _claim(paper: str, name: str, conditions: tuple[CheckedCondition, ...]) -> CheckedClaim:
    word, why = verdict(conditions)
    limit = ClaimLimit(published=50.0, unit="%", bound="equal", tolerance=0.5)
    return CheckedClaim(
        claim=f"{paper.lower()}/{name}", paper=paper, source=f"arXiv of {paper}", where="abstract",
        says=f"It saves half of its {name}.", stated="at rank 4",
        limit=limit if word != "not checkable" else None, conditions=conditions, verdict=word,
        why=why,
    )  # fmt: skip


def _found(value: float, *, met: bool) -> CheckedCondition:
    return CheckedCondition(
        given=f"{value:g} is counted", kind="memory",
        measured=Figure(value=value, low=value - 0.1, high=value + 0.1), met=met, why="",
        command="consilico memory --model llama-60m",
    )  # fmt: skip


def _open(why: str) -> CheckedCondition:
    return CheckedCondition(
        given="", kind="nothing", measured=None, met=None, why=why, command="consilico claims vexp"
    )
