"""Define ``consilico memory-sweep``: peak memory of many training runs at once."""

import csv
import io
from typing import TYPE_CHECKING, Annotated, Any

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
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.memory.gpus import GpuMemory
    from consilico.sim.memory.methods import TrainingMethod
    from consilico.sim.memory.sweep import MemorySweep
    from consilico.sim.memory.training_run import TrainingRun

__all__ = ["memory_sweep"]

_MEMORIES = "8 GiB,12 GiB,16 GiB,24 GiB,48 GiB,80 GiB"
_MOST_NUMBERS = 1 << 16  # of one option: what is computed at once takes memory for each


def memory_sweep(
    model: Annotated[
        str, typer.Option(help="Name of a built-in model, or path of a Hugging Face config.json.")
    ],
    methods: Annotated[
        str,
        typer.Option(
            help="Training methods, separated by commas; all: every one that the model can have."
        ),
    ] = "all",
    batches: Annotated[
        str, typer.Option(help="Micro-batches, separated by commas; 1..64 is a range.")
    ] = "1..64",
    seqs: Annotated[
        str, typer.Option(help="Tokens per sequence, separated by commas or as a range.")
    ] = "512,2048",
    ranks: Annotated[str, typer.Option(help="Ranks; 0 stands for the method's usual rank.")] = "0",
    memories: Annotated[
        str, typer.Option(help="Memories or names of GPUs, separated by commas.")
    ] = _MEMORIES,
    dtype: Annotated[str, typer.Option(help="As in `memory`.")] = "bfloat16",
    checkpointing: Annotated[str, typer.Option(help="none, full or selective.")] = "full",
    attention: Annotated[str, typer.Option(help="As in `memory`.")] = "fused",
    loss: Annotated[str, typer.Option(help="As in `memory`.")] = "eager",
    per_layer: Annotated[
        bool,
        typer.Option("--per-layer/--at-once", help="Update each layer inside the backward pass."),
    ] = True,
    csv_path: Annotated[
        str | None, typer.Option("--csv", metavar="PATH", help="Write every configuration as CSV.")
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Find the largest batch that fits GPUs of several sizes, by method, length and rank."""
    from consilico.sim.memory.gpus import gpu_memory
    from consilico.sim.memory.methods import METHODS

    one_standard_output(csv=csv_path, json=json_path)
    base = api.training_run(
        model,
        dtype=dtype,
        checkpointing=checkpointing,
        attention=attention,
        loss=loss,
        per_layer=per_layer,
    )
    names = [name.strip() for name in methods.split(",")]
    if methods == "all":
        names = [name for name, found in METHODS.items() if _trains(found, base)]
    found = api.memory_sweep(
        base,
        methods=names,
        batches=_numbers("batches", batches),
        sequences=_numbers("seqs", seqs),
        ranks=_numbers("ranks", ranks),
    )
    tried = max(size for item in found for size in item.batches)
    rooms = {text.strip(): gpu_memory(text.strip()) for text in memories.split(",")}
    result = {
        "model": base.model.name,
        "configurations": sum(item.count for item in found) * len(rooms),
        "largest_batch_tried": tried,
        "memories": {name: room.usable_bytes for name, room in rooms.items()},
        "rows": [row for item in found for row in _rows(item, rooms)],
    }
    if csv_path is not None:
        write_text(csv_path, _csv(found, rooms))
    if plot is not None:
        from consilico.reports.plots import memory_sweep_plot, save_plot

        save_plot(memory_sweep_plot(result), plot)
    emit("memory-sweep/1", result, json_path, lambda: None if csv_path == "-" else _show(result))


def _trains(method: "TrainingMethod", base: "TrainingRun") -> bool:
    """Tell whether a method trains, and the model is one of those that it is for."""
    try:
        method.density(base.architecture)
    except UserError:
        return False
    return not method.forward_only


def _rows(item: "MemorySweep", rooms: "dict[str, GpuMemory]") -> list[dict[str, Any]]:
    largest = {name: item.largest_batch(room) for name, room in rooms.items()}
    return [
        {
            "method": item.run.method,
            "rank": rank,
            "sequence": sequence,
            "peak_bytes_of_least_batch": int(item.peaks[r, s].min()),
            "largest_batch": {name: int(sizes[r, s]) for name, sizes in largest.items()},
        }
        for r, rank in enumerate(item.ranks)
        for s, sequence in enumerate(item.sequences)
    ]


def _numbers(option: str, text: str) -> list[int]:
    """Return the numbers of a text: by commas, ``a..b`` a range, ``a..b..step`` one with steps."""
    numbers: list[int] = []
    try:
        for part in text.split(","):
            ends = [int(end) for end in part.split("..")]
            found = range(ends[0], ends[1] + 1, *ends[2:]) if ends[1:] else ends
            if len(numbers) + len(found[:_MOST_NUMBERS]) >= _MOST_NUMBERS:
                raise UserError(f"--{option} must be fewer than {_MOST_NUMBERS:,} numbers")
            numbers.extend(found)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"--{option} must be numbers by commas or a range such as 1..64, not {text!r}"
        ) from error
    return numbers


def _csv(found: "list[MemorySweep]", rooms: "dict[str, GpuMemory]") -> str:
    """Return every configuration with its peak, what it needs, and its verdict on each memory.

    What is needed is of the first memory: the contexts of GPUs differ.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        (
            *("method", "rank", "sequence", "batch", "peak_bytes"),
            *("needed_low_bytes", "needed_bytes", "needed_high_bytes"),
            *(f"verdict, {name}" for name in rooms),
        )
    )
    for item in found:
        first, *_ = needed = [item.needed(room) for room in rooms.values()]
        sizes = [size.astype("int64") for size in (first.low, first.value, first.high)]
        verdicts = [
            size.verdicts(room.bytes) for size, room in zip(needed, rooms.values(), strict=True)
        ]
        for r, rank in enumerate(item.ranks):
            for s, sequence in enumerate(item.sequences):
                for b, batch in enumerate(item.batches):
                    at = (r, s, b)
                    numbers = [int(item.peaks[at]), *(size[at] for size in sizes)]
                    words = [verdict[at] for verdict in verdicts]
                    writer.writerow((item.run.method, rank, sequence, batch, *numbers, *words))
    return text.getvalue()


def _show(result: dict[str, Any]) -> None:
    names = list(result["memories"])
    rows = [
        (
            f"{row['method']}, rank {row['rank']}" if row["rank"] else row["method"],
            str(row["sequence"]),
            f"{row['peak_bytes_of_least_batch'] / 1e9:.2f}",
            *(str(row["largest_batch"][name] or "-") for name in names),
        )
        for row in result["rows"]
    ]
    title = (
        f"{result['model']}: largest batch that fits, of at most {result['largest_batch_tried']}"
        f" ({result['configurations']:,} configurations)"
    )
    columns = ("method", "tokens", "least GB", *names)
    print_table(title, columns, rows, range(1, len(columns)))
