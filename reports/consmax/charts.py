"""Charts of ConSmax: error, area, path and energy of its units."""

from collections.abc import Iterable
from typing import Any

from consilico.reports.consmax.error_curve import ErrorCurve
from consilico.reports.consmax.judgements import ENERGY_CLOCK_NS, NAMES
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import NO_ACTIVITY, conditions

__all__ = ["consmax_charts"]


def consmax_charts(facts: dict[str, Any], targets: list[dict[str, Any]]) -> list[Chart]:
    """Return the section's charts; those that nothing was measured for have no series.

    Args:
        facts: From :func:`consilico.reports.consmax.section.consmax_facts`.
        targets: From :func:`consilico.reports.consmax.judgements.judge_targets`.
    """
    found, kit = facts["implementations"], facts["kit"]
    made = [
        _area_per_lane(found, kit),
        _area_delay(found, targets, kit),
        _area_breakdown(found, kit),
        _energy(found, facts["traffic"], kit),
    ]
    return [_error(facts["error_curve"]), *made] if facts["error_curve"] else made


def _error(curve: ErrorCurve) -> Chart:
    titles = {
        "log2": "log2",
        "split": "split",
        "paper": "paper's unit (truncating)",
        "rounded": "correctly rounded bf16",
    }
    colours = {"log2": "log2", "split": "split", "paper": "paper", "rounded": "c"}
    errors = curve.relative_error
    return Chart(
        name="error",
        title="Relative error over all scores",
        caption=f"Relative error of every INT8 score of one typical head ({curve.head}, "
        f"scale {curve.scale:.4g} a code, ln C {curve.log_c:.3g}), bit-exact models against "
        "exact arithmetic.",
        kind="certified",
        conditions="",
        share_y=True,
        panels=[
            Panel(
                title=titles[name],
                x_label="score (natural units)",
                y_label="relative error (%)",
                series=[
                    Series(
                        name=titles[name],
                        colour=colours[name],
                        x=curve.score,
                        y=[100 * error for error in errors[name]],
                        mark="points",
                    )
                ],
            )
            for name in ("log2", "split", "paper", "rounded")
        ],
    )


