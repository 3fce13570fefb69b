"""The page says what the facts say: misses, mismatches and missing figures included."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest

from consilico.reports.consmax.facts import ConsmaxFacts, lanes_of
from consilico.reports.estimates.judgements import judge_estimates
from consilico.reports.training.judgements import expectations
from consilico.sim.rtlsim.mutation.score import Survivor
from tests.reports.section import charts_of, html_of, text_of, words, written

_SILICON = re.compile(r"area|(J|s) per step|µm²|mm²|pJ|\bJ\b|[µm]W|\bns\b|energy|MHz")
pytestmark = pytest.mark.usefixtures("quick_figures")


def _page(facts: dict[str, Any], folder: Path) -> str:
    written(facts, folder)
    return (folder / "index.html").read_text()


def _change_netlists(
    facts: dict[str, Any], changes: dict[str, Any], unit: str, lanes: int | None = None
) -> None:
    """Change the netlists of a ConSmax unit, all of them or those with so many lanes."""
    it: ConsmaxFacts = facts["consmax"]
    changed = tuple(
        replace(netlist, **changes)
        if netlist.unit == unit and lanes in (None, lanes_of(netlist))
        else netlist
        for netlist in it.netlists
    )
    facts["consmax"] = replace(it, netlists=changed)


def test_page_leads_with_the_verdict(facts: dict[str, Any], tmp_path: Path) -> None:
    text = words(_page(facts, tmp_path))
    assert text.index("3 of 3 verified") < text.index("Generated Verilog against")
    assert "147,456 results bit for bit, 0 mismatches" in text
    assert re.search(r"Targets \d+ of \d+ met", text)
    assert "FAILED:" not in text


def test_every_figure_of_silicon_names_its_conditions(facts: dict[str, Any]) -> None:
    made = [chart for name in facts for chart in charts_of(name, facts[name]).values()]
    for chart in made:
        labels = [(panel.x_label, panel.y_label, panel.title) for panel in chart.panels]
        if _SILICON.search(str(labels)) or chart.name.startswith(("scaling_", "estimate_")):
            assert re.search(r" V; clock: .+; activity: ", chart.conditions), chart.name
        else:
            assert chart.conditions == "", chart.name
    assert sum(bool(chart.conditions) for chart in made) >= 12


def test_every_figure_has_a_title_of_its_own(facts: dict[str, Any]) -> None:
    titles = [chart.title for name in facts for chart in charts_of(name, facts[name]).values()]
    assert len(titles) == len(set(titles)) >= 18
    assert all(titles)


def test_every_table_of_silicon_names_its_conditions(facts: dict[str, Any], tmp_path: Path) -> None:
    seen = 0
    for table in re.findall(r"(?s)<table>(.*?)</table>", _page(facts, tmp_path)):
        caption, _, body = table.partition("</caption>")
        head = body.partition("</thead>")[0]
        if not (_SILICON.search(head) and "<caption>" in caption) or ">published<" in caption:
            continue
        seen += 1
        if "ns" in re.findall(r"clock,<br>(\w+)", head):  # the table says it in each row
            continue
        if "of the table above" in caption:
            continue
        assert re.search(r"\d V", caption), caption
        assert re.search(r"clock: |\d ns", caption), caption
        assert "activity: " in caption, caption
    assert seen >= 12


def test_missed_target_is_marked_and_is_no_failure(facts: dict[str, Any], tmp_path: Path) -> None:
    _change_netlists(facts, {"area_um2": 16 * 1351.0}, "consmax/log2", lanes=16)
    answer = written(facts, tmp_path)
    text = words((tmp_path / "index.html").read_text())
    assert "1,351 µm² 1.00x MISSED" in text
    assert "Missed: log2: area per lane, 16 lanes" in text
    assert answer.passed


def test_areas_stand_below_their_class_in_any_order(facts: dict[str, Any]) -> None:
    before = text_of("consmax", facts["consmax"])
    it: ConsmaxFacts = facts["consmax"]
    turned = tuple(
        replace(netlist, area_by_class_um2=dict(reversed(netlist.area_by_class_um2.items())))
        if netlist.unit == "consmax/log2"
        else netlist
        for netlist in it.netlists
    )
    facts["consmax"] = replace(it, netlists=turned)
    assert text_of("consmax", facts["consmax"]) == before


def test_low_bit_units_stand_with_their_targets(facts: dict[str, Any]) -> None:
    it = facts["datapaths"]
    text = text_of("datapaths", it)
    assert "at most 0.60 0.300 MET" in text
    assert "at most 0.35 0.225 MET" in text  # of cells alone, as the ladder has it
    assert "layout: placed, with wires, clock tree and glitches" in text
    assert "at least 3.00 4.000 MET" in text
    assert "at most 1.15 1.000 MET" in text
    assert "matmul/dot w=int4 4,000 1.800 real layers 16.00 0.400 5.00 4.00" in text
    assert (
        "training/weight_update default 4,000 1.800 real training weight update 16.00 0.800" in text
    )
    assert "typical, 1.1 V; clock: 2 ns; activity: operands as named" in text
    assert "INT8 multiply 45 nm 0.9 V 0.2 the arithmetic alone" in text
    it = replace(it, rows=tuple(row for row in it.rows if row.unit != "matmul/group_dot"))
    assert "at most 1.15 not measured not measured" in text_of("datapaths", it)


def test_missed_target_of_a_low_bit_unit_is_told_at_the_top(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    it = facts["datapaths"]
    rows = tuple(
        replace(row, area_um2=1.32 * row.area_um2) if row.unit == "matmul/group_dot" else row
        for row in it.rows
    )
    facts["datapaths"] = replace(it, rows=rows)
    text = words(_page(facts, tmp_path))
    assert "Missed: area of group_dot, group 128, to the plain INT4 dot" in text
    assert "at most 1.15 1.320 MISSED" in text


def test_projected_element_takes_a_product_for_each_vector(facts: dict[str, Any]) -> None:
    text = text_of("datapaths", facts["datapaths"])
    assert "real training 96.0 192.0 384.0 768.0" in text  # 0.75 pJ a product


def test_synthetic_training_is_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    it = facts["datapaths"]
    facts["datapaths"] = replace(it, training=replace(it.training, synthetic=True))
    facts["input"] = replace(facts["input"], training=facts["datapaths"].training)
    html = _page(facts, tmp_path)
    assert '<td class="s synthetic">synthetic training</td>' in html
    assert '<td class="s">real layers</td>' in html
    assert 'role="alert">Operands of training are SYNTHETIC: GPT learning a text.' in html


def test_training_stands_with_what_was_expected(facts: dict[str, Any]) -> None:
    it = facts["training"]
    text = text_of("training", it)
    assert "stochastic rounding at most 1 % -1.09 % not measured not measured" in text
    assert "AdamW float32 none float32 0.003 1.8400 not measured not measured 1.8400" in text
    assert "GaLore float32 float32, rank 32 float32 0.003 1.8100 (-1.63 %) 1.8100 263" in text
    assert "make bench trains for it" in text
    assert "2 runs, on 2026-01-01, 2026-01-02." in text
    methods = tuple(
        replace(row, against_adamw=(above,) * 3)
        for row, above in zip(it.training.methods, (0.0, -0.01, 0.02, -0.02), strict=True)
    )
    it = replace(it, training=replace(it.training, methods=methods))
    text = text_of("training", it)
    assert "stochastic rounding at most 1 % -1.00 % -1.00 % -1.00 % MET" in text
    assert "rounding to nearest at least 4 % +2.00 % +2.00 % +2.00 % MISSED" in text
    assert [row.met for row in expectations(it.training.against_adamw)] == [True, False]


def test_random_bits_stand_with_their_cost_and_their_effect(facts: dict[str, Any]) -> None:
    text = text_of("training", facts["training"])
    assert "none: float weights 2.2800 to nearest 0 2.3500 +3.07 %" in text
    assert "stochastic 4 1,020 127.5 0.940 0.140 2.2910 +0.48 % 5 1,100 137.5" in text
    assert "6 1,180 147.5 0.960 0.160 not measured 7" in text


def test_training_not_measured_at_all_leaves_the_cost(facts: dict[str, Any]) -> None:
    it = facts["training"]
    nothing = tuple(replace(row, loss=None, against_float=None) for row in it.training.rounding)
    it = replace(it, training=replace(it.training, rounding=nothing))
    text = text_of("training", it)
    assert "to nearest 0 not measured stochastic 4 1,020 127.5 0.940 0.140 not measured 5" in text
    chart = charts_of("training", it)["random_bits"]
    assert [panel.y_label for panel in chart.panels] == [
        "area per lane (µm²)", "energy a value rounded (pJ)",
    ]  # fmt: skip


def _changed(facts: dict[str, Any], **changes: Any) -> None:
    """Change what was found of the second unit of the verification."""
    it = facts["verification"]
    first, second, *rest = it.verdicts
    second = replace(second, found=replace(second.found, **changes))
    facts["verification"] = replace(it, verdicts=(first, second, *rest))


def _unverified(facts: dict[str, Any], failure: str = "") -> None:
    """Leave the second unit without a verdict."""
    it = facts["verification"]
    first, second, *rest = it.verdicts
    second = replace(second, found=None, failure=failure)
    facts["verification"] = replace(it, verdicts=(first, second, *rest))


def test_mismatch_fails_the_report_in_red(facts: dict[str, Any], tmp_path: Path) -> None:
    runs = facts["verification"].verdicts[1].found.runs
    _changed(facts, runs=(replace(runs[0], mismatches=3), runs[1]))
    answer = written(facts, tmp_path)
    assert not answer.passed
    html = (tmp_path / "index.html").read_text()
    assert '<div class="banner" role="alert">FAILED:' in html
    assert '<span class="mark bad">FAILED</span>' in html
    assert "NOT verified: consmax/split" in html


def test_what_is_wrong_with_a_unit_is_named(facts: dict[str, Any], tmp_path: Path) -> None:
    _changed(facts, uncovered=("masked",), problems=("masked was never hit",))
    told = "consmax/split equals its golden model: masked was never hit"
    assert written(facts, tmp_path).problems == (told,)
    text = words((tmp_path / "index.html").read_text())
    assert told in text
    row = text[text.index("consmax/split default FAILED icarus 11.0") :]
    assert "1 masked 2 both_flags: one lane has one flag" in row  # hit, hole, exempt


def test_a_unit_that_could_not_be_verified_fails_the_report(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    _unverified(facts, "verilator was killed")
    told = "consmax/split equals its golden model: verilator was killed"
    assert written(facts, tmp_path).problems == (told,)
    assert told in words((tmp_path / "index.html").read_text())


def test_a_run_that_checked_nothing_is_no_pass(facts: dict[str, Any], tmp_path: Path) -> None:
    runs = facts["verification"].verdicts[1].found.runs
    _changed(facts, runs=(replace(runs[0], checked=0), runs[1]))
    assert not written(facts, tmp_path).passed


def test_a_unit_not_verified_yet_is_no_failure_and_named(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    _unverified(facts)
    answer = written(facts, tmp_path)
    assert answer.passed
    text = words((tmp_path / "index.html").read_text())
    assert "default not measured not measured yet: consilico verify consmax/split" in text
    assert "2 of 3 verified" in text


def test_a_unit_has_one_row_with_all_that_its_verdict_rests_on(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    text = words(_page(facts, tmp_path))
    row = text[text.index("consmax/log2 default RIGHT icarus 11.0") :]
    row = row[: row.index("consmax/split default RIGHT")]
    assert "icarus 11.0: 24,576 verilator 5.048: 24,576 0 3" in row
    assert "both_flags: one lane has one flag" in row
    assert "190 10 0" in row
    assert "1 1 no_deadlock: not proved, holds for 24 cycles" in row
    assert "icarus, full speed: of 9,000 items the first 8,000" in row
    split = text[text.index("consmax/split default RIGHT icarus 11.0") :]
    split = split[: split.index("RIGHT", len("consmax/split default RIGHT"))]  # of the next unit
    assert split.count("not measured") == 2
    assert "190 of 190 mutants" in text
    assert "mutants of 1 of 3 units; 1 of 2 properties of 1 units proved" in text


def _evidence(facts: dict[str, Any], **changes: Any) -> None:
    """Change what is known of the first unit of the verification."""
    it = facts["verification"]
    first, *rest = it.verdicts
    facts["verification"] = replace(it, verdicts=(replace(first, **changes), *rest))


def test_a_mutant_that_survives_misses_the_target_and_is_named(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    mutants = facts["verification"].verdicts[0].mutants
    survivor = Survivor(
        file="", line=77, change="const0 at $3 of $and$7", differs_after_cycles=None
    )
    _evidence(facts, mutants=replace(mutants, killed=189, survived=(survivor,)))
    answer = written(facts, tmp_path)
    assert answer.passed
    estimates = judge_estimates(facts["estimates"]).checks  # of the tree's own calibration
    assert answer.targets_missed == 1 + sum(not check.met for check in estimates)
    text = words((tmp_path / "index.html").read_text())
    assert "189 10 1 line 77: const0 at $3 of $and$7" in text
    assert "189 of 190 mutants" in text


def test_a_promise_that_is_broken_fails_the_report(facts: dict[str, Any], tmp_path: Path) -> None:
    proofs = facts["verification"].verdicts[0].proofs
    broken = replace(proofs.proofs[1], verdict="failed", depth_cycles=7)
    _evidence(facts, proofs=replace(proofs, proofs=(proofs.proofs[0], broken)))
    told = "consmax/log2 keeps the promises of its streams: broken: no_deadlock"
    assert written(facts, tmp_path).problems == (told,)
    text = words((tmp_path / "index.html").read_text())
    assert "no_deadlock: failed, in cycle 7" in text


def test_error_beyond_its_bound_fails_the_report(facts: dict[str, Any], tmp_path: Path) -> None:
    it: ConsmaxFacts = facts["consmax"]
    first, *rest = it.certificates
    first = replace(first, max_relative_error=0.00601)
    facts["consmax"] = replace(it, certificates=(first, *rest))
    answer = written(facts, tmp_path)
    assert answer.problems == ("consmax/log2: greatest relative error: 0.601%",)
    assert "BEYOND" in (tmp_path / "index.html").read_text()


def test_wrong_netlist_fails_the_report(facts: dict[str, Any], tmp_path: Path) -> None:
    it: ConsmaxFacts = facts["consmax"]
    first, *rest = it.netlists
    first = replace(first, gate_level=replace(first.gate_level, mismatches=1))
    facts["consmax"] = replace(it, netlists=(first, *rest))
    assert written(facts, tmp_path).problems == (
        "netlists of the ConSmax units, simulated: 1 mismatches",
    )


def test_synthetic_scores_are_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    assert "SYNTHETIC" not in _page(facts, tmp_path / "real")
    it = facts["input"]
    scores = replace(it.scores, synthetic=True, source="synthetic: no package")
    facts["input"] = replace(it, scores=scores)
    facts["consmax"] = replace(facts["consmax"], scores=scores)
    html = _page(facts, tmp_path / "synthetic")
    assert 'role="alert">The scores are SYNTHETIC' in html
    assert '<td class="s synthetic">synthetic scores</td>' in html
    assert "real scores" not in html


def test_what_is_not_measured_is_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    it = facts["consmax"]
    netlists = tuple(netlist for netlist in it.netlists if lanes_of(netlist) != 16)
    facts["consmax"] = replace(it, netlists=netlists)
    text = words(_page(facts, tmp_path))
    row = text[text.index("area per lane, 16 lanes split") :]
    assert row.startswith("area per lane, 16 lanes split 2,000 µm² not measured 4,870 µm²")
    assert "not measured yet." in text[text.index("Targets ") :]


@pytest.mark.parametrize(
    "missing", [{"certificates": ()}, {"error_curve": None}, {"widths": ()}, {"scores": None}]
)
def test_consmax_is_shown_without_what_is_not_measured(
    facts: dict[str, Any], missing: dict[str, Any]
) -> None:
    assert "ConSmax" in text_of("consmax", replace(facts["consmax"], **missing))


def test_consmax_is_shown_when_nothing_is_measured(facts: dict[str, Any]) -> None:
    text = text_of("consmax", replace(facts["consmax"], netlists=(), swept=()))
    assert "area, one lane split 4,900 µm² not measured 4,870 µm²" in text


def test_page_needs_no_network(facts: dict[str, Any], tmp_path: Path) -> None:
    html = _page(facts, tmp_path)
    outside_plotly = re.sub(r"(?s)<script>.*?</script>", "", html)
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", outside_plotly)
    assert addresses
    assert [a for a in addresses if not a.startswith(("#", "data:image/png;base64,"))] == []
    assert html.count("plotly.js v") == 1


def test_missing_fact_raises(facts: dict[str, Any]) -> None:
    del facts["datapaths"].defaults["matmul/dot"]
    with pytest.raises(jinja2.UndefinedError, match="matmul/dot"):
        html_of("datapaths", facts["datapaths"])


def test_nan_is_refused(facts: dict[str, Any]) -> None:
    it: ConsmaxFacts = facts["consmax"]
    certificates = tuple(replace(entry, max_ulp=float("nan")) for entry in it.certificates)
    with pytest.raises(ValueError, match="nan"):
        html_of("consmax", replace(it, certificates=certificates))


def test_names_from_outside_are_escaped(facts: dict[str, Any], tmp_path: Path) -> None:
    it = facts["input"]
    facts["input"] = replace(it, scores=replace(it.scores, source="<script>alert(1)</script>"))
    assert "<script>alert" not in _page(facts, tmp_path)
