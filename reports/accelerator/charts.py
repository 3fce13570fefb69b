"""Figures of training hardware: energy of a step by phase and cause, time next to its roofline."""

from typing import Any

from consilico.reports.accelerator.facts import TrainingHwFacts
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions

__all__ = ["training_hw_charts", "training_hw_plot"]

_CAUSES = {  # cause: key of COLOURS, in the order in which they are stacked
    "MACs": "a",
    "registers": "light a",
    "other units": "c",
    "SRAM": "b",
    "DRAM": "d",
    "leakage": "paper",
}


def training_hw_charts(facts: TrainingHwFacts) -> list[Chart]:
    """Return the charts of the section: the headline's energy and time by phase."""
    return [_energy(facts), _time(facts.answer)]


def training_hw_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico training-hw``: energy and time of each phase of a step.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    energy, time = answer["energy_j"], answer["time_s"]
    return Chart(
        name="training_hw",
        title=f"{answer['model']} with {answer['method']}: {energy['value']:.3g} J"
        f" ({energy['low']:.3g} to {energy['high']:.3g}) and {time['value']:.3g} s per step",
        caption=f"Energy and time of a training step by phase. {_words(answer)}.",
        kind="estimated",
        conditions=f"{_words(answer)}. {_where(answer)}",
        panels=[
            Panel(
                title="energy, middle of each interval", x_label="", y_label="J per step",
                series=_stacked(answer["phases"]),
            ),
            Panel(
                title="time", x_label="", y_label="s per step", series=_times(answer["phases"])
            ),
        ],
    )  # fmt: skip


def _words(answer: dict[str, Any]) -> str:
    s = answer["settings"]
    return (
        f"{answer['model']} with {answer['method']}, rank {s['rank']}, {s['batch']} x"
        f" {s['sequence']} tokens, array {s['array']}, {s['sram_kib'] / 1024:g} MiB SRAM,"
        f" {answer['dram']['title']}"
    )


def _where(answer: dict[str, Any]) -> str:
    return conditions(answer["kit"], answer["settings"]["clock_ns"], answer["kit"]["activity"])


def _energy(facts: TrainingHwFacts) -> Chart:
    answers = {
        "products in INT8 (assumption)": facts.answer,
        "products in bfloat16": facts.answer_in_bf16,
    }
    return Chart(
        name="training_hw_energy",
        title="Energy of a training step",
        caption=f"Energy of a training step by phase and cause. {_words(facts.answer)}."
        " Middle of each interval.",
        kind="estimated",
        conditions=_where(facts.answer),
        share_y=True,
        panels=[
            Panel(
                title=title,
                x_label="",
                y_label="J per step",
                series=_stacked(answer["phases"]),
            )
            for title, answer in answers.items()
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


def _times(phases: list[dict[str, Any]]) -> list[Series]:
    names = [phase["phase"] for phase in phases]
    return [
        Series(
            name="time taken", colour="light b", mark="bars", x=names,
            y=[phase["time_s"]["value"] for phase in phases],
        ),
        Series(
            name="arithmetic alone", colour="limit", mark="limit", x=names,
            y=[phase["compute_s"] for phase in phases],
        ),
        Series(
            name="DRAM alone", colour="e", x=names, y=[phase["dram_s"] for phase in phases],
            dashed=True,
        ),
    ]  # fmt: skip


def _time(answer: dict[str, Any]) -> Chart:
    return Chart(
        name="training_hw_time",
        title="Time of a training step",
        caption="Time of each phase, and what either side of the roofline alone would take."
        f" {_words(answer)}.",
        kind="estimated",
        conditions=_where(answer),
        panels=[Panel(x_label="", y_label="s per step", series=_times(answer["phases"]))],
    )
