"""The report's section on comparisons: targets, what was measured, and what was not."""

from dataclasses import replace

from consilico.reports.comparison.facts import ComparisonFacts
from consilico.reports.comparison.judgements import TARGETS, judge_comparison
from tests.reports.section import charts_of, text_of
from tests.reports.small_comparison import small_comparison


def test_a_target_is_met_by_the_ratio_under_its_definition() -> None:
    checks = judge_comparison(small_comparison()).checks
    assert len(checks) == 2 * len(TARGETS)
    assert all(check.met for check in checks)
    assert checks[0].what == (
        "area of softmax against consmax/log2, one lane, rows of 256, latch buffer"
    )
    assert checks[0].measured == "12.00 times"


def test_a_target_that_falls_short_stays_visible() -> None:
    facts = small_comparison(energy=1.5)
    judged = judge_comparison(facts)
    missed = [check.what.partition(",")[0] for check in judged.checks if not check.met]
    assert missed == [
        "energy of softmax against consmax/log2",
        "energy of online_softmax against consmax/log2",
    ]
    assert "3.33" in text_of("comparison", facts)
    assert text_of("comparison", facts).count("MISSED") == len(missed)


def test_what_was_not_measured_is_no_target_met() -> None:
    facts = ComparisonFacts(comparisons=(), dates=(), other_verilog=())
    judged = judge_comparison(facts)
    assert {check.met for check in judged.checks} == {None}
    assert "Nothing was measured." in text_of("comparison", facts)


def test_figures_of_other_verilog_are_named() -> None:
    facts = replace(small_comparison(), other_verilog=("ita",))
    assert "Since then the Verilog of ita has changed." in text_of("comparison", facts)


def test_each_unit_of_consmax_has_a_figure_of_ratios() -> None:
    drawn = charts_of("comparison", small_comparison())
    assert list(drawn) == ["comparison_consmax_log2", "comparison_consmax_base2"]
    area = drawn["comparison_consmax_log2"].panels[0]
    assert {series.name: list(series.y) for series in area.series}["softmax"] == [12.0]


def test_facts_go_through_json_and_come_back() -> None:
    facts = small_comparison()
    assert ComparisonFacts.from_json(facts.to_json()) == facts
