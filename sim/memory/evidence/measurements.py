"""Published throughputs next to the roofline, and our own steps next to the ledger.

``measured_time.toml`` and ``measured_a100.toml`` hold what others published. ``tracked.json`` holds
the peaks of our own training steps under FakeTensorMode and comes from ``make memory-tracked``; a
``measured_gpu.json`` comes from ``make gpu-check`` on a machine with a CUDA GPU.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.evidence.tables import runs_on_gpu
from consilico.sim.memory.gpus import find_gpu
from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.step_time import step_time
from consilico.sim.memory.training_run import TrainingRun

__all__ = [
    "GpuTable",
    "MeasuredTime",
    "TrackedPeak",
    "TrackedTable",
    "gpu_table",
    "measured_times",
    "run_of",
    "tracked_runs",
    "tracked_table",
]

_A100 = "a100-80gb"  # of the runs in measured_a100.toml


@dataclass(frozen=True, kw_only=True)
class MeasuredTime:
    """Published throughput of a run, and the estimate."""

    label: str
    run: TrainingRun
    gpu: str
    measured: float  # tokens a second
    stated: bool  # whether all settings are known
    estimated: float
    source: str

    @property
    def reached(self) -> float:
        """Return measured throughput as a part of the estimate."""
        return self.measured / self.estimated


@cache
def measured_times() -> tuple[MeasuredTime, ...]:
    """Return the published runs: those of ``measured_time.toml``, then those on an A100."""
    data = tomllib.loads(Path(__file__).with_name("measured_time.toml").read_text())
    rows = [
        _time(
            _run(item["settings"]), item["gpu"], item["tokens_per_s"], label=item["label"],
            stated=item.get("stated", True), source=data["source"],
        )
        for item in data["run"]
    ]  # fmt: skip
    rows += [
        _time(
            item.run, _A100, item.figures["tokens_per_s"], label=item.label,
            stated=item.stated, source=item.title,
        )
        for item in runs_on_gpu()
        if item.figures.get("tokens_per_s")
    ]  # fmt: skip
    return tuple(rows)


def _run(settings: Mapping[str, Any]) -> TrainingRun:
    """Return the run with these settings, its model by name."""
    fields = dict(settings)
    return TrainingRun(model=find_model(fields.pop("model")), **fields)


def _time(run: TrainingRun, gpu: str, measured: float, **words: Any) -> MeasuredTime:
    """Estimate the throughput of a measured run."""
    return MeasuredTime(
        run=run,
        gpu=gpu,
        measured=measured,
        estimated=step_time(run, find_gpu(gpu)).tokens_per_s,
        **words,
    )


_HERE = Path(__file__).parent
_TORCH = {"adamw-torch-foreach": "foreach", "adamw-torch-loop": "loop"}


@dataclass(frozen=True, kw_only=True)
class TrackedPeak:
    """A step of our own, tracked, and what the ledger says of it."""

    run: TrainingRun
    tracked_bytes: int
    computed_bytes: int
    computed_at: str

    @property
    def error_pct(self) -> float:
        """Return the error of the ledger against the tracker, in percent."""
        return 100 * (self.computed_bytes / self.tracked_bytes - 1)


@dataclass(frozen=True, kw_only=True)
class TrackedRow(Facts):
    """One of our own training steps under FakeTensorMode."""

    model: str
    setup: dict[str, Any]  # fields of ``execution.training_step.TrainingSetup``
    peak_bytes: int
    peak_phase: str
    persistent_bytes: int


@dataclass(frozen=True, kw_only=True)
class TrackedTable(Facts):
    """The checked-in table of tracked peaks with its provenance."""

    instrument: str
    torch: str
    date: str
    code_sha256: str  # of the code that was tracked; ``execution.fake_table`` has the digest
    runs: tuple[TrackedRow, ...]


@dataclass(frozen=True, kw_only=True)
class GpuRow(Facts):
    """A training step on a GPU, and as it was executed on fake tensors."""

    model: str
    settings: dict[str, Any]  # of the run, those that are not their defaults
    measured: dict[str, float | None]  # bytes, and seconds of a step
    executed: dict[str, int]  # bytes


@dataclass(frozen=True, kw_only=True)
class GpuTable(Facts):
    """Measurements of ``make gpu-check`` on a GPU, with the machine that they come from."""

    device: str
    memory_bytes: int
    date: str
    torch: str
    note: str
    rows: tuple[GpuRow, ...]


def tracked_table() -> TrackedTable:
    """Return the checked-in table with its provenance."""
    return TrackedTable.from_json(json.loads((_HERE / "tracked.json").read_text()))


def gpu_table() -> GpuTable | None:
    """Return the table measured on a GPU, or None where nothing has been measured on one."""
    path = _HERE / "measured_gpu.json"
    return GpuTable.from_json(json.loads(path.read_text())) if path.exists() else None


def run_of(model: Architecture, setup: dict[str, Any]) -> TrainingRun:
    """Return the run that a setup of ``execution/training_step.py`` describes."""
    method = setup["method"]
    plain = method in ("adamw", *_TORCH)
    return TrainingRun(
        model=model,
        method="adamw" if plain else method,
        kernel=_TORCH.get(method, "reference"),
        rank=0 if plain else setup["rank"],
        batch=setup["batch"],
        sequence=setup["sequence"],
        dtype=setup["dtype"],
        group=setup["group"],
        checkpointing=setup["checkpointing"],
        attention=setup["attention"],
        per_layer=setup["per_layer"],
        logits="held",
    )


def tracked_runs() -> list[TrackedPeak]:
    """Return all runs of the table of tracked peaks."""
    rows = []
    for item in tracked_table().runs:
        run = run_of(find_model(item.model), item.setup)
        found = ledger(run)
        rows.append(
            TrackedPeak(
                run=run,
                tracked_bytes=item.peak_bytes,
                computed_bytes=found.peak_bytes,
                computed_at=found.peak_at,
            )
        )
    return rows
