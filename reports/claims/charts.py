"""Figure on published claims: how many of each paper's are supported."""

from consilico.reports.claims.facts import ClaimFacts
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.sim.claims.check import VERDICTS

__all__ = ["claim_charts"]

_COLOURS = dict(zip(VERDICTS, ("c", "b", "f", "light paper"), strict=True))


def claim_charts(facts: ClaimFacts) -> list[Chart]:
    """Chart the claims of each paper by verdict."""
    papers = list(dict.fromkeys(claim.paper for claim in facts.claims))
    series = [
        Series(
            name=verdict,
            colour=_COLOURS[verdict],
            mark="bars",
            x=papers,
            y=[
                float(sum((c.paper, c.verdict) == (paper, verdict) for c in facts.claims))
                for paper in papers
            ],
        )
        for verdict in VERDICTS
    ]
    return [
        Chart(
            name="claims",
            title="Published claims by verdict",
            caption="Claims of each paper by verdict: conditional claims are supported under some "
            "of the definitions that are listed and not under others.",
            kind="counted",
            panels=[Panel(x_label="", y_label="claims", series=series, horizontal=True)],
        )
    ]
