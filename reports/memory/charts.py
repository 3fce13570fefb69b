"""Charts of the memory ledger: what lives at the peak, through a step, and what fits where."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from consilico.reports.memory.facts import MemoryFacts
from consilico.reports.page.chart import Chart, Grid, LimitLine, Panel, Series
from consilico.sim.memory.ledger import StepPart

__all__ = ["memory_charts", "memory_plot", "memory_sweep_plot"]

_CONTEXT = "driver and CUDA context (assumed)"
_SLACK = "allocator's fragmentation (estimated)"

_NAME = 1 / 16  # of the memory: lines that are closer would have their names over one another
_CROWDED = 1 / 8  # of a step: names of phases that are closer share a place

_COLOURS = {  # kind: key of COLOURS, in the order in which they are stacked
    "weights": "a",
    "quantization constants": "light a",
    "adapters": "e",
    "projections": "c",
    "optimizer states": "b",
    "gradients": "d",
    "key and value cache": "c",
    "activations": "paper",
    "transients": "f",
    _CONTEXT: "light paper",
    _SLACK: "light b",
}


def memory_charts(memory: MemoryFacts) -> list[Chart]:
    """Return the section's charts: the peak of several methods, and one step through its parts."""
    run, card = memory.headline, memory.card
    context = sum(
        part["bytes"] for part in run["outside"] if part["name"] == "driver and CUDA context"
    )
    settings = run["settings"]
    kept = "no" if settings["checkpointing"] == "none" else settings["checkpointing"]
    words = (
        f"{run['model']}, batch {settings['batch']} x {settings['sequence']} tokens, "
        f"{kept} checkpointing"
    )
    bars = [(bar.label, bar.kinds | {_CONTEXT: context}) for bar in memory.bars]
    limit = LimitLine(name=f"all memory of one {card.title}", y=card.bytes / 1e9)
    return [
        Chart(
            name="memory_peak",
            title="Memory at the peak of a training step, by method",
            caption=f"What lives at the peak of a training step, by method: {words}, per-layer "
            f"update. Dashed: all memory of one {card.title}. Without allocator slack.",
            kind="counted",
            panels=[_at_peak(bars, _kinds(kinds for _, kinds in bars), [limit])],
        ),
        Chart(
            name="memory_step",
            title=f"Memory through a training step: {run['method']}",
            caption=f"Through a step of {run['method']}: {words}. Blocks forward, loss, blocks "
            "backward; each bar is the most of its part. Tensors alone.",
            kind="counted",
            panels=[
                _through_step(memory.timeline, _kinds(part.kinds for part in memory.timeline), [])
            ],
        ),
    ]


def memory_plot(answer: Mapping[str, Any], parts: Sequence[StepPart]) -> Chart:
    """Chart one answer of ``consilico memory``: what lives at the peak, and through a step.

    Args:
        answer: The answer as ``--json`` writes it. Where it names a memory, that is a line.
        parts: Parts of the step, from :func:`consilico.sim.memory.ledger.timeline`.
    """
    kinds: dict[str, int] = {}
    for entry in answer["ledger"]:
        if entry["live"]:
            kind = entry["kind"].split(":")[0]
            kinds[kind] = kinds.get(kind, 0) + entry["bytes"]
    for part in answer["outside"]:
        name = f"{part['name']} ({part['basis']})"
        kinds[name] = kinds.get(name, 0) + part["bytes"]
    limits, margin, verdict = [], [], ""
    if answer.get("memory_bytes"):
        size, needed = answer["memory_bytes"] / 1e9, answer["needed_bytes"]
        low, high = needed["low"] / 1e9, needed["high"] / 1e9
        close = abs(high - size) < _NAME * size  # the name of the lower line is below it
        limits = [
            LimitLine(
                name=f"memory of {answer['gpu']}: {size:.1f} GB", y=size,
                below=close and size < high,
            )
        ]  # fmt: skip
        margin = [
            LimitLine(
                name=f"needed at most: {high:.2f} GB", y=high, weak=True,
                below=close and high <= size,
            ),
            LimitLine(name=f"at least: {low:.2f} GB", y=low, weak=True, below=True),
        ]  # fmt: skip
        verdict = f", {answer['verdict']}"
    settings = answer["settings"]
    both = _kinds([kinds, *(part.kinds for part in parts)])  # one legend, in the order of stacking
    unnamed = [replace(limit, name="") for limit in (*margin, *limits)]
    return Chart(
        name="memory",
        title=f"{answer['model']}, {answer['method']}, batch {settings['batch']} x"
        f" {settings['sequence']} tokens: peak {answer['peak_bytes'] / 1e9:.2f} GB{verdict}",
        caption="What lives on the GPU at the peak of a training step, with what is not tensors,"
        " and the tensors through the step: each bar is the most of its part.",
        kind="counted",
        conditions=f"Peak at: {answer['peak_at']}",
        share_y=True,
        panels=[
            replace(_at_peak([("at the peak", kinds)], both, unnamed), named_bars=True),
            _through_step(parts, both, [*margin, *limits]),
        ],
    )


