"""Figures of training hardware: energy of a step by phase and cause, time beside its roofline."""

from typing import Any

from consilico.reports.chart import Chart, Panel, Series
from consilico.reports.conditions import conditions

__all__ = ["training_hw_charts"]

_CAUSES = {  # cause: key of consilico.reports.chart.COLOURS, in the order in which they are stacked
    "MACs": "a",
    "registers": "light a",
    "other units": "c",
    "SRAM": "b",
    "DRAM": "d",
    "leakage": "paper",
}


def training_hw_charts(facts: dict[str, Any]) -> list[Chart]:
    """Those of the report.

    Args:
        facts: From :func:`consilico.reports.accelerator.facts.training_hw_facts`.
    """
    return [_energy(facts), _time(facts["headline"])]


def _words(answer: dict[str, Any]) -> str:
    s = answer["settings"]
    return (
        f"{answer['model']} with {answer['method']}, rank {s['rank']}, {s['batch']} x"
        f" {s['sequence']} tokens, array {s['array']}, {s['sram_kib'] / 1024:g} MiB SRAM,"
        f" {answer['dram']['title']}"
    )


def _where(answer: dict[str, Any]) -> str:
    return conditions(answer["kit"], answer["settings"]["clock_ns"], answer["kit"]["activity"])


def _energy(facts: dict[str, Any]) -> Chart:
    titles = (("headline", "products in INT8 (assumption)"), ("float", "products in bfloat16"))
    return Chart(
        name="training_hw_energy",
        caption=f"Energy of a training step by phase and cause. {_words(facts['headline'])}."
        " Middle of each interval.",
        kind="estimated",
        conditions=_where(facts["headline"]),
        share_y=True,
        panels=[
            Panel(
                title=title,
                x_label="",
                y_label="J a step",
                series=_stacked(facts[key]["phases"]),
            )
            for key, title in titles
        ],
    )


def _stacked(phases: list[dict[str, Any]]) -> list[Series]:
    names = [phase["phase"] for phase in phases]
    return [
        Series(
            name=cause,
            colour=colour,
            mark="bars",
            x=names,
            y=[phase["energy_j"][cause]["value"] for phase in phases],
        )
        for cause, colour in _CAUSES.items()
    ]


def _time(answer: dict[str, Any]) -> Chart:
    phases = answer["phases"]
    names = [phase["phase"] for phase in phases]
    series = [
        Series(
            name="taken", colour="light a", mark="bars", x=names,
            y=[phase["time_s"]["value"] for phase in phases],
        ),
        Series(
            name="arithmetic alone", colour="limit", mark="limit", x=names,
            y=[phase["compute_s"] for phase in phases],
        ),
        Series(
            name="DRAM alone", colour="d", x=names, y=[phase["dram_s"] for phase in phases],
            dashed=True,
        ),
    ]  # fmt: skip
    return Chart(
        name="training_hw_time",
        caption="Time of each phase, and what either side of the roofline alone would take."
        f" {_words(answer)}.",
        kind="estimated",
        conditions=_where(answer),
        panels=[Panel(x_label="", y_label="s a step", series=series)],
    )
