"""Charts of single answers: what they show, and that nothing of it is cut by the frame."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilico.reports import plots
from consilico.reports.page.chart import (
    Chart,
    LimitLine,
    Panel,
    Series,
    named_parts,
    rows_of,
    top_of,
)
from consilico.reports.page.plotly_charts import figure
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories.cost import buffer_costs
from consilico.sim.estimate.nodes.prediction import scale_figures
from consilico.sim.estimate.nodes.scaling import technology
from consilico.sim.memory.ledger import StepPart


def _json(answer: Any) -> Any:
    return answer if isinstance(answer, dict) else answer.to_json()


def _panel(**more: Any) -> Panel:
    series = [Series(name="area", colour="a", mark="bars", x=["a", "b"], y=[1.0, 2.0])]
    return Panel(**({"x_label": "", "y_label": "µm²", "series": series} | more))


def _chart(*panels: Panel) -> Chart:
    return Chart(
        name="it", title="What <it> is", caption="A caption.", kind="measured", panels=panels
    )


def _names(panel: Any) -> list[str]:
    return [series.name for series in panel.series]


MEMORY: dict[str, Any] = {
    "model": "llama-7b", "method": "AdamW", "settings": {"batch": 2, "sequence": 256},
    "peak_bytes": 5 * 10**9, "peak_at": "loss", "gpu": "a card", "memory_bytes": 8 * 10**9,
    "needed_bytes": {"low": 6 * 10**9, "value": 7 * 10**9, "high": 9 * 10**9}, "verdict": "tight",
    "outside": [{"name": "driver and CUDA context", "bytes": 10**9, "basis": "assumed"}],
    "ledger": [
        {"name": "w", "kind": "weights", "bytes": 3 * 10**9, "live": True},
        {"name": "a", "kind": "activations: block 1", "bytes": 2 * 10**9, "live": True},
        {"name": "g", "kind": "gradients", "bytes": 10**9, "live": False},
    ],
}  # fmt: skip
PARTS = [
    StepPart(part="forward, block 1 of 1", bytes=4 * 10**9, kinds={"weights": 4 * 10**9}),
    StepPart(part="loss", bytes=5 * 10**9, kinds={"weights": 5 * 10**9}),
]


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".HTML", b"<!DOCTYPE html>")],
)
def test_the_ending_chooses_the_format(tmp_path: Path, ending: str, start: bytes) -> None:
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    for path in (first, second):
        plots.save_plot(_chart(_panel()), path)
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["plot", "plot.jpg", "plot.png.gz"])
def test_another_ending_is_refused_with_what_is_accepted(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"must be one of \.png, \.svg, \.pdf, \.html"):
        plots.save_plot(_chart(_panel()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_html_plot_needs_no_network_and_escapes_names(tmp_path: Path) -> None:
    plots.save_plot(_chart(_panel()), tmp_path / "it.html")
    text = (tmp_path / "it.html").read_text()
    assert "<title>What &lt;it&gt; is</title>" in text
    assert 'src="http' not in text


def test_stacked_bars_markers_error_bars_and_limits_stay_inside_the_frame() -> None:
    bars = [
        Series(name=name, colour="a", mark="bars", x=["a"], y=[y], low=[y], high=[y + more])
        for name, y, more in (("one", 3.0, 0.0), ("two", 4.0, 1.0))
    ]
    for panel, highest in (
        (_panel(series=bars), 7.0),
        (_panel(series=bars, limits=[LimitLine(name="all there is", y=9.0)]), 9.0),
        (_panel(series=[Series(name="peak", colour="limit", mark="limit", x=[0], y=[5.0])]), 5.0),
    ):
        top = top_of(panel)
        assert top is not None
        assert top >= 1.05 * highest
        assert figure(_chart(panel))["layout"]["yaxis"]["range"] == [0, top]


@pytest.mark.parametrize(
    ("high", "below"), [(7.8, [True, True, False]), (8.2, [False, True, True])]
)
def test_names_of_lines_that_are_close_are_on_either_side(high: float, below: list[bool]) -> None:
    needed = MEMORY["needed_bytes"] | {"high": high * 1e9}
    _, step = plots.memory_plot(MEMORY | {"needed_bytes": needed}, PARTS).panels
    assert [limit.below for limit in step.limits] == below  # at most, at least, the memory


def test_values_below_zero_leave_the_axis_its_own_ends() -> None:
    series = [Series(name="error", colour="a", mark="limit", x=["a"], y=[0.0], low=[-5], high=[5])]
    assert top_of(_panel(series=series)) is None


def test_memory_is_drawn_at_the_peak_and_through_the_step_below_its_limit() -> None:
    peak, step = plots.memory_plot(MEMORY, PARTS).panels
    kinds = {series.name: list(series.y) for series in peak.series}
    assert kinds == {
        "weights": [3.0], "activations": [2.0], "driver and CUDA context (assumed)": [1.0],
    }  # fmt: skip
    assert [(limit.name, limit.y) for limit in step.limits] == [
        ("needed at most: 9.00 GB", 9.0),
        ("at least: 6.00 GB", 6.0),
        ("memory of a card: 8.0 GB", 8.0),
    ]
    assert [limit.y for limit in peak.limits] == [9.0, 6.0, 8.0]
    assert [limit.below for limit in step.limits] == [False, True, False]
    assert top_of(step) == pytest.approx(1.08 * 9)  # nothing of the margin is cut
    (mark,) = (series for series in step.series if series.mark == "limit")
    assert (mark.name, list(mark.x), list(mark.y)) == ("peak: loss", [1], [5.0])


def test_memory_says_in_its_title_what_it_is_of_and_names_what_lives_at_the_peak() -> None:
    chart = plots.memory_plot(MEMORY, PARTS)
    assert chart.title == "llama-7b, AdamW, batch 2 x 256 tokens: peak 5.00 GB, tight"
    peak, step = chart.panels
    assert named_parts(peak) == {
        "weights": "weights 3.00", "activations": "activations 2.00",
        "driver and CUDA context (assumed)": "driver and CUDA context (assumed) 1.00",
    }  # fmt: skip
    assert named_parts(step) == {}
    low = replace(peak, series=[*peak.series, replace(peak.series[0], name="thin", y=[0.01])])
    assert "thin" not in named_parts(low)


def _sweep(lengths: int, memories: int) -> Chart:
    names = [f"{size} GiB" for size in range(memories)]
    rows = [
        {"method": method, "rank": 0, "sequence": 512 * (1 + number),
         "largest_batch": dict.fromkeys(names, 0 if method == "adamw" else 3)}
        for method in ("adamw", "lora") for number in range(lengths)
    ]  # fmt: skip
    answer = {"model": "m", "memories": dict.fromkeys(names, 1), "largest_batch_tried": 9}
    return plots.memory_sweep_plot({**answer, "rows": rows})


def test_a_table_of_eight_lengths_wraps_and_stays_readable(tmp_path: Path) -> None:
    chart = _sweep(8, 6)
    assert [len(row) for row in rows_of(chart)] == [3, 3, 2]
    plots.save_plot(chart, tmp_path / "fits.png")
    width = int.from_bytes((tmp_path / "fits.png").read_bytes()[16:20], "big")
    assert width < 2000
    domains = {tuple(figure(chart)["layout"][f"yaxis{n}"]["domain"]) for n in ("2", "5", "8")}
    assert len(domains) == 3


def test_a_table_leaves_out_what_fits_nowhere_and_says_so() -> None:
    chart = _sweep(1, 2)
    (panel,) = chart.panels
    assert panel.grid is not None
    assert list(panel.grid.row_names) == ["lora"]
    assert chart.conditions.endswith("nothing fits anywhere: adamw")


def test_memory_without_a_gpu_has_no_limit() -> None:
    answer = {key: value for key, value in MEMORY.items() if key not in ("gpu", "memory_bytes")}
    assert [list(panel.limits) for panel in plots.memory_plot(answer, PARTS).panels] == [[], []]


def test_a_sweep_joins_its_pareto_points_and_shows_the_others() -> None:
    points = [
        {"clock_ns": 4.0, "path_ns": 1.2, "area_um2": 1000.0, "tried": {}},
        {"clock_ns": 1.0, "path_ns": 0.9, "area_um2": 1500.0,
         "tried": {"area": {"path_ns": 1.3, "area_um2": 1100.0}}},
    ]  # fmt: skip
    answer = {
        "unit": "u", "pdk": "k", "corner": "c", "voltage_v": 1.0, "points": points,
        "pareto": points, "fastest": {"clock_ns": 0.9, "area_um2": 1500.0},
    }  # fmt: skip
    (panel,) = plots.sweep_plot(answer).panels
    best, others, fastest = panel.series
    assert (list(best.x), list(best.y), best.mark) == ([0.9, 1.2], [1500.0, 1000.0], "line")
    assert (list(others.x), list(others.y), others.mark) == ([1.3], [1100.0], "points")
    assert (list(fastest.x), fastest.mark) == ([0.9], "limit")


def test_area_by_module_adds_up_to_the_whole() -> None:
    inner = {f"lane{index}": 10.0 + index for index in range(20)}
    answer = {
        "unit": "u", "pdk": "k", "corner": "c", "voltage_v": 1.0, "clock_ns": 4.0,
        "area_um2": 500.0, "path_ns": 1.0, "operation": "MAC",
        "energy_per_operation_pj": 2.0, "activity": {"source": "normal"},
        "area_by_module_um2": {"top": 600.0, **inner, "lane0/adder": 3.0},
        "area_by_purpose_um2": {"registers": 200.0, "rest": 400.0},
        "area_of_modules_kept_um2": 600.0, "rung": "layout",
    }  # fmt: skip
    modules, purposes = plots.implement_plot(answer).panels
    (bars,) = modules.series
    assert sum(bars.y) == pytest.approx(600.0)
    assert next(iter(bars.x)) == "lane19"
    assert list(bars.x)[-2:] == ["8 more modules", "outside of modules"]
    assert list(purposes.series[0].y) == [200.0, 400.0]


def test_estimates_are_drawn_with_their_intervals() -> None:
    from consilico.sim.estimate.operators.estimate import estimate
    from consilico.sim.units.catalogue import find_unit

    unit = find_unit("consmax/log2")
    answer = _json(estimate(unit, unit.config(), "nangate45", "normal", None))
    (panel,) = plots.estimate_plot(answer).panels
    (series,) = panel.series
    area = answer["area_um2"]
    assert str(series.x[0]).startswith(f"area, {area['value']:,.4g} µm²")
    assert series.low[0] == pytest.approx(100 * (area["low"] / area["value"] - 1))
    assert series.high[0] == pytest.approx(100 * (area["high"] / area["value"] - 1))
    assert all(low < 0 < high for low, high in zip(series.low, series.high, strict=True))


def test_buffers_of_one_size_are_drawn_by_kind() -> None:
    buffers = _json(buffer_costs(64, 32, "nangate45", "1rw"))["buffers"]
    chart = plots.buffer_plot(buffers)
    for panel in chart.panels:
        (bars,) = panel.series
        assert [str(x).split(",")[0] for x in bars.x] == ["flop", "latch", "sram"]
        assert all(a <= y <= b for a, y, b in zip(bars.low, bars.y, bars.high, strict=True))


def test_scaled_figures_stand_next_to_what_was_given() -> None:
    answer = _json(
        scale_figures(
            technology("nangate45"), technology("22nm"), {"area_um2": 1000.0, "delay_ns": 1.0}
        )
    )
    area, delay = plots.scale_plot(answer).panels
    assert list(area.series[0].y) == [1000.0, answer["area_um2"]["value"]]
    assert list(delay.series[1].low) == [answer["delay_ns"]["by_our_units"]["low"]]


def test_power_over_time_is_drawn_where_windows_were_asked_for() -> None:
    part = {"internal_w": 1e-3, "switching_w": 2e-3, "leakage_w": 0.0, "total_w": 3e-3}
    half = {name: value / 2 for name, value in part.items()}
    answer = {
        "total_w": 3e-3, "by_class": {"sequential": part}, "by_module": {"top": part, "lane": half},
    }  # fmt: skip
    by_class, by_module = plots.power_plot(answer, "top", "somewhere").panels
    assert [list(series.y) for series in by_class.series] == [[1.0], [2.0], [0.0]]
    assert list(by_module.series[0].x) == ["outside of modules", "lane"]
    assert list(by_module.series[0].y) == pytest.approx([0.5, 0.5])
    profile = {
        "window_s": 1e-8, "start_s": [0.0, 1e-8], "recorded_s": [1e-8, 1e-8],
        "power_w": [2e-3, 4e-3], "peak": {"start_s": 1e-8, "power_w": 4e-3},
    }  # fmt: skip
    *_, over_time = plots.power_plot(answer | {"profile": profile}, "top", "somewhere").panels
    assert _names(over_time) == ["windows of 10 ns", "mean", "peak window"]
    assert list(over_time.series[0].x) == pytest.approx([5.0, 15.0])


def test_phases_of_a_step_too_short_for_their_names_share_a_place() -> None:
    names = [*(f"forward, block {block} of 40" for block in range(40)), "update", "new subspace"]
    parts = [StepPart(part=name, bytes=10**9, kinds={"weights": 10**9}) for name in names]
    _, step = plots.memory_plot(MEMORY, parts).panels
    assert step.x_names == {19.5: "forward", 40.0: "update, new subspace"}
    texts = figure(_chart(step))["layout"]["xaxis"]["ticktext"]
    assert texts == ["forward", "update<br>new subspace"]


def test_a_kind_that_is_not_alive_at_the_peak_keeps_its_place_in_the_legend() -> None:
    parts = [StepPart(part="loss", bytes=2 * 10**9, kinds={"gradients": 10**9, "weights": 10**9})]
    peak, step = plots.memory_plot(MEMORY, parts).panels
    assert _names(peak) == _names(step)[:-1]
    assert _names(peak).index("gradients") < _names(peak).index("activations")
