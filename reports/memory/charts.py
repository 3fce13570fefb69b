"""Figures of the memory ledger: what lives at the peak, and through a step."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilico.reports.chart import Chart, Panel, Series

__all__ = ["at_peak", "memory_charts", "through_step", "what_fits", "write_figures"]

_CONTEXT = "driver and CUDA context (assumed)"

_COLOURS = {  # kind: key of consilico.reports.chart.COLOURS, in the order in which they are stacked
    "weights": "a",
    "quantization constants": "light a",
    "adapters": "e",
    "projections": "c",
    "optimizer states": "b",
    "gradients": "d",
    "key and value cache": "f",
    "activations": "paper",
    "transients": "f",
    _CONTEXT: "light paper",
}


def memory_charts(memory: dict[str, Any]) -> list[Chart]:
    """Those of the report.

    Args:
        memory: From :func:`consilico.reports.memory.facts.memory_facts`.
    """
    run, card = memory["headline"], memory["card"]
    context = sum(
        part["bytes"] for part in run["outside"] if part["name"] == "driver and CUDA context"
    )
    settings = run["settings"]
    kept = "no" if settings["checkpointing"] == "none" else settings["checkpointing"]
    words = (
        f"{run['model']}, batch {settings['batch']} x {settings['sequence']} tokens, "
        f"{kept} checkpointing"
    )
    bars = [(bar["label"], bar["kinds"] | {_CONTEXT: context}) for bar in memory["bars"]]
    peaks = at_peak([(label, kinds, card["bytes"]) for label, kinds in bars])
    return [
        replace(
            peaks,
            caption=f"What lives at the peak of a training step, by method: {words}, per-layer "
            f"update. Dashed: all memory of one {card['title']}. Without allocator slack.",
        ),
        replace(
            through_step(memory["timeline"]),
            caption=f"Through a step of {run['method']}: {words}. Blocks forward, loss, blocks "
            "backward; each bar is the most of its part. Tensors alone.",
        ),
    ]


def at_peak(bars: Sequence[tuple[str, dict[str, int], int | None]]) -> Chart:
    """Bytes at the peak by kind, a bar for each run.

    Args:
        bars: Label, bytes of each kind, and the memory there is or None: a mark above the bar, or
            a line above all bars where they have the same.
    """
    names = [label for label, _, _ in bars]
    series = [
        Series(
            name=kind, colour=colour, mark="bars", x=names,
            y=[kinds.get(kind, 0) / 1e9 for _, kinds, _ in bars],
        )
        for kind, colour in _COLOURS.items()
        if any(kinds.get(kind) for _, kinds, _ in bars)
    ]  # fmt: skip
    room = [(label, size) for label, _, size in bars if size]
    if room:
        line = len(room) == len(bars) > 1 and len({size for _, size in room}) == 1
        series.append(
            Series(
                name="memory of the GPU", colour="limit", x=[label for label, _ in room],
                y=[size / 1e9 for _, size in room], mark="line" if line else "limit", dashed=line,
            )
        )  # fmt: skip
    panel = Panel(x_label="", y_label="GB (1e9 bytes) at the peak", series=series)
    return Chart(
        name="memory_peak",
        caption="What lives on the GPU at the peak of a training step.",
        kind="counted",
        conditions="",
        panels=[panel],
    )


def through_step(parts: Sequence[dict[str, Any]]) -> Chart:
    """Bytes by kind through a step: each block forward, the loss, each block backward, update."""
    x = list(range(len(parts)))
    series = [
        Series(
            name=kind, colour=colour, mark="bars", x=x,
            y=[part["kinds"].get(kind, 0) / 1e9 for part in parts],
        )
        for kind, colour in _COLOURS.items()
        if any(part["kinds"].get(kind) for part in parts)
    ]  # fmt: skip
    peak = max(range(len(parts)), key=lambda index: parts[index]["bytes"])
    label = f"peak: {parts[peak]['part']}"
    series.append(
        Series(name=label, colour="limit", x=[peak], y=[parts[peak]["bytes"] / 1e9], mark="limit")
    )
    return Chart(
        name="memory_step",
        caption="What lives on the GPU through a training step: blocks forward, loss, blocks"
        " backward, update. Each bar is the most of its part.",
        kind="counted",
        conditions="",
        panels=[Panel(x_label="", y_label="GB (1e9 bytes)", series=series, x_names=_names(parts))],
    )


def _names(parts: Sequence[dict[str, Any]]) -> dict[float, str]:
    """The phases of a step, each in the middle of its parts."""
    places: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        phase = part["part"].split(",")[0]
        words = "loss" if phase == "loss" else phase
        places.setdefault(words, []).append(index)
    return {sum(found) / len(found): name for name, found in places.items()}


def what_fits(result: dict[str, Any]) -> bytes:
    """PNG of the largest batch that fits: methods down, memories across, a block for each length.

    Args:
        result: Of ``consilico memory-sweep``.
    """
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    memories = list(result["memories"])
    lengths = sorted({row["sequence"] for row in result["rows"]})
    methods = list(dict.fromkeys((row["method"], row["rank"]) for row in result["rows"]))
    found = {(row["method"], row["rank"], row["sequence"]): row for row in result["rows"]}
    top = max(max(row["largest_batch"].values()) for row in result["rows"])
    figure = Figure(
        figsize=(1.8 + 3.4 * len(lengths), 1.2 + 0.24 * len(methods)), dpi=150,
        layout="constrained",
    )  # fmt: skip
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(lengths), sharey=True, squeeze=False)[0]
    for ax, length in zip(axes, lengths, strict=True):
        cells = [
            [found[(*method, length)]["largest_batch"][name] for name in memories]
            for method in methods
        ]
        shades = [[float(size) or float("nan") for size in row] for row in cells]
        ax.imshow(shades, cmap="Blues", norm=LogNorm(0.4, max(2, 2 * top)), aspect="auto")
        for y, row in enumerate(cells):
            for x, size in enumerate(row):
                dark = size > top / 4
                ax.text(
                    x, y, size or "-", ha="center", va="center", fontsize=7,
                    color="white" if dark else "#222222" if size else "#b0b0b0",
                )  # fmt: skip
        ax.set_xticks(range(len(memories)), memories, fontsize=7)
        labels = [f"{name}, rank {rank}" if rank else name for name, rank in methods]
        ax.set_yticks(range(len(methods)), labels, fontsize=7)
        ax.set_title(f"{length} tokens", fontsize=9)
        ax.tick_params(length=0)
        for side in ax.spines.values():
            side.set_visible(False)
    figure.suptitle(f"{result['model']}: largest batch that fits (-: none)", fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def write_figures(result: dict[str, Any], parts: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write ``memory_peak.png`` and ``memory_step.png``.

    Args:
        result: From :func:`consilico.sim.memory.query.answer`.
        parts: From :func:`consilico.sim.memory.query.timeline`.
        folder: Made where it is missing.

    Raises:
        UserError: If a file cannot be written; earlier ones stay.
    """
    from consilico.reports.png_charts import png
    from consilico.sim.base.results import write_atomic

    kinds: dict[str, int] = {}
    for entry in result["ledger"]:
        if entry["live"]:
            kind = entry["kind"].split(":")[0]
            kinds[kind] = kinds.get(kind, 0) + entry["bytes"]
    label = f"{result['model']}, {result['method']}"
    for chart in (at_peak([(label, kinds, result.get("memory_bytes"))]), through_step(parts)):
        write_atomic(folder / f"{chart.name}.png", png(chart))
