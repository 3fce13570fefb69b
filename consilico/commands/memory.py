"""Define ``consilico memory``: the memory that a training run takes, tensor by tensor."""

import csv
import io
from typing import Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    PlotOption,
    emit,
    one_standard_output,
    print_table,
    write_text,
)
from consilico.commands.run_options import with_settings

__all__ = ["memory"]

_COLUMNS = ("kind", "tensors", "type", "GB", "GiB")
_FEW = 4  # tensors that do not live at the peak and are named all the same


@with_settings
def memory(
    model: Annotated[
        str, typer.Option(help="Name of a built-in model, or path of a Hugging Face config.json.")
    ],
    method: Annotated[
        str | None, typer.Option(help="Training method.", show_default="adamw, or the recipe's")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="What a framework does when its documentation is followed: hf-trainer, hf-qlora,"
            " trl-lora, litgpt, torchtune, axolotl, unsloth, llama-factory, galore or q-galore."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="ledger: the step is counted; execute: the real Hugging Face model runs it on"
            " tensors without data (extra hf), any that transformers knows."
        ),
    ] = "ledger",
    gpu: Annotated[str | None, typer.Option(help="Name of the GPU that the run is to fit.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory that it is to fit instead, such as '16 GiB'.")
    ] = None,
    csv_path: Annotated[
        str | None, typer.Option("--csv", metavar="PATH", help="Write the ledger as CSV.")
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
    **given: Any,
) -> None:
    """Show what a training run holds on a GPU, tensor by tensor, and whether it fits."""
    run = api.training_run(model, method, recipe=recipe, engine=engine, **given)
    one_standard_output(csv=csv_path, json=json_path)
    found = api.memory(run, gpu=gpu, memory=memory, engine=engine)
    result = found.to_json()
    if csv_path is not None:
        write_text(csv_path, _csv(result))
    if plot is not None:
        from consilico.reports.plots import memory_plot, save_plot

        save_plot(memory_plot(result, found.timeline()), plot)
    emit("memory/1", result, json_path, lambda: None if csv_path == "-" else _show(result))


def _csv(result: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ("name", "kind", "dtype", "bytes", "live"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(result["ledger"])
    return text.getvalue()


def _show(result: dict[str, Any]) -> None:
    from consilico.sim.memory.gpus import format_bytes

    settings = result["settings"]
    title = (
        f"{result['model']} ({result['parameters']:,} parameters), {result['method']}, batch"
        f" {settings['batch']}, {settings['sequence']} tokens"
    )
    print_table(f"{title}: what lives at the peak", _COLUMNS, _lines(result), (3, 4))
    gone = sorted((e for e in result["ledger"] if not e["live"]), key=lambda e: -e["bytes"])
    if gone:
        names = "; ".join(f"{e['name']} {format_bytes(e['bytes'])}" for e in gone[:_FEW])
        more = f"; {len(gone) - _FEW} more" if len(gone) > _FEW else ""
        print(f"Not then   {names}{more}")
    print(f"Peak       {format_bytes(result['peak_bytes'])}, at: {result['peak_at']}")
    print(f"All along  {format_bytes(result['persistent_bytes'])}")
    for item in result["outside"]:
        print(
            f"Outside    {format_bytes(item['bytes'])} {item['name']} ({item['basis']};"
            f" {item['low_bytes'] / 1e9:.2f} to {item['high_bytes'] / 1e9:.2f} GB)"
        )
    if result["engine"] != "ledger":
        print(f"Basis      {result['basis']}")
    for note in result["notes"]:
        print(f"Note       {note}")
    error = result["error"]
    if error is None:
        print(f"Error      no measured run like this ({result['class']})")
    else:
        print(
            f"Error      median {error['median_pct']:.1f} %, worst {error['worst_pct']:.1f} % on"
            f" {_runs(error['runs'])} of {error['class']}"
        )
    if result["recipe"] is not None:
        _show_recipe(result["recipe"])
    if "fits" in result:
        _show_fit(result)
    if "time" in result:
        time = result["time"]
        parts = ", ".join(
            f"{n} {s:.3g} s" for n, s in time["parts_s"].items() if s and n != "total"
        )
        print(
            f"Step       {time['step_s']:.3g} s, {time['tokens_per_s']:,.0f} tokens/s"
            f" ({time['basis']}): {parts}"
        )
        expected = time["expected_s"]
        print(
            f"Expected   {expected['value']:.3g} s ({expected['low']:.3g} to"
            f" {expected['high']:.3g}): as {time['expected_basis']} reached"
        )


def _show_recipe(recipe: dict[str, Any]) -> None:
    """Show each setting and where it comes from, those that nobody decided in one line."""
    rows = [
        (s["setting"].replace("_", "-"), _word(s["value"]), s["origin"], s["source"])
        for s in recipe["settings"]
        if s["origin"] != "default"
    ]
    title = f"Recipe {recipe['name']}: {recipe['title']} ({recipe['version']})"
    print_table(title, ("setting", "value", "from", "source"), rows, ())
    usual = (s for s in recipe["settings"] if s["origin"] == "default")
    words = (f"{s['setting'].replace('_', '-')} {_word(s['value'])}" for s in usual)
    print(f"Default    {', '.join(words)}")


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _lines(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table's rows: kinds, the largest first, each with its larger tensors below it."""
    live = [entry for entry in result["ledger"] if entry["live"]]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for entry in sorted(live, key=lambda e: -e["bytes"]):
        kinds.setdefault(entry["kind"], []).append(entry)
    lines: list[tuple[str, ...]] = []
    totals = {kind: sum(e["bytes"] for e in entries) for kind, entries in kinds.items()}
    for kind in sorted(kinds, key=lambda k: -totals[k]):
        lines.append((kind, "", "", *_sizes(totals[kind])))
        least = result["peak_bytes"] / 500
        large = [entry for entry in kinds[kind] if entry["bytes"] >= least]
        if len(kinds[kind]) > 1:
            lines += [("", e["name"], e["dtype"], *_sizes(e["bytes"])) for e in large]
    return lines


def _sizes(size: int) -> tuple[str, str]:
    return f"{size / 1e9:.3f}", f"{size / 2**30:.3f}"


def _show_fit(result: dict[str, Any]) -> None:
    from consilico.sim.memory.gpus import format_bytes

    room, spare, needed = (result[k] for k in ("memory_bytes", "headroom_bytes", "needed_bytes"))
    margin = f"{format_bytes(abs(spare))} {'to spare' if spare >= 0 else 'too much'}"
    print(f"{result['gpu']}: {result['verdict']} in {format_bytes(room)}, {margin}")
    print(
        f"Needed     {format_bytes(needed['value'])}, of {needed['low'] / 1e9:.2f} to"
        f" {needed['high'] / 1e9:.2f} GB"
    )
    for remedy in result["remedies"]:
        print(f"To be sure {remedy}")
    if found := result["largest"]:
        print(f"Largest    batch {found['batch']}, or sequence {found['sequence']}")
    if result["suggestions"]:
        rows = [
            (
                s["change"],
                f"{s['needed_bytes'] / 1e9:.2f}",
                s["group"],
                "" if s["time_factor"] is None else f"{s['time_factor']:.2f} x",
                "; ".join(s["what"]),
            )
            for s in result["suggestions"]
        ]
        print_table(
            "What makes it fit, in each group the cheapest first",
            ("change", "needs GB", "keeps or takes", "time", "what it is"),
            rows,
            (1, 3),
        )
    elif result["verdict"] != "fits":
        print("Nothing that is known here makes it fit")


def _runs(count: int) -> str:
    return "one measured run" if count == 1 else f"{count} measured runs"
