"""The ledger beside our own execution: peaks tracked under FakeTensorMode, and on GPUs.

``tracked.json`` comes from ``make memory-tracked`` (:mod:`execution.fake_table`), any
``measured_gpu.json`` from ``make gpu-check`` on a machine with a CUDA GPU.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.run import Run

__all__ = ["Tracked", "gpu_table", "run_of", "tracked_runs", "tracked_table"]

_HERE = Path(__file__).parent
_TORCH = {"adamw-torch-foreach": "foreach", "adamw-torch-loop": "loop"}


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A step of our own, tracked, and what the ledger says of it."""

    run: Run
    tracked_bytes: int
    computed_bytes: int
    computed_at: str

    @property
    def error_pct(self) -> float:
        """Of the ledger against the tracker."""
        return 100 * (self.computed_bytes / self.tracked_bytes - 1)


def tracked_table() -> dict[str, Any]:
    """The checked-in table with its provenance."""
    table: dict[str, Any] = json.loads((_HERE / "tracked.json").read_text())
    return table


def gpu_table() -> dict[str, Any] | None:
    """The table of a GPU, None where nothing has been measured on one."""
    path = _HERE / "measured_gpu.json"
    if not path.exists():
        return None
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def run_of(model: Architecture, setup: dict[str, Any]) -> Run:
    """The run that a setup of :mod:`consilico.sim.memory.execution.training_step` describes."""
    method = setup["method"]
    plain = method in ("adamw", *_TORCH)
    return Run(
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


def tracked_runs() -> list[Tracked]:
    """All runs of the table."""
    rows = []
    for item in tracked_table()["runs"]:
        run = run_of(find_model(item["model"]), item["setup"])
        found = ledger(run)
        rows.append(
            Tracked(
                run=run,
                tracked_bytes=item["peak_bytes"],
                computed_bytes=found.peak_bytes,
                computed_at=found.peak_at,
            )
        )
    return rows
