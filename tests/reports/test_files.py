"""Files of a report: whole, not blank, rewritten only when something changed."""

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

import consilico.reports.build
from consilico.reports.build import build_report, write_report
from consilico.reports.charts import charts
from consilico.reports.page.plotly_charts import figure
from consilico.sim.base.errors import UserError

_FIGURES = {
    "error.png", "area_per_lane.png", "area_delay.png", "area_breakdown.png", "energy.png",
    "scores.png", "random_bits.png", "memory_peak.png", "memory_step.png", "area_by_purpose.png",
    "area_delay_curves.png", "buffers.png", "power_by_module.png", "power_over_time.png",
    "scaling_error.png", "scaling_consmax_area.png", "scaling_consmax_power.png",
    "estimate_nangate45_size.png", "estimate_nangate45_speed.png",
    "training_hw_energy.png", "training_hw_time.png",
}  # fmt: skip


def test_files_of_a_report_are_there_and_its_figures_not_blank(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    assert write_report(facts, folder)["index"] == str(folder / "index.html")
    assert {path.name for path in folder.iterdir()} == _FIGURES | {"index.html", "report.json"}
    for name in _FIGURES:
        image = matplotlib.image.imread(folder / name)
        assert image.shape[0] >= 500, name
        assert image.shape[1] >= 1000, name
        colours = (image[::3, ::3, :3] * 255).astype(np.uint8).reshape(-1, 3).astype(int)
        assert (colours.max(axis=1) - colours.min(axis=1) > 60).any(), name  # text is grey


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that take no time to draw."""
    monkeypatch.setattr(
        "consilico.reports.page.static_charts.image",
        lambda chart, note="", kind="png": chart.name.encode(),
    )


@pytest.mark.usefixtures("quick_figures")
def test_json_holds_all_facts_and_the_verdict(facts: dict[str, Any], tmp_path: Path) -> None:
    write_report(facts, tmp_path)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["verdict"]["passed"] is True
    assert {name: written[name] for name in facts} == json.loads(json.dumps(facts))


def _stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


@pytest.mark.usefixtures("quick_figures")
def test_same_facts_leave_the_files_alone(facts: dict[str, Any], tmp_path: Path) -> None:
    write_report(facts, tmp_path)
    before = _stamps(tmp_path)
    write_report(facts, tmp_path)
    assert _stamps(tmp_path) == before


@pytest.mark.usefixtures("quick_figures")
def test_damaged_file_is_written_again(facts: dict[str, Any], tmp_path: Path) -> None:
    write_report(facts, tmp_path)
    right = (tmp_path / "energy.png").read_bytes()
    (tmp_path / "energy.png").write_bytes(right[:-1])
    write_report(facts, tmp_path)
    assert (tmp_path / "energy.png").read_bytes() == right


@pytest.mark.usefixtures("quick_figures")
def test_other_facts_are_written(facts: dict[str, Any], tmp_path: Path) -> None:
    write_report(facts, tmp_path)
    facts["provenance"]["seeds"]["verification"] = 8
    write_report(facts, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["provenance"]["seeds"] == {
        "verification": 8
    }


@pytest.mark.usefixtures("quick_figures")
def test_missing_tool_leaves_the_earlier_report(
    facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(facts, tmp_path)
    before = _stamps(tmp_path)

    def fail(progress: object) -> dict[str, Any]:
        raise UserError("yosys: is not there: apt-get install yosys")

    monkeypatch.setattr(consilico.reports.build, "summary", fail)
    with pytest.raises(UserError, match="yosys"):
        build_report(tmp_path)
    assert _stamps(tmp_path) == before


@pytest.mark.usefixtures("quick_figures")
def test_output_that_is_a_file_is_a_user_error(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(UserError, match="report"):
        write_report(facts, tmp_path / "report")
    assert (tmp_path / "report").read_text() == "mine"


def test_interactive_charts_carry_the_data_of_the_figures(facts: dict[str, Any]) -> None:
    for chart in charts(facts):
        drawn = [len(trace["x"]) for trace in figure(chart)["data"]]
        assert drawn == [len(series.x) for panel in chart.panels for series in panel.series]
        assert min(drawn) > 0


def test_a_name_in_the_legend_is_there_once_and_has_one_colour(facts: dict[str, Any]) -> None:
    several = 0
    for chart in charts(facts):
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
    chart = next(chart for chart in charts(facts) if chart.name == "energy")
    parts = chart.panels[0].series
    total = [sum(values) for values in zip(*(series.y for series in parts), strict=True)]
    assert total == pytest.approx([6.0, 3.1, 2.48, 1.5, 1.2])
