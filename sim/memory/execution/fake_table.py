"""Command that tracks training steps at full size: one step, or the table of them.

``python -m consilico.sim.memory.execution.fake_table`` writes ``sim/memory/evidence/tracked.json``,
the table that the ledger is checked against. Rows that are there already from the same code are
kept, so that it goes on where it was stopped; each row takes most of a minute. With ``--method``
one step is tracked, and printed as a line of JSON.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from consilico.sim.base.code import code_digest as code_behind
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.results import digest
from consilico.sim.memory.evidence.measurements import TrackedRow, TrackedTable, tracked_table
from consilico.sim.memory.execution.fake_step import track_fake
from consilico.sim.memory.execution.llama import ATTENTION, CHECKPOINTING
from consilico.sim.memory.execution.training_step import DTYPES, EXECUTED_METHODS, TrainingSetup
from consilico.sim.memory.presets import find_model

__all__ = ["TABLE", "cases", "code_digest", "main"]

TABLE = Path(__file__).parents[1] / "evidence" / "tracked.json"
_MODEL = "llama-7b"


def cases() -> Iterator[TrainingSetup]:
    """Yield the setups of the table: with and without checkpointing, per-layer update on and off.

    The setups with many tokens are those where activations are most of the peak.
    """
    plain = {"adamw": 1024, "lora": 16, "galore": 1024, "q-galore": 1024}
    for dtype in ("float32", "bfloat16"):
        for method, rank in plain.items():
            for checkpointing in ("none", "full"):
                for per_layer in (False, True):
                    if dtype == "float32" or method != "q-galore":  # INT8 weights take float32
                        yield TrainingSetup(
                            method=method, dtype=dtype, rank=rank, checkpointing=checkpointing,
                            per_layer=per_layer,
                        )  # fmt: skip
    for per_layer in (False, True):
        yield TrainingSetup(method="galore-8bit", dtype="bfloat16", per_layer=per_layer)
    yield TrainingSetup(method="adamw-torch-foreach")
    yield TrainingSetup(method="adamw-torch-loop")
    for attention in ("fused", "eager"):
        for checkpointing in ("none", "full", "selective"):
            yield TrainingSetup(
                method="adamw", batch=8, sequence=1024, checkpointing=checkpointing,
                attention=attention, per_layer=True,
            )  # fmt: skip
    yield TrainingSetup(
        method="q-galore", dtype="float32", batch=16, checkpointing="full", per_layer=True
    )


def code_digest() -> str:
    """Return the digest of all that a tracked peak depends on: step, optimizers, model and torch.

    Builds of one torch for different devices allocate the same fake tensors: they count as one.
    """
    step = code_behind("consilico.sim.memory.execution.fake_step")
    return digest(step, asdict(find_model(_MODEL)), torch.__version__.partition("+")[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="peak memory of training steps, tracked")
    parser.add_argument("--model", default=_MODEL, help="a built-in name or a config.json")
    parser.add_argument("--method", choices=EXECUTED_METHODS, help="track one step of this method")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    parser.add_argument("--batch", type=int, default=1, help="sequences")
    parser.add_argument("--sequence", type=int, default=256, help="tokens of each")
    parser.add_argument("--rank", type=int, default=1024)
    parser.add_argument("--group", type=int, default=256, help="elements of a quantized group")
    parser.add_argument("--checkpointing", choices=CHECKPOINTING, default="none")
    parser.add_argument("--attention", choices=ATTENTION, default="fused")
    parser.add_argument("--per-layer", action="store_true", help="update inside the backward pass")
    parser.add_argument("--steps", type=int, default=2)
    options = vars(parser.parse_args(arguments))
    try:
        model, steps = find_model(options.pop("model")), options.pop("steps")
        if options["method"] is None:
            write_table()
        else:
            print(json.dumps(asdict(track_fake(model, TrainingSetup(**options), steps))))
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write_table() -> None:
    """Track the setups that :data:`TABLE` lacks or has from other code, and write it.

    Raises:
        UserError: If the table cannot be written.
    """
    code = code_digest()
    try:
        found = tracked_table()
        known = found.runs if found.code_sha256 == code else ()
    except (OSError, ValueError, KeyError):
        known = ()
    there = {json.dumps(row.setup, sort_keys=True): row for row in known}
    rows: list[TrackedRow] = []
    wanted = list(cases())
    for number, setup in enumerate(wanted, start=1):
        key = json.dumps(setup.to_json(), sort_keys=True)
        print(f"{number}/{len(wanted)} {key}", file=sys.stderr, flush=True)
        if key not in there:
            step = track_fake(find_model(_MODEL), setup)
            there[key] = TrackedRow(
                model=_MODEL,
                setup=setup.to_json(),
                peak_bytes=max(step.peak_bytes, step.peak_renewal_bytes or 0),
                peak_phase=step.peak_phase,
                persistent_bytes=step.persistent_bytes,
            )
        rows.append(there[key])
        table = TrackedTable(
            instrument="live bytes under torch's FakeTensorMode (memory_tracker.py)",
            torch=torch.__version__,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            code_sha256=code,
            runs=tuple(rows),
        )
        write_atomic(TABLE, json.dumps(table.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
