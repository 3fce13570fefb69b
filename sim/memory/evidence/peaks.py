"""Measured peaks next to what the ledger says of the same runs, and its error by class of run.

An error holds for runs like those that it was seen on: of one method, framework, precision and
sharding. No constant of the ledger is fitted to any peak. Causes of errors were looked for in the
rows of some sources, which are marked ``seen``; the rows of all others are held out, by source.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import median
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.memory.evidence.allocator import quantile
from consilico.sim.memory.evidence.measurements import GpuTable, gpu_table
from consilico.sim.memory.evidence.tables import (
    UNITS,
    KeptPeak,
    kept_peaks,
    run_with,
    runs_on_gpu,
)
from consilico.sim.memory.gpus import usual_workspace, workspace_of, workspaces
from consilico.sim.memory.ledger import ledger, peak_bytes
from consilico.sim.memory.methods import find_method
from consilico.sim.memory.training_run import TrainingRun

__all__ = [
    "ClassError",
    "MeasuredPeak",
    "class_error",
    "class_errors",
    "class_of",
    "error_of",
    "gpu_runs",
    "measured_runs",
    "peak_spread",
]

_FRAMEWORKS = {
    "transformers": "Hugging Face",
    "transformers-2023": "Hugging Face of 2023",
    "fused-norms": "fused kernels",
    "fused": "fused kernels",
}


def class_of(run: TrainingRun) -> str:
    """Name the class of a run: method, framework, precision and sharding.

    For example ``QLoRA, Hugging Face, bfloat16, one GPU``.
    """
    own = run.kernel == "reference"
    implementation = "transformers-2023" if run.published else run.implementation
    framework = "our optimizer" if own else _FRAMEWORKS[implementation]
    if run.sharding != "none":
        sharding = run.sharding
    else:
        sharding = "one GPU" if run.gpus == 1 else "replicated"
    return ", ".join((run.method_description.title, framework, run.dtype, sharding))


@dataclass(frozen=True, kw_only=True)
class MeasuredPeak:
    """A run whose peak others measured, and what the ledger says of it."""

    label: str
    quantity: str  # peak or activations
    settings: Mapping[str, Any]  # fields of the run, its model by name
    published: float  # in the unit that the source prints
    unit: str
    stated: bool  # whether all settings are known
    seen: bool  # whether causes of errors were looked for in the source's rows
    source: str
    instrument: str
    note: str
    workspace_bytes: int  # of a cuBLAS handle on its GPU
    kept: KeptPeak | None = None  # by the ledger; None: counted when it is asked for

    @cached_property
    def run(self) -> TrainingRun:
        """Return the run as the ledger is asked about it."""
        return run_with(self.settings)

    @cached_property
    def computed(self) -> float:
        """Return what the ledger says, in the unit of ``published``.

        What PyTorch's allocator counts has the workspaces of cuBLAS in it, in addition to tensors.
        """
        if self.quantity == "activations":
            size: float = max(
                sum(e.bytes for e in stage.entries() if e.kind.startswith("activations"))
                for stage in ledger(self.run).stages
            )
        else:
            forward_only = find_method(self.settings["method"]).forward_only
            peak = peak_bytes(self.run) if self.kept is None else self.kept.bytes
            size = peak + workspaces(self.workspace_bytes, forward_only=forward_only)
        return float(size) / UNITS[self.unit]

    @property
    def error_pct(self) -> float:
        """Return the error of the ledger against the measurement, in percent."""
        return 100 * (self.computed / self.published - 1)

    @cached_property
    def run_class(self) -> str:
        """Return the class of the run."""
        return class_of(self.run) if self.kept is None else self.kept.run_class


@cache
def measured_runs() -> tuple[MeasuredPeak, ...]:
    """Return all measured runs that did not die, in the order of the tables."""
    rows = []
    for item in runs_on_gpu():
        if item.died:
            continue
        unit = item.unit
        if unit == "bytes":  # whose digits nobody reads
            unit, peak = "GB", round(item.figures["peak"] / UNITS["GB"], 3)
        else:
            peak = item.figures["peak"]
        rows.append(
            MeasuredPeak(
                label=item.label,
                quantity=item.quantity,
                settings=item.settings,
                published=peak,
                unit=unit,
                stated=item.stated,
                seen=item.seen,
                source=item.title,
                instrument=item.instrument,
                note=item.note,
                workspace_bytes=usual_workspace(),  # all are from before Hopper
                kept=kept_peaks().get(item.words),
            )
        )
    table = gpu_table()
    return (*rows, *(() if table is None else gpu_runs(table)))


def gpu_runs(table: GpuTable) -> Iterator[MeasuredPeak]:
    """Yield the runs that ``make gpu-check`` measured, as evidence of their classes."""
    for row in table.rows:
        peak = row.measured["peak_bytes"]
        if peak is not None:
            changes = ", ".join(f"{name} {value}" for name, value in row.settings.items())
            yield MeasuredPeak(
                label=f"{row.model}, {changes}",
                quantity="peak",
                settings={"method": "adamw", **row.settings, "model": row.model},
                published=round(peak / UNITS["GB"], 3),
                unit="GB",
                stated=True,
                seen=False,
                source=f"make gpu-check on {table.device}, {table.date}",
                instrument="torch.cuda.max_memory_allocated",
                note=table.note,
                workspace_bytes=workspace_of(table.device),
            )


@dataclass(frozen=True, kw_only=True)
class ClassError(Facts):
    """Error of the ledger's peaks on the measured runs of one class, in percent.

    ``median_pct`` and ``worst_pct`` are magnitudes, ``low_pct`` and ``high_pct`` the signed ends.
    """

    run_class: str
    runs: int
    median_pct: float
    worst_pct: float
    low_pct: float
    high_pct: float

    def summary(self) -> dict[str, Any]:
        """Return what the command prints: class, number of runs, median and worst magnitude."""
        return {
            "class": self.run_class,
            "runs": self.runs,
            "median_pct": round(self.median_pct, 2),
            "worst_pct": round(self.worst_pct, 2),
        }


def error_of(name: str, errors: Sequence[float]) -> ClassError:
    """Sum up signed errors in percent, which must not be none."""
    sizes = [abs(error) for error in errors]
    return ClassError(
        run_class=name,
        runs=len(errors),
        median_pct=median(sizes),
        worst_pct=max(sizes),
        low_pct=min(errors),
        high_pct=max(errors),
    )


def _counted(row: MeasuredPeak) -> bool:
    return row.stated and row.quantity == "peak"


@cache
def class_error(run_class: str) -> ClassError | None:
    """Return the error on the runs of a class whose settings are all stated; None without any."""
    rows = [row for row in measured_runs() if _counted(row) and row.run_class == run_class]
    return error_of(run_class, [row.error_pct for row in rows]) if rows else None


@cache
def class_errors() -> tuple[ClassError, ...]:
    """Return the errors of all classes that were measured, the most runs first."""
    names = dict.fromkeys(row.run_class for row in measured_runs() if _counted(row))
    found = [error for name in names if (error := class_error(name)) is not None]
    return tuple(sorted(found, key=lambda error: -error.runs))


@cache
def peak_spread(run_class: str) -> Interval:
    """Return how much of the ledger's peak real peaks come to: about 1, with its spread.

    Nine of ten measured runs of the class lie between the bounds; where there is no run like it,
    all measured runs do.
    """
    rows = [row for row in measured_runs() if _counted(row)]
    like = [row for row in rows if row.run_class == run_class]
    tail = 0.05 if like else 0.0
    factors = [1 / (1 + row.error_pct / 100) for row in like or rows]
    return Interval(
        value=1.0,
        low=min(1.0, quantile(factors, tail)),
        high=max(1.0, quantile(factors, 1 - tail)),
    )
