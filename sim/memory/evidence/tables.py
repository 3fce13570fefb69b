"""Read the tables of measured runs: the run and the figures of each, nothing computed."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["KEPT", "UNITS", "KeptPeak", "RunOnGpu", "kept_peaks", "run_with", "runs_on_gpu"]

UNITS = {"bytes": 1, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
"""Bytes of each unit that a source prints."""

_FILES = ("measured.toml", "measured_t4.toml", "measured_a100.toml")
KEPT = Path(__file__).with_name("kept_peaks.json")
"""File of what the ledger gives for the runs of the tables (:mod:`.kept_peaks`)."""

_FIGURES = ("resident", "peak", "reserved", "used_mib", "tokens_per_s")


@dataclass(frozen=True, kw_only=True)
class RunOnGpu:
    """A run that others did, with the settings that their source states.

    ``figures`` are in the unit of the source: ``peak`` is the most that was allocated, 0 where none
    was recorded because the run died; ``resident`` what is allocated between steps, ``reserved``
    the most that PyTorch's allocator held. ``used_mib`` is what nvidia-smi showed.
    """

    source: str  # key of the source
    title: str  # of the source
    instrument: str
    unit: str
    seen: bool  # whether causes of errors were looked for in the source's rows
    label: str
    quantity: str  # what ``peak`` is the peak of: peak of everything, or activations
    stated: bool  # whether the source states every setting that matters
    note: str
    settings: Mapping[str, Any]  # fields of the run, its model by name
    figures: Mapping[str, float]

    @cached_property
    def run(self) -> TrainingRun:
        """Return the run as the ledger is asked about it."""
        return run_with(self.settings)

    @property
    def words(self) -> str:
        """Return the settings in words."""
        return ", ".join(f"{name} {value}" for name, value in sorted(self.settings.items()))

    @property
    def died(self) -> bool:
        """Return whether no peak was recorded, which is read as out of memory."""
        return not self.figures["peak"]

    def bytes_of(self, figure: str) -> float:
        """Return a figure that is in the source's unit in bytes."""
        return self.figures[figure] * UNITS[self.unit]


@dataclass(frozen=True, kw_only=True)
class KeptPeak(Facts):
    """Peak that the ledger gives for a run of the tables."""

    run_class: str
    bytes: int


@cache
def kept_peaks() -> Mapping[str, KeptPeak]:
    """Return what the ledger gives for the runs of the tables, by the words of their settings."""
    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return {words: KeptPeak(**peak) for words, peak in found.items()}


def run_with(settings: Mapping[str, Any]) -> TrainingRun:
    """Return the run with these settings, its model by name."""
    fields = dict(settings)
    return TrainingRun(model=find_model(fields.pop("model")), **fields)


@cache
def runs_on_gpu() -> tuple[RunOnGpu, ...]:
    """Return all measured runs, file by file, in the files' order."""
    return tuple(run for name in _FILES for run in _read(Path(__file__).with_name(name)))


def _read(path: Path) -> Iterator[RunOnGpu]:
    data = tomllib.loads(path.read_text())
    for item in data.get("run", ()):
        yield _run(item, data["source"], item["settings"], {"peak": item["published"]})
    for table in data.get("table", ()):
        for row in table["rows"]:
            cells = dict(zip(table["columns"], row, strict=True))
            figures = {name: cells.pop(name) for name in _FIGURES if name in cells}
            yield _run(table, data["source"], {**table["settings"], **cells}, figures)


def _run(
    item: Mapping[str, Any],
    sources: Mapping[str, Any],
    settings: Mapping[str, Any],
    figures: Mapping[str, float],
) -> RunOnGpu:
    source = sources[item["source"]]
    return RunOnGpu(
        source=item["source"],
        title=source["title"],
        instrument=source["instrument"],
        unit=source["unit"],
        seen=source["seen"],
        label=item["label"],
        quantity=item.get("quantity", "peak"),
        stated=item["stated"],
        note=item.get("note", ""),
        settings=settings,
        figures=figures,
    )