def memory_sweep_plot(answer: Mapping[str, Any]) -> Chart:
    """Chart the largest batch that fits: methods down, memories across, a panel per length.

    Args:
        answer: The answer of ``consilico memory-sweep`` as ``--json`` writes it.
    """
    memories = list(answer["memories"])
    lengths = sorted({row["sequence"] for row in answer["rows"]})
    every = list(dict.fromkeys((row["method"], row["rank"]) for row in answer["rows"]))
    fits = {
        (row["method"], row["rank"]) for row in answer["rows"] if any(row["largest_batch"].values())
    }
    methods = [method for method in every if method in fits] or every
    nowhere = ", ".join(name for name, rank in every if (name, rank) not in methods)
    found = {(row["method"], row["rank"], row["sequence"]): row for row in answer["rows"]}
    names = [f"{name}, rank {rank}" if rank else name for name, rank in methods]
    return Chart(
        name="memory_sweep",
        title=f"{answer['model']}: largest batch that fits",
        caption="Largest batch that fits, by method, length and memory of the GPU.",
        kind="counted",
        conditions=f"-: none fits; {answer['largest_batch_tried']}: the largest that was tried"
        + (f"; nothing fits anywhere: {nowhere}" if nowhere else ""),
        panels=[
            Panel(
                title=f"{length:,} tokens",
                grid=Grid(
                    row_names=names,
                    column_names=memories,
                    cells=[
                        [found[(*method, length)]["largest_batch"][name] for name in memories]
                        for method in methods
                    ],
                ),
            )
            for length in lengths
        ],
    )


def _at_peak(
    bars: Sequence[tuple[str, Mapping[str, int]]],
    shown: Sequence[tuple[str, str]],
    limits: Sequence[LimitLine],
) -> Panel:
    """Stack the bytes at the peak by kind, one bar per run; each has a label and its kinds."""
    names = [label for label, _ in bars]
    series = [
        Series(
            name=kind, colour=colour, mark="bars", x=names,
            y=[kinds.get(kind, 0) / 1e9 for _, kinds in bars],
        )
        for kind, colour in shown
    ]  # fmt: skip
    return Panel(x_label="", y_label="GB (1e9 bytes)", series=series, limits=limits)


def _through_step(
    parts: Sequence[StepPart], shown: Sequence[tuple[str, str]], limits: Sequence[LimitLine]
) -> Panel:
    """Stack the bytes by kind through a step: blocks forward, loss, blocks backward, update."""
    x = list(range(len(parts)))
    series = [
        Series(
            name=kind, colour=colour, mark="bars", x=x,
            y=[part.kinds.get(kind, 0) / 1e9 for part in parts],
        )
        for kind, colour in shown
    ]  # fmt: skip
    peak = max(x, key=lambda index: parts[index].bytes)
    series.append(
        Series(
            name=f"peak: {parts[peak].part}", colour="limit", mark="limit", x=[peak],
            y=[parts[peak].bytes / 1e9],
        )
    )  # fmt: skip
    return Panel(
        x_label="parts of a step", y_label="GB (1e9 bytes)", series=series, limits=limits,
        x_names=_phases(parts),
    )  # fmt: skip


def _kinds(found: Iterable[Mapping[str, int]]) -> list[tuple[str, str]]:
    """Return the kinds that hold anything, with their colours, in the order they are stacked."""
    there = {kind for kinds in found for kind, size in kinds.items() if size}
    ordered = [kind for kind in _COLOURS if kind in there]
    return [(kind, _COLOURS.get(kind, "e")) for kind in (*ordered, *sorted(there - set(ordered)))]


def _phases(parts: Sequence[StepPart]) -> dict[float, str]:
    """Name the phases of a step, each in the middle of its parts.

    A phase that is too close to the one before, such as a new subspace after the update, is named
    below it.
    """
    places: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        places.setdefault(part.part.split(",")[0], []).append(index)
    named: dict[float, str] = {}
    for name, found in places.items():
        middle = sum(found) / len(found)
        before = max(named, default=-math.inf)
        if middle - before < _CROWDED * len(parts):
            named[before] += f", {name}"
        else:
            named[middle] = name
    return named
