"""Files of a report: whole, not blank, and what their figures carry."""

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from consilico.reports.page.plotly_charts import figure
from consilico.sim.base.errors import UserError
from tests.reports.section import charts_of, written

_FIGURES = {
    "error.png", "area_per_lane.png", "area_delay.png", "area_breakdown.png", "energy.png",
    "scores.png", "random_bits.png", "memory_peak.png", "memory_step.png", "area_by_purpose.png",
    "area_delay_curves.png", "buffers.png", "power_by_module.png", "power_over_time.png",
    "scaling_error.png", "scaling_consmax_area.png", "scaling_consmax_power.png",
    "estimate_nangate45_size.png", "estimate_nangate45_speed.png", "estimate_nangate45_layout.png",
    "training_hw_energy.png", "training_hw_time.png", "claims.png", "comparison_consmax_base2.png",
    "comparison_consmax_log2.png",
}  # fmt: skip


def test_files_of_a_report_are_there_and_its_figures_not_blank(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    assert written(facts, folder).index == str(folder / "index.html")
    assert {path.name for path in folder.iterdir()} == _FIGURES | {"index.html", "report.json"}
    for name in _FIGURES:
        image = matplotlib.image.imread(folder / name)
        assert image.shape[0] >= 500, name
        assert image.shape[1] >= 1000, name
        colours = (image[::3, ::3, :3] * 255).astype(np.uint8).reshape(-1, 3).astype(int)
        assert (colours.max(axis=1) - colours.min(axis=1) > 60).any(), name  # text is grey


@pytest.mark.usefixtures("quick_figures")
def test_json_holds_facts_and_judgements_by_section(facts: dict[str, Any], tmp_path: Path) -> None:
    answer = written(facts, tmp_path)
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["schema"] == "consilico.report/1"
    assert found["version"]
    assert found["finished"] is True
    assert found["passed"] is answer.passed is True
    assert list(found["sections"]) == list(facts)
    assert found["sections"]["memory"]["facts"] == json.loads(json.dumps(facts["memory"].to_json()))
    verdicts = found["sections"]["verification"]["facts"]["verdicts"]
    assert verdicts[0]["found"]["runs"][0]["checked"] == 24576
    checks = found["sections"]["consmax"]["checks"]
    assert {check["what"] for check in checks} >= {"log2: longest path", "split: longest path"}


@pytest.mark.usefixtures("quick_figures")
def test_output_that_is_a_file_is_a_user_error(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(UserError, match="report"):
        written(facts, tmp_path / "report")
    assert (tmp_path / "report").read_text() == "mine"


def test_interactive_charts_carry_the_data_of_the_figures(facts: dict[str, Any]) -> None:
    for name in facts:
        for chart in charts_of(name, facts[name]).values():
            drawn = [len(trace["x"]) for trace in figure(chart)["data"]]
            assert drawn == [len(series.x) for panel in chart.panels for series in panel.series]
            assert min(drawn) > 0


def test_a_name_in_the_legend_is_there_once_and_has_one_colour(facts: dict[str, Any]) -> None:
    several = 0
    for chart in (chart for name in facts for chart in charts_of(name, facts[name]).values()):
        colours: dict[str, set[str]] = {}
        for series in [series for panel in chart.panels for series in panel.series]:
            colours.setdefault(series.name, set()).add(series.colour)
        shown = [trace["name"] for trace in figure(chart)["data"] if trace["showlegend"]]
        assert len(shown) == len(set(shown)), chart.name
        if shown:
            assert all(len(colours[name]) == 1 for name in shown), (chart.name, colours)
        several += len(chart.panels) > 1 and bool(shown)
    assert several


def test_energy_bars_add_up_to_the_energy(facts: dict[str, Any]) -> None:
    parts = charts_of("consmax", facts["consmax"])["energy"].panels[0].series
    total = [sum(values) for values in zip(*(series.y for series in parts), strict=True)]
    assert total == pytest.approx([6.0, 3.1, 1.55, 1.5, 1.2])
