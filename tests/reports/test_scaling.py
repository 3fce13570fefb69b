"""The section on scaling says what the facts say, and each figure where it comes from."""

import json
from dataclasses import replace

import pytest

from consilico.reports.page.plotly_charts import figure
from consilico.reports.page.static_charts import image
from consilico.reports.scaling.charts import scaling_charts
from consilico.reports.scaling.facts import ScalingFacts, scaling_facts
from tests.reports.section import text_of


@pytest.fixture(scope="module")
def scaling() -> ScalingFacts:
    return scaling_facts()


def _text(scaling: ScalingFacts) -> str:
    return text_of("scaling", scaling)


def test_every_unit_stands_predicted_beside_measured(scaling: ScalingFacts) -> None:
    text = _text(scaling)
    for row in scaling.rows:
        for it in row.kits.values():
            area = it["area"]
            expected = f"{row.unit} {row.source} {area.predicted:,.1f} "
            assert f"{expected}{area.measured:,.1f} {area.error_pct:+.0f} %" in text


def test_conditions_and_basis_stand_with_the_figures(scaling: ScalingFacts) -> None:
    text = _text(scaling)
    assert "nangate45 (45 nm, typical_1p10V_25C, 1.1 V, 4 ns)" in text
    assert "asap7 (7 nm, TT_nldm, 0.7 V, 2 ns)" in text
    assert "sky130hd (130 nm, tt_025C_1v80, 1.8 V, 16 ns)" in text
    assert "estimated interpolated" in text
    assert "estimated tabulated" in text
    assert "measured sky130hd, tt_025C_1v80" in text
    assert "not consistent with each other" in text
    assert "yosys 0." in text


def test_another_measurement_changes_the_text(scaling: ScalingFacts) -> None:
    first, *others = scaling.rows
    in_asap7 = first.kits["asap7"]
    energy = replace(in_asap7["energy"], measured=123.4567)
    first = replace(first, kits=first.kits | {"asap7": in_asap7 | {"energy": energy}})
    assert "123.4567" not in _text(scaling)
    assert "123.4567" in _text(replace(scaling, rows=(first, *others)))


def test_the_facts_come_back_from_json(scaling: ScalingFacts) -> None:
    assert ScalingFacts.from_json(json.loads(json.dumps(scaling.to_json()))) == scaling


def test_error_chart_has_a_point_for_each_unit_and_its_bars(scaling: ScalingFacts) -> None:
    errors = scaling_charts(scaling)[0]
    _, units, bars = errors.panels[0].series
    assert len(units.x) == sum(3 * len(row.kits) for row in scaling.rows)
    assert bars.low == [row.bar.low_ratio for row in scaling.errors]
    trace = figure(errors)["data"][2]
    top = trace["y"][0] + trace["error_y"]["array"][0]
    assert top == pytest.approx(bars.high[0], rel=1e-4)
    assert trace["y"][0] - trace["error_y"]["arrayminus"][0] == pytest.approx(bars.low[0], rel=1e-4)


def test_consmax_charts_show_the_papers_points_beside_ours(scaling: ScalingFacts) -> None:
    area, power = (chart.panels[0].series for chart in scaling_charts(scaling)[1:])
    published, ours, alone = area
    assert [x.split(", ")[0] for x in published.x] == ["22 nm"] * 4 + ["16 nm"] * 5
    assert {x: y for x, y in zip(published.x, published.y, strict=True) if y} == {
        "22 nm, paper v1": 1000,
        "16 nm, paper": 800,
        "16 nm, paper (open tools at 2 GHz)": 900,
    }
    assert all(low < y < high for low, y, high in zip(ours.low, ours.y, ours.high, strict=True))
    own = [row for row in scaling.consmax.ours if row.basis == "estimated"]
    assert alone.y == [row.area_um2.value for row in own]
    assert [y for y in power[0].y if y] == [0.43, 0.2, 0.683]
    assert power[2].y[0] == pytest.approx(own[0].energy_pj.value)
    assert power[2].y[3] == pytest.approx(1.25 * own[3].energy_pj.value)


def test_error_bars_are_drawn_in_the_png_too(scaling: ScalingFacts) -> None:
    chart = scaling_charts(scaling)[0]
    drawn = image(chart)
    *others, bars = chart.panels[0].series
    wider = replace(bars, high=[2 * high for high in bars.high])
    panel = replace(chart.panels[0], series=[*others, wider])
    assert image(replace(chart, panels=[panel])) != drawn
