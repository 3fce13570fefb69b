"""Peaks that others measured, beside the ledger's."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.run import Run

__all__ = ["Measured", "error_bar_pct", "measured_runs"]

_UNIT = {"GB": 10**9, "GiB": 2**30}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured run and what the ledger says of it."""

    label: str
    quantity: str  # peak or activations
    run: Run
    published: float  # in the unit that the source prints
    unit: str
    computed: float  # in the same unit
    stated: bool  # whether all settings are known
    source: str
    instrument: str
    note: str

    @property
    def error_pct(self) -> float:
        """Of the ledger against the measurement."""
        return 100 * (self.computed / self.published - 1)


@cache
def measured_runs() -> tuple[Measured, ...]:
    """All of them, in the order of the file."""
    data = tomllib.loads(Path(__file__).with_name("measured.toml").read_text())
    return tuple(_row(item, data["source"][item["source"]]) for item in data["run"])


def _row(item: dict[str, Any], source: dict[str, str]) -> Measured:
    settings = dict(item["settings"])
    run = Run(model=find_model(settings.pop("model")), **settings)
    found = ledger(run)
    size = found.peak_bytes
    if item.get("quantity") == "activations":
        size = max(
            int(sum(e.bytes for e in stage.entries() if e.kind.startswith("activations")))
            for stage in found.stages
        )
    return Measured(
        label=item["label"],
        quantity=item.get("quantity", "peak"),
        run=run,
        published=item["published"],
        unit=source["unit"],
        computed=size / _UNIT[source["unit"]],
        stated=item["stated"],
        source=source["title"],
        instrument=source["instrument"],
        note=item.get("note", ""),
    )


@cache
def error_bar_pct() -> dict[str, float]:
    """Median and worst magnitude of the error on runs whose settings are all stated, in percent."""
    errors = [abs(row.error_pct) for row in measured_runs() if row.stated]
    return {"median": median(errors), "worst": max(errors), "runs": len(errors)}
