"""Track the peaks of our own training steps at full size.

``python -m consilico.sim.memory.execution.fake_table`` writes the table of them.

Writes ``sim/memory/tracked.json``, the table that the memory ledger is checked against. Runs
that are there already with the same code are left as they are, so that it goes on where it stopped;
each takes most of a minute.
"""

import datetime
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from consilico.sim.base.code import code_digest as code_behind
from consilico.sim.base.results import digest, write_atomic
from consilico.sim.memory.execution.fake_step import track_fake
from consilico.sim.memory.execution.training_step import Setup
from consilico.sim.memory.presets import find_model

__all__ = ["TABLE", "cases", "code_digest", "main"]

TABLE = Path(__file__).parents[1] / "tracked.json"
_MODEL = "llama-7b"


def cases() -> Iterator[Setup]:
    """What is tracked: with and without checkpointing, per-layer update on and off."""
    plain = {"adamw": 1024, "lora": 16, "galore": 1024, "q-galore": 1024}
    for dtype in ("float32", "bfloat16"):
        for method, rank in plain.items():
            for checkpointing in ("none", "full"):
                for per_layer in (False, True):
                    if dtype == "float32" or method != "q-galore":  # INT8 weights take float32
                        yield Setup(
                            method=method, dtype=dtype, rank=rank, checkpointing=checkpointing,
                            per_layer=per_layer,
                        )  # fmt: skip
    for per_layer in (False, True):
        yield Setup(method="galore-8bit", dtype="bfloat16", per_layer=per_layer)
    yield Setup(method="adamw-torch-foreach")
    yield Setup(method="adamw-torch-loop")
    for attention in ("fused", "eager"):  # many tokens: activations are most of it
        for checkpointing in ("none", "full", "selective"):
            yield Setup(
                method="adamw", batch=8, sequence=1024, checkpointing=checkpointing,
                attention=attention, per_layer=True,
            )  # fmt: skip
    yield Setup(method="q-galore", dtype="float32", batch=16, checkpointing="full", per_layer=True)


def code_digest() -> str:
    """Of all code that a tracked peak depends on: our step, the optimisers it imports, and torch.

    Builds of one torch for different devices allocate the same fake tensors: they count as one.
    """
    step = code_behind("consilico.sim.memory.execution.fake_step")
    return digest(step, torch.__version__.partition("+")[0])


def main() -> None:
    """Track what is missing and write the table."""
    code = code_digest()
    try:
        found = json.loads(TABLE.read_text())
        known = found["runs"] if found["code_sha256"] == code else []
    except (OSError, ValueError, KeyError):
        known = []
    there = {json.dumps(run["setup"], sort_keys=True): run for run in known}
    runs: list[dict[str, Any]] = []
    wanted = list(cases())
    for number, setup in enumerate(wanted, start=1):
        key = json.dumps(asdict(setup), sort_keys=True)
        print(f"{number}/{len(wanted)} {key}", file=sys.stderr, flush=True)
        if key not in there:
            step = track_fake(find_model(_MODEL), setup)
            there[key] = {
                "model": _MODEL,
                "setup": asdict(setup),
                "peak_bytes": max(step.peak_bytes, step.peak_renewal_bytes or 0),
                "peak_phase": step.peak_phase,
                "persistent_bytes": step.persistent_bytes,
            }
        runs.append(there[key])
        document = {
            "instrument": "live bytes under torch's FakeTensorMode (memory_tracker.py)",
            "torch": torch.__version__,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "code_sha256": code,
            "runs": runs,
        }
        write_atomic(TABLE, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
