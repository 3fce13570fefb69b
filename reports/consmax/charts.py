"""Charts of ConSmax: error, area, path and energy of its units."""

from collections.abc import Sequence

from consilico.reports.consmax.error_curve import ErrorCurve
from consilico.reports.consmax.facts import ConsmaxFacts, find, lanes_of
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS, NAMES, PAPER, TARGETS
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import NO_ACTIVITY, conditions
from consilico.reports.page.measure import KitFacts
from consilico.reports.page.traffic import AttentionScores
from consilico.sim.silicon.implementation import Implementation

__all__ = ["consmax_charts"]


_ORDER = (PAPER, "consmax/split", "consmax/log2")


def consmax_charts(facts: ConsmaxFacts) -> list[Chart]:
    """Return the section's charts; those that nothing was measured for have no series."""
    slow = find(facts.netlists, clock_ns=ENERGY_CLOCK_NS)
    made = [
        _area_per_lane(find(slow, source="normal"), facts.kit),
        _area_delay(find(facts.netlists, lanes=1, source="normal"), facts.kit),
        _area_breakdown(find(slow, source="normal"), facts.kit),
        _energy(find(slow, lanes=1), facts.scores, facts.kit),
    ]
    return [_error(facts.error_curve), *made] if facts.error_curve else made


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
        f"scale {curve.scale:.4g} per code, ln C {curve.log_c:.3g}), bit-exact models against "
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


def _area_per_lane(netlists: Sequence[Implementation], kit: KitFacts) -> Chart:
    series = [
        Series(
            name=NAMES[name],
            colour=NAMES[name],
            x=[lanes_of(it) for it in find(netlists, unit=name)],
            y=[it.area_um2 / lanes_of(it) for it in find(netlists, unit=name)],
        )
        for name in ("consmax/split", "consmax/log2")
    ]
    lanes = sorted({lanes_of(it) for it in netlists})
    for it in find(netlists, unit=PAPER):
        series.insert(
            0,
            Series(
                name=NAMES[PAPER], colour="paper", x=lanes, y=[it.area_um2] * len(lanes),
                dashed=True,
            ),
        )  # fmt: skip
    return Chart(
        name="area_per_lane",
        title="ConSmax: area per lane",
        caption="Area per lane against the number of lanes that share one configuration; "
        "registers, tables and flow control included.",
        kind="measured",
        conditions=conditions(kit, ENERGY_CLOCK_NS, NO_ACTIVITY),
        panels=[Panel(x_label="lanes", y_label="area per lane (µm²)", series=series, x_log=True)],
    )


def _area_delay(netlists: Sequence[Implementation], kit: KitFacts) -> Chart:
    periods = [it.clock_ns for it in netlists]
    clocks = f"mapped for {min(periods):g} to {max(periods):g} ns" if periods else "none"
    series = []
    for name in _ORDER:
        points = sorted({(it.path_ns, it.area_um2) for it in find(netlists, unit=name)})
        if not points:
            continue
        series.append(
            Series(
                name=NAMES[name],
                colour="paper" if name == PAPER else NAMES[name],
                x=[path for path, _ in points],
                y=[area for _, area in points],
            )
        )
        limits = {
            target.key: target.limit
            for target in TARGETS
            if target.architecture == name and target.lanes == 1
        }
        if limits:
            series.append(
                Series(
                    name=f"{NAMES[name]}: target, at most", colour=NAMES[name], mark="limit",
                    x=[limits["path_ns"]], y=[limits["area_um2"]],
                )
            )  # fmt: skip
    return Chart(
        name="area_delay",
        title="ConSmax: area against longest path",
        caption="Area against longest path, one lane: netlists mapped for different clocks. "
        "A hollow square is a target; a netlist to its lower left meets it.",
        kind="measured",
        conditions=conditions(kit, clocks, NO_ACTIVITY),
        panels=[Panel(x_label="longest path (ns)", y_label="area (µm²)", series=series)],
    )


def _area_breakdown(netlists: Sequence[Implementation], kit: KitFacts) -> Chart:
    shown = [it for name in _ORDER for it in find(netlists, unit=name) if lanes_of(it) in (1, 16)]
    labels = [_label(it) for it in shown]
    classes = list(dict.fromkeys(kind for it in shown for kind in it.area_by_class_um2))
    series = [
        Series(
            name=kind,
            colour=colour,
            x=labels,
            y=[it.area_by_class_um2.get(kind, 0.0) / lanes_of(it) for it in shown],
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


def _short(name: str) -> str:
    return "paper's unit" if name == PAPER else NAMES[name]


def _label(it: Implementation) -> str:
    lanes = lanes_of(it)
    if it.unit == PAPER:
        return _short(it.unit)
    return f"{_short(it.unit)}, {'1 lane' if lanes == 1 else f'{lanes} lanes'}"


def _energy(
    netlists: Sequence[Implementation], scores: AttentionScores | None, kit: KitFacts
) -> Chart:
    words = {"normal": "normal draw", "model": scores.words if scores else "real scores"}
    shown = [
        it for name in _ORDER for source in words for it in find(netlists, unit=name, source=source)
    ]
    labels = [f"{_short(it.unit)}, {words[it.activity.source]}" for it in shown]
    source = scores.source if scores else "a language model"
    series = [
        Series(
            name=part,
            colour=colour,
            x=labels,
            y=[
                it.energy_pj * getattr(it.power, f"{part}_w") / it.power.total_w for it in shown
            ],
            mark="bars",
        )
        for part, colour in (("internal", "a"), ("switching", "b"), ("leakage", "c"))
    ]  # fmt: skip
    return Chart(
        name="energy",
        title="ConSmax: energy per result",
        caption="Energy per result, one lane.",
        kind="measured",
        conditions=conditions(
            kit, ENERGY_CLOCK_NS, f"scores drawn from a clipped normal, or of {source}"
        ),
        panels=[Panel(x_label="", y_label="energy (pJ)", series=series)],
    )
