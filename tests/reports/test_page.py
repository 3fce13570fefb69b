"""The page says what the facts say: misses, mismatches and missing figures included."""

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest

from consilico.reports.build import write_report
from consilico.reports.charts import charts
from consilico.reports.consmax.targets import judge
from consilico.reports.training.facts import expectations


@pytest.fixture(autouse=True)
def _quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is what is looked at here: no need to draw its PNG figures each time."""
    monkeypatch.setattr(
        "consilico.reports.page.static_charts.image", lambda chart, note="", kind="png": b"a figure"
    )


def _html(facts: dict[str, Any], folder: Path) -> str:
    write_report(facts, folder)
    return (folder / "index.html").read_text()


def _text(facts: dict[str, Any], folder: Path) -> str:
    """What a reader sees: without scripts, styles and tags."""
    html = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", _html(facts, folder))
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _point(facts: dict[str, Any], unit: str, **wanted: Any) -> list[dict[str, Any]]:
    return [
        item["result"]
        for item in facts["implementations"]
        if item["unit"] == unit and all(item[key] == wanted[key] for key in wanted)
    ]


def test_page_leads_with_the_verdict(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["datapaths"] = []
    text = _text(facts, tmp_path)
    assert text.index("Verified") < text.index("Targets of ConSmax")
    assert "147,456 results bit for bit, 0 mismatches" in text
    assert "11 of 11 met" in text
    assert "MISSED" not in text
    assert "FAILED" not in text


_SILICON = re.compile(r"area|(J|s) per step|µm²|mm²|pJ|\bJ\b|[µm]W|\bns\b|energy|MHz")


def test_every_figure_of_silicon_names_its_conditions(facts: dict[str, Any]) -> None:
    made = charts(facts)
    for chart in made:
        labels = [(panel.x_label, panel.y_label, panel.title) for panel in chart.panels]
        if _SILICON.search(str(labels)) or chart.name.startswith(("scaling_", "estimate_")):
            assert re.search(r" V; clock: .+; activity: ", chart.conditions), chart.name
        else:
            assert chart.conditions == "", chart.name
    assert sum(bool(chart.conditions) for chart in made) >= 12


def test_every_table_of_silicon_names_its_conditions(facts: dict[str, Any], tmp_path: Path) -> None:
    seen = 0
    for table in re.findall(r"(?s)<table>(.*?)</table>", _html(facts, tmp_path)):
        caption, _, body = table.partition("</caption>")
        head = body.partition("</thead>")[0]
        if not (_SILICON.search(head) and "<caption>" in caption) or ">published<" in caption:
            continue
        seen += 1
        if "ns" in re.findall(r"clock,<br>(\w+)", head):  # the table says it in each row
            continue
        assert re.search(r"\d V", caption), caption
        assert re.search(r"clock: |\d ns", caption), caption
        assert "activity: " in caption, caption
    assert seen >= 12


def test_missed_target_is_marked_and_is_no_failure(facts: dict[str, Any], tmp_path: Path) -> None:
    for result in _point(facts, "consmax/log2", lanes=16, clock_ns=4.0):
        result["area_um2"] = 16 * 1351.0
    facts["targets"] = judge(facts["implementations"])
    text = _text(facts, tmp_path)
    assert "1,351 µm² 1.00x MISSED" in text
    assert "10 of 11 met Missed: log2 area per lane, 16 lanes." in text
    assert write_report(facts, tmp_path)["passed"]


def test_areas_stand_below_their_class_in_any_order(facts: dict[str, Any], tmp_path: Path) -> None:
    before = _text(facts, tmp_path / "before")
    for result in _point(facts, "consmax/log2"):
        areas = result["area_by_class_um2"]
        result["area_by_class_um2"] = dict(sorted(areas.items()))
        assert list(areas) != sorted(areas)
    assert _text(facts, tmp_path / "after") == before


def test_low_bit_units_stand_with_their_targets(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["datapath_targets"][2] |= {"measured": None, "met": None}
    text = _text(facts, tmp_path)
    assert "at most 0.35 0.300 MET" in text
    assert "at least 3.00 4.000 MET" in text
    assert "at most 1.15 not measured not measured" in text
    assert "matmul/dot w=int4 4,000 1.800 real layers 16.00 0.400 5.00 4.00" in text
    assert (
        "training/weight_update default 4,000 1.800 real training weight update 16.00 0.800" in text
    )
    assert "typical, 1.1 V; clock: 2 ns; activity: operands as named" in text
    assert "INT8 multiply 45 nm 0.9 V 0.2 the arithmetic alone" in text


def test_synthetic_training_is_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["training_traffic"]["synthetic"] = True
    html = _html(facts, tmp_path)
    assert '<td class="s synthetic">synthetic training</td>' in html
    assert '<td class="s">real layers</td>' in html


def test_training_stands_with_what_was_expected(facts: dict[str, Any], tmp_path: Path) -> None:
    text = _text(facts, tmp_path / "part")
    assert "stochastic rounding at most 1 % -1.09 % not measured not measured" in text
    assert "AdamW float32 none float32 0.003 1.8400 not measured not measured 1.8400" in text
    assert "GaLore float32 float32, rank 32 float32 0.003 1.8100 (-1.63 %) 1.8100 263" in text
    assert "make bench trains for it" in text
    assert "2 runs, on 2026-01-01, 2026-01-02." in text
    for row, above in zip(facts["training"]["methods"], (0.0, -0.01, 0.02, -0.02), strict=True):
        row["against_adamw"] = [above] * 3
    facts["training"]["expectations"] = expectations(facts["training"]["methods"])
    text = _text(facts, tmp_path / "whole")
    assert "stochastic rounding at most 1 % -1.00 % -1.00 % -1.00 % MET" in text
    assert "rounding to nearest at least 4 % +2.00 % +2.00 % +2.00 % MISSED" in text


def test_random_bits_stand_with_their_cost_and_their_effect(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    text = _text(facts, tmp_path)
    assert "none: float weights 2.2800 to nearest 0 2.3500 +3.07 %" in text
    assert "stochastic 4 1,020 127.5 0.940 0.140 2.2910 +0.48 % 5 1,100 137.5" in text
    assert "6 1,180 147.5 0.960 0.160 not measured 7" in text


def test_training_not_measured_at_all_leaves_the_cost(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    for row in facts["training"]["rounding"]:
        row |= {"loss": None, "against_float": None}
    text = _text(facts, tmp_path)
    assert "to nearest 0 not measured stochastic 4 1,020 127.5 0.940 0.140 not measured 5" in text
    chart = next(chart for chart in charts(facts) if chart.name == "random_bits")
    assert [panel.y_label for panel in chart.panels] == [
        "area per lane (µm²)", "energy a value rounded (pJ)",
    ]  # fmt: skip


def test_mismatch_fails_the_report_in_red(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["verification"][1]["runs"][0]["mismatches"] = 3
    facts["verification"][1]["passed"] = False
    assert not write_report(facts, tmp_path)["passed"]
    html = _html(facts, tmp_path)
    assert '<div class="banner" role="alert">FAILED:' in html
    assert '<span class="mark bad">WRONG</span>' in html
    assert "NOT verified" in html


def test_error_beyond_its_bound_fails_the_report(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["certificates"][0]["max_relative_error"] = 0.00601
    assert not write_report(facts, tmp_path)["certified"]
    assert "BEYOND" in _text(facts, tmp_path)


def test_wrong_netlist_fails_the_report(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["implementations"][0]["result"]["gate_level"]["mismatches"] = 1
    assert not write_report(facts, tmp_path)["passed"]
    assert "A netlist's results are wrong" in _text(facts, tmp_path)


def test_unhit_coverage_point_is_named(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["verification"][0] |= {"uncovered": ["masked"], "passed": False}
    assert not write_report(facts, tmp_path)["passed"]
    assert "not covered: masked" in _text(facts, tmp_path)


def test_synthetic_scores_are_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    assert "SYNTHETIC" not in _text(facts, tmp_path / "real")
    facts["traffic"] |= {"synthetic": True, "source": "synthetic: no package"}
    html = _html(facts, tmp_path / "synthetic")
    assert 'role="alert">The scores are SYNTHETIC' in html
    assert '<td class="s synthetic">synthetic scores</td>' in html
    assert "real scores" not in html


def test_what_is_not_measured_is_said_to_be_so(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["implementations"] = [item for item in facts["implementations"] if item["lanes"] != 16]
    facts["targets"] = judge(facts["implementations"])
    text = _text(facts, tmp_path)
    row = text[text.index("area per lane, 16 lanes split") :]
    assert row.startswith("area per lane, 16 lanes split 2,000 µm² not measured not measured")
    assert "9 of 11 met Some are not measured." in text


def test_page_needs_no_network(facts: dict[str, Any], tmp_path: Path) -> None:
    html = _html(facts, tmp_path)
    outside_plotly = re.sub(r"(?s)<script>.*?</script>", "", html)
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", outside_plotly)
    assert addresses
    assert [a for a in addresses if not a.startswith(("#", "data:image/png;base64,"))] == []
    assert html.count("plotly.js v") == 1


def test_missing_fact_raises(facts: dict[str, Any], tmp_path: Path) -> None:
    del facts["provenance"]["machine"]
    with pytest.raises(jinja2.UndefinedError, match="machine"):
        write_report(facts, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nan_is_refused(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["certificates"][1]["max_ulp"] = float("nan")
    with pytest.raises(ValueError, match="nan"):
        write_report(facts, tmp_path)


def test_names_from_outside_are_escaped(facts: dict[str, Any], tmp_path: Path) -> None:
    facts["traffic"]["source"] = "<script>alert(1)</script>"
    assert "<script>alert" not in _html(facts, tmp_path)


def test_projected_element_takes_a_product_for_each_vector(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    text = _text(facts, tmp_path)
    assert "real training 96.0 192.0 384.0 768.0" in text  # 0.75 pJ a product


def test_missed_target_of_a_low_bit_unit_is_told_at_the_top(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    facts["datapath_targets"][2] |= {"measured": 1.32, "met": False}
    text = _text(facts, tmp_path)
    assert "10 of 11 met Missed: area of group_dot, group 128, to the plain INT4 dot." in text
    assert "at most 1.15 1.320 MISSED" in text
