"""The report's section on published claims shows every figure, verdict and command."""

from consilico.reports.claims.facts import ClaimFacts
from consilico.reports.claims.judgements import judge_claims
from tests.reports.section import charts_of, html_of, text_of
from tests.reports.small_claims import small_claims


def test_claims_stand_under_their_papers_and_are_counted() -> None:
    judged = judge_claims(small_claims())
    assert [(part.paper, len(part.claims)) for part in judged.rows.papers] == [
        ("GaLore", 3), ("VEXP", 1),
    ]  # fmt: skip
    assert judged.rows.counts == {
        "supported": 1, "conditional": 1, "not supported": 1, "not checkable": 1,
    }  # fmt: skip
    assert judged.cards[0].value == "3 of 4"
    assert not judged.checks  # a verdict on a paper is no target of ours


def test_every_definition_is_shown_with_its_figure_and_command() -> None:
    text = text_of("claims", small_claims())
    for words in (
        "40 is counted", "40, of 39.9 to 40.1 (does not)", "50, of 49.9 to 50.1 (meets it)",
        "Stated: at rank 4", "no figure", "not measured", "consilico memory --model llama-60m",
        "1 supported, 1 conditional, 1 not supported, 1 not checkable.",
    ):  # fmt: skip
        assert words in text
    assert "it needs &lt;a cluster&gt;" in html_of("claims", small_claims())


def test_the_chart_counts_the_claims_of_each_paper() -> None:
    (panel,) = charts_of("claims", small_claims())["claims"].panels
    assert [sum(series.y[index] for series in panel.series) for index in (0, 1)] == [3, 1]


def test_facts_go_through_json_and_come_back() -> None:
    facts = small_claims()
    assert ClaimFacts.from_json(facts.to_json()) == facts
