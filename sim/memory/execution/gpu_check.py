"""Measure real training steps on a GPU: ``python -m consilico.sim.memory.execution.gpu_check``.

Each run is a step of a Hugging Face model, done for real with random weights by the program that
:mod:`consilico.sim.memory.execution.execute` runs on fake tensors. Measured are the peak of what is
allocated, what the allocator reserved, what the process holds in addition, and the time of a step.
The table that is written is evidence: each row counts for the runs of its class.

The most telling runs come first, and none begins once the time is up. Only small models take the
low-rank methods: a decomposition of each matrix of 7 billion parameters takes a GPU most of an
hour.
"""

import argparse
import datetime
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.memory.evidence.measurements import GpuRow, GpuTable
from consilico.sim.memory.execution.execute import execute
from consilico.sim.memory.execution.hf_config import hugging_face_config
from consilico.sim.memory.execution.hf_model import quietly
from consilico.sim.memory.execution.hf_step import HuggingFaceTraining
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["cases", "main", "measure"]

_TABLE = Path(__file__).parents[1] / "evidence" / "measured_gpu.json"
_USABLE = 0.9  # of the device's memory; the rest is for workspaces and fragmentation
_TIMED = 3  # steps whose median time counts
_MINUTES = 10.0


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield models and the settings of their runs: one of each class first, then variations."""
    adapters = {"method": "lora", "rank": 16, "adapters": "float32"}
    long = {"batch": 2, "sequence": 2048, "checkpointing": "full"}
    yield "llama-3.2-1b", {"batch": 4, "sequence": 1024}
    yield "llama-3.2-1b", {"dtype": "amp", **long}
    yield "llama-3.1-8b", {**adapters, **long, "lora_dropout": 0.05}
    yield "llama-3.1-8b", {"method": "qlora", "rank": 16, "kbit_prepared": True, **long}
    yield "qwen2.5-1.5b", {"kernel": "bitsandbytes-8bit", **long}
    yield "llama-350m", {"method": "galore", "kernel": "reference", "rank": 256, "batch": 4}
    yield (
        "llama-350m",
        {"method": "q-galore", "kernel": "reference", "rank": 256, "per_layer": True},
    )
    for checkpointing in ("none", "full", "selective"):
        for attention in ("fused", "eager"):
            yield (
                "llama-350m",
                {
                    "batch": 4, "sequence": 1024, "checkpointing": checkpointing,
                    "attention": attention,
                },
            )  # fmt: skip
    for kernel in ("loop", "fused", "reference"):
        yield "qwen2.5-0.5b", {"kernel": kernel, "sequence": 1024}
    yield "qwen2.5-0.5b", {"per_layer": True, "sequence": 1024}
    yield "qwen2.5-0.5b", {"accumulation": 4, "sequence": 1024}
    yield "gemma-7b", {**adapters, **long, "targets": "q,v"}
    yield "mistral-7b", {**adapters, "sequence": 1024, "dora": True, "checkpointing": "full"}
    yield "llama-7b", {"per_layer": True, "kernel": "loop", "checkpointing": "full"}
    yield "llama-2-13b", {"method": "qlora", "rank": 16, "kbit_prepared": True, **long}


def measure(run: TrainingRun, device: str) -> dict[str, float | None]:
    """Do steps of a run for real, and measure one that finds its states made.

    Args:
        run: The run.
        device: ``cuda``, or ``cpu`` where only the time is measured.

    Raises:
        UserError: If the libraries do not run it so.
        torch.OutOfMemoryError: If the device's memory is too small.
    """
    on_gpu = device == "cuda"
    with quietly():
        training = HuggingFaceTraining(run, hugging_face_config(run.model), device)
        training.step()
        if on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        training.step()
        found: dict[str, float | None] = dict.fromkeys(_BYTES)
        if on_gpu:
            torch.cuda.synchronize()
            free, whole = torch.cuda.mem_get_info()
            found |= {
                "peak_bytes": torch.cuda.max_memory_allocated(),
                "reserved_bytes": torch.cuda.max_memory_reserved(),
                "persistent_bytes": torch.cuda.memory_allocated(),
                "context_bytes": whole - free - torch.cuda.memory_reserved(),
            }
        seconds = [_timed(training, on_gpu) for _ in range(_TIMED)]
    return found | {"step_s": median(seconds)}


_BYTES = ("peak_bytes", "reserved_bytes", "persistent_bytes", "context_bytes")


def _timed(training: HuggingFaceTraining, on_gpu: bool) -> float:
    """Return the seconds of a step."""
    start = time.perf_counter()
    training.step()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _rows(
    wanted: Sequence[tuple[str, dict[str, Any]]], device: str, space: int, minutes: float
) -> Iterator[GpuRow]:
    """Execute and measure runs one after the other, until the time is up."""
    end = time.monotonic() + 60 * minutes
    for name, settings in wanted:
        label = f"{name}, {', '.join(f'{k} {v}' for k, v in settings.items())}"
        if time.monotonic() > end:
            print(f"{label}: left out, {minutes:g} minutes are up", file=sys.stderr)
            continue
        run = TrainingRun(model=find_model(name), **settings)
        executed = execute(run, hugging_face_config(run.model))
        if executed.peak_bytes > _USABLE * space:
            need = executed.peak_bytes / 1e9
            print(f"{label}: left out, {need:.1f} of {space / 1e9:.1f} GB", file=sys.stderr)
            continue
        gc.collect()  # model and hooks refer to each other
        if device == "cuda":
            torch.cuda.empty_cache()
        try:
            measured = measure(run, device)
        except torch.OutOfMemoryError:
            print(f"{label}: left out, out of memory", file=sys.stderr)
            continue
        yield GpuRow(
            model=name, settings=settings, measured=measured,
            executed={
                "peak_bytes": executed.peak_bytes, "persistent_bytes": executed.persistent_bytes,
            },
        )  # fmt: skip
        peak = measured["peak_bytes"]
        ratio = "" if peak is None else f", {peak / executed.peak_bytes - 1:+.2%} of the executed"
        print(f"{label}: {measured['step_s']:.3g} s a step{ratio}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="training steps measured on a GPU")
    parser.add_argument("--json", type=Path, default=_TABLE, help="write the table there")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="begin no run after them")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("error: a GPU that torch can use is needed, and there is none", file=sys.stderr)
        return 2
    space = torch.cuda.get_device_properties(0).total_memory
    table = GpuTable(
        device=torch.cuda.get_device_name(0),
        memory_bytes=space,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        torch=torch.__version__,
        note="Hugging Face models with random weights; the second step counts",
        rows=tuple(_rows(list(cases()), "cuda", space, options.minutes)),
    )
    try:
        write_atomic(options.json, json.dumps(table.to_json(), indent=1) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