def _at_250_mhz(implementations: Iterable[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    return sorted(
        (i for i in implementations if i["clock_ns"] == 4.0 and i["source"] == source),
        key=lambda item: item["lanes"],
    )


def _area_per_lane(implementations: list[dict[str, Any]], kit: dict[str, Any]) -> Chart:
    points = _at_250_mhz(implementations, "normal")
    lanes = sorted({point["lanes"] for point in points})
    series = []
    for name in ("consmax/split", "consmax/log2"):
        own = [point for point in points if point["unit"] == name]
        series.append(
            Series(
                name=NAMES[name],
                colour=NAMES[name],
                x=[point["lanes"] for point in own],
                y=[point["result"]["area_um2"] / point["lanes"] for point in own],
            )
        )
    for point in points:
        if point["unit"] == "consmax/paper":
            area = point["result"]["area_um2"]
            series.insert(
                0,
                Series(
                    name=NAMES["consmax/paper"],
                    colour="paper",
                    x=lanes,
                    y=[area] * len(lanes),
                    dashed=True,
                ),
            )
    return Chart(
        name="area_per_lane",
        title="ConSmax: area per lane",
        caption="Area per lane against the number of lanes that share one configuration; "
        "registers, tables and flow control included.",
        kind="measured",
        conditions=conditions(kit, ENERGY_CLOCK_NS, NO_ACTIVITY),
        panels=[Panel(x_label="lanes", y_label="area per lane (µm²)", series=series, x_log=True)],
    )


def _area_delay(
    implementations: list[dict[str, Any]], targets: list[dict[str, Any]], kit: dict[str, Any]
) -> Chart:
    periods = [item["clock_ns"] for item in implementations if item["lanes"] == 1]
    clocks = f"mapped for {min(periods):g} to {max(periods):g} ns" if periods else "none"
    series = []
    for name in ("consmax/paper", "consmax/split", "consmax/log2"):
        own = [i for i in implementations if i["unit"] == name and i["lanes"] == 1]
        points = sorted(
            {
                (i["result"]["path_ns"], i["result"]["area_um2"])
                for i in own
                if i["source"] == "normal"
            }
        )
        if not points:
            continue
        series.append(
            Series(
                name=NAMES[name],
                colour="paper" if name == "consmax/paper" else NAMES[name],
                x=[path for path, _ in points],
                y=[area for _, area in points],
            )
        )
        limits = {
            row["unit"]: row["limit"]
            for row in targets
            if row["architecture"] == name and row["lanes"] == 1
        }
        if limits:
            series.append(
                Series(
                    name=f"{NAMES[name]}: target, at most",
                    colour=NAMES[name],
                    x=[limits["ns"]],
                    y=[limits["um2"]],
                    mark="limit",
                )
            )
    return Chart(
        name="area_delay",
        title="ConSmax: area against longest path",
        caption="Area against longest path, one lane: netlists mapped for different clocks. "
        "A hollow square is a target; a netlist to its lower left meets it.",
        kind="measured",
        conditions=conditions(kit, clocks, NO_ACTIVITY),
        panels=[Panel(x_label="longest path (ns)", y_label="area (µm²)", series=series)],
    )


def _area_breakdown(implementations: list[dict[str, Any]], kit: dict[str, Any]) -> Chart:
    shown = [
        point
        for point in _at_250_mhz(implementations, "normal")
        if point["lanes"] in (1, 16) or point["unit"] == "consmax/paper"
    ]
    order = ("consmax/paper", "consmax/split", "consmax/log2")
    shown.sort(key=lambda point: (order.index(point["unit"]), point["lanes"]))
    labels = [_label(point) for point in shown]
    classes = list(dict.fromkeys(k for p in shown for k in p["result"]["area_by_class_um2"]))
    series = [
        Series(
            name=kind,
            colour=colour,
            x=labels,
            y=[p["result"]["area_by_class_um2"].get(kind, 0.0) / p["lanes"] for p in shown],
            mark="bars",
        )
        for kind, colour in zip(classes, "abcd", strict=False)
    ]
    return Chart(
        name="area_breakdown",
        title="ConSmax: what the area of a lane consists of",
        caption="What the area of one lane consists of.",
        kind="measured",
        conditions=conditions(kit, ENERGY_CLOCK_NS, NO_ACTIVITY),
        panels=[Panel(x_label="", y_label="area per lane (µm²)", series=series)],
    )


def _label(point: dict[str, Any]) -> str:
    if point["unit"] == "consmax/paper":
        return "paper's unit"
    lanes = "1 lane" if point["lanes"] == 1 else f"{point['lanes']} lanes"
    return f"{NAMES[point['unit']]}, {lanes}"


def _energy(
    implementations: list[dict[str, Any]], traffic: dict[str, Any] | None, kit: dict[str, Any]
) -> Chart:
    real = "synthetic scores" if traffic and traffic["synthetic"] else "real scores"
    source = traffic["source"] if traffic else "a language model"
    activity = f"scores drawn from a clipped normal, or of {source}"
    shown, labels = [], []
    for name in ("consmax/paper", "consmax/split", "consmax/log2"):
        for source, words in (("normal", "normal draw"), ("model", real)):
            for point in _at_250_mhz(implementations, source):
                if point["unit"] == name and point["lanes"] == 1:
                    shown.append(point["result"])
                    short = "paper's unit" if name == "consmax/paper" else NAMES[name]
                    labels.append(f"{short}, {words}")
    series = [
        Series(
            name=part,
            colour=colour,
            x=labels,
            y=[r["energy_pj"] * r["power"][f"{part}_w"] / r["power"]["total_w"] for r in shown],
            mark="bars",
        )
        for part, colour in (("internal", "a"), ("switching", "b"), ("leakage", "c"))
    ]
    return Chart(
        name="energy",
        title="ConSmax: energy per result",
        caption="Energy per result, one lane.",
        kind="measured",
        conditions=conditions(kit, ENERGY_CLOCK_NS, activity),
        panels=[Panel(x_label="", y_label="energy (pJ)", series=series)],
    )
