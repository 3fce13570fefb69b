"""Check that the tracked peak is what a GPU allocates.

``python -m consilico.sim.memory.execution.gpu_check [--json PATH]`` needs a CUDA GPU.

It does the steps of ``fake_step.py`` for real, with random weights, and compares
``torch.cuda.max_memory_allocated`` with the tracked peak. The difference is what the tracker does
not see: workspaces of matrix products, attention and decompositions.

Only small models take the low-rank methods: a decomposition of each matrix of 7 billion parameters
takes a GPU most of an hour.
"""

import argparse
import datetime
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.memory.evidence.measurements import GpuRow, GpuTable
from consilico.sim.memory.execution.fake_step import track_fake
from consilico.sim.memory.execution.training_step import (
    EXECUTED_METHODS,
    LlamaTraining,
    TrainingSetup,
)
from consilico.sim.memory.presets import find_model

__all__ = ["cases", "main"]

# bytes, of CUDA's caching allocator (c10/cuda/CUDACachingAllocator.cpp, kMinBlockSize)
GRANULE = 512

_PEAKS = ("peak_bytes", "peak_first_bytes", "peak_renewal_bytes")
_TABLE = Path(__file__).parents[1] / "evidence" / "measured_gpu.json"
_USABLE = 0.9  # of the device's memory; the rest is for workspaces and fragmentation


def cases() -> Iterator[tuple[str, TrainingSetup]]:
    """Yield models and how to train them, small ones first."""
    for method in EXECUTED_METHODS:
        dtypes = ("float32",) if method == "q-galore" else ("float32", "bfloat16")
        rank = 16 if method == "lora" else 128
        for dtype in dtypes:
            yield "llama-60m", TrainingSetup(method=method, dtype=dtype, batch=4, rank=rank)
        if not method.startswith("adamw-torch"):
            yield (
                "llama-60m",
                TrainingSetup(
                    method=method,
                    dtype="float32",
                    rank=rank,
                    checkpointing="full",
                    per_layer=True,
                ),
            )
    for attention in ("fused", "eager"):
        for checkpointing in ("none", "full", "selective"):
            yield (
                "llama-350m",
                TrainingSetup(
                    method="adamw",
                    batch=4,
                    sequence=1024,
                    attention=attention,
                    checkpointing=checkpointing,
                ),
            )
    for method, rank in (("galore", 256), ("q-galore", 256)):
        yield "llama-350m", TrainingSetup(method=method, dtype="float32", rank=rank, per_layer=True)
    for name in ("llama-1b", "llama-7b"):
        for dtype in ("bfloat16", "float32"):
            for method in ("lora", "adamw"):
                for checkpointing in ("none", "full"):
                    yield (
                        name,
                        TrainingSetup(
                            method=method, dtype=dtype, rank=16, checkpointing=checkpointing
                        ),
                    )


def _measure(name: str, setup: TrainingSetup) -> dict[str, int | None]:
    """Return the bytes allocated at the peaks of real steps on the GPU."""
    training = LlamaTraining(find_model(name), setup, "cuda")
    measured: dict[str, int | None] = {"peak_first_bytes": _peak(training)}
    measured["peak_bytes"] = _peak(training)
    measured["persistent_bytes"] = torch.cuda.memory_allocated()
    measured["peak_renewal_bytes"] = _peak(training) if training.renew_next() else None
    return measured


def _peak(training: LlamaTraining) -> int:
    """Run one step on the GPU and return the most bytes that were allocated during it."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    training.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def _run() -> list[GpuRow]:
    """Track and measure every case that fits the GPU."""
    total = torch.cuda.get_device_properties(0).total_memory
    rows = []
    for name, setup in cases():
        label = f"{name}, {' '.join(str(value) for value in asdict(setup).values())}"
        tracked = asdict(track_fake(find_model(name), setup, granule=GRANULE))
        need = max(tracked[key] or 0 for key in _PEAKS)
        if need > _USABLE * total:
            print(f"{label}: skipped, {need / 1e9:.1f} of {total / 1e9:.1f} GB", file=sys.stderr)
            continue
        gc.collect()  # model and hooks refer to each other
        torch.cuda.empty_cache()
        try:
            measured = _measure(name, setup)
        except torch.cuda.OutOfMemoryError:
            print(f"{label}: skipped, out of memory", file=sys.stderr)
            continue
        kept = {key: tracked[key] for key in (*measured, "peak_phase")}
        rows.append(GpuRow(model=name, setup=setup.to_json(), measured=measured, tracked=kept))
        ratio = (measured["peak_bytes"] or 0) / tracked["peak_bytes"] - 1
        print(f"{label}: {measured['peak_bytes']} bytes, {ratio:+.2%} of what was tracked")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="tracked peaks against those of a GPU")
    parser.add_argument("--json", type=Path, default=_TABLE, help="write the table there")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("error: a GPU that torch can use is needed, and there is none", file=sys.stderr)
        return 2
    table = GpuTable(
        device=torch.cuda.get_device_name(0),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        torch=torch.__version__,
        note=f"tracked tensors are rounded up to multiples of {GRANULE} bytes, as allocated",
        rows=tuple(_run()),
    )
    try:
        write_atomic(options.json, json.dumps(table.to_json(), indent=1) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
