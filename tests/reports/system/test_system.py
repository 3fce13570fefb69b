"""The report's section on a chip: what it shows is what the command answers."""

from dataclasses import replace

import pytest

import consilico
from consilico.reports.system.facts import Perplexity, SystemFacts, system_facts
from consilico.reports.system.judgements import SystemJudgement, judge_system
from consilico.sim.system.normalizers import P_FORMATS
from tests.reports.section import charts_of, text_of


@pytest.fixture(scope="module")
def facts() -> SystemFacts:
    return system_facts()


def judged(facts: SystemFacts) -> SystemJudgement:
    rows = judge_system(facts).rows
    assert isinstance(rows, SystemJudgement)
    return rows


def perplexity(**fields: object) -> Perplexity:
    known = Perplexity(
        model="M", predicted=2048, normaliser="softmax", p_format="int7", text="Pericles",
        tokens=256, baseline=50.0, change=0.25, date="2026-01-02",
    )  # fmt: skip
    return replace(known, **fields)  # type: ignore[arg-type]


def test_facts_go_through_json_and_come_back(facts: SystemFacts) -> None:
    assert SystemFacts.from_json(facts.to_json()) == facts


def test_a_walk_is_the_answer_of_the_command_with_its_defaults(facts: SystemFacts) -> None:
    titles = [walk.title for walk in facts.walks]
    assert titles == [
        f"{model}, {phase}" for model in ("SmolLM2-135M", "LLaMA-7B")
        for phase in ("prefill", "decode")
    ]  # fmt: skip
    found = consilico.system("llama-7b", consilico.chip(), compare_normalisers=True)
    walk = facts.walks[-1]
    assert walk.answer == found.to_json()
    assert walk.scores == 32 * 32 * 4096  # layers, heads, tokens
    assert walk.score_pj * walk.scores == pytest.approx(1e12 * found.attention_j)
    own = found.normalizer_j.value / found.total_j.value
    share = walk.normalizer_pj * walk.scores * 1e-12 / found.total_j.value
    assert share == pytest.approx(own)


def test_what_the_choice_is_worth_is_said_for_each_workload(facts: SystemFacts) -> None:
    rows = judged(facts)
    for worth, walk in zip(rows.worth, facts.walks, strict=True):
        against = walk.answer["normaliser"]["against"]
        assert worth.exact.to_json() == against["softmax"]
        own = walk.answer["area_um2"]["total"]["value"]
        assert worth.saved_um2.value == pytest.approx(own * (worth.exact.area_ratio - 1))
        words = {"latency": "time", "energy": "energy", "area": "area"}
        same = [words[name] for name in walk.answer["normaliser"]["nothing_gained"]]
        assert [name for name in worth.nothing if name in words.values()] == same
    assert all(each.context == 131072 for each in rows.longest)
    text = text_of("system", facts)
    assert f"at most {100 * (rows.time.exact.latency_ratio - 1):.1f} % more time" in text
    assert "Against units without buffers: nothing." in text


def test_a_unit_that_takes_less_is_no_nothing(facts: SystemFacts) -> None:
    place = facts.growth[0]
    better = replace(place.rivals[0], latency_ratio=0.5)
    assert not better.refused
    other = replace(facts, growth=(replace(place, rivals=(better, *place.rivals[1:])),
                                   *facts.growth[1:]))  # fmt: skip
    assert judged(other).plain == judged(facts).plain  # it is not at a context that is shown
    shown = facts.growth.index(next(g for g in facts.growth if g.context == 4096))
    growth = list(facts.growth)
    growth[shown] = replace(growth[shown], rivals=(better, *growth[shown].rivals[1:]))
    rows = judged(replace(facts, growth=tuple(growth)))
    assert rows.plain == pytest.approx(0.5)
    assert "time" not in rows.worth[0].nothing
    assert "Against units without buffers: little." in text_of(
        "system", replace(facts, growth=tuple(growth))
    )


def test_every_form_of_a_tile_has_its_costs(facts: SystemFacts) -> None:
    for walk in facts.walks:
        own = [cost for cost in facts.formats if cost.title == walk.title]
        assert [cost.p_format for cost in own] == list(P_FORMATS)
        assert (own[0].latency, own[0].energy, own[0].area) == (1, 1, 1)


def test_perplexities_stand_where_they_were_measured(facts: SystemFacts) -> None:
    known = (
        perplexity(), perplexity(tokens=2048, change=0.75, p_format="2xint7"),
        perplexity(normaliser="ita", p_format="2xint7"),
    )  # fmt: skip
    rows = judged(replace(facts, perplexities=known))
    assert rows.columns == (("Pericles", 256), ("Pericles", 2048))
    assert rows.longest_column == 1
    assert {row.name: row.changes for row in rows.forms} == {
        "int7": (0.25, None),
        "2xint7": (None, 0.75),
    }
    assert {row.name: row.changes for row in rows.units} == {
        "ita": (0.25, None),
        "softmax": (None, 0.75),
    }
    text = text_of("system", replace(facts, perplexities=known))
    assert "grows by 75.00 % ( 2xint7 )" in text


def test_where_no_perplexity_is_known_that_is_said(facts: SystemFacts) -> None:
    none = replace(facts, perplexities=())
    assert "What it does to perplexity is not measured." in text_of("system", none)
    assert "system_forms" not in charts_of("system", none)


def test_decoding_is_checked_against_genz(facts: SystemFacts) -> None:
    checks = judge_system(facts).checks
    assert len(checks) == 4
    assert all(check.met for check in checks)
    slow = replace(facts.genz[0], own_ms=1.1 * facts.genz[0].own_ms)
    assert judge_system(replace(facts, genz=(slow,))).checks[0].met is False


def test_figures_say_how_they_came_about(facts: SystemFacts) -> None:
    drawn = charts_of("system", facts)
    for name in ("system_shares", "system_growth"):
        assert drawn[name].kind == "estimated"
        assert drawn[name].conditions.startswith("nangate45, ")
    for panel in drawn["system_shares"].panels:
        for place in range(len(facts.walks)):
            assert sum(series.y[place] for series in panel.series) == pytest.approx(100)
    growth = drawn["system_growth"].panels[0]
    assert {series.name for series in growth.series} == {"softmax", "online_softmax"}
    assert all(len(series.x) == 5 for series in growth.series)
