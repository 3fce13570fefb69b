"""The verdict on runs of which it is known whether they ran or died.

They are those on A100 80 GB, one, two or four (``measured_a100.toml``). What the allocator holds
was taken from runs of ``a100_80gb.csv``, among others; those of ``a100_80gb_liger.csv`` are held
out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.memory.evidence.allocator import FITTED_SOURCES
from consilico.sim.memory.evidence.tables import runs_on_gpu
from consilico.sim.memory.gpus import GpuMemory, find_gpu
from consilico.sim.memory.margins import DOES_NOT_FIT, FITS, TIGHT, needed_memory

__all__ = ["JudgedFit", "VerdictCounts", "judged_fits", "verdict_counts"]

_GPU = "a100-80gb"


@dataclass(frozen=True, kw_only=True)
class JudgedFit(Facts):
    """A run that ran or died on a GPU, and the verdict."""

    source: str  # title of the source
    label: str
    model: str
    batch: int
    held_out: bool
    died: bool
    verdict: str
    needed_bytes: int
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class VerdictCounts(Facts):
    """Numbers of runs by what became of them and by the verdict."""

    ran_fits: int
    ran_tight: int
    ran_does_not_fit: int
    died_fits: int
    died_tight: int
    died_does_not_fit: int

    @property
    def ran(self) -> int:
        """Return the number of runs that ran."""
        return self.ran_fits + self.ran_tight + self.ran_does_not_fit

    @property
    def died(self) -> int:
        """Return the number of runs that died."""
        return self.died_fits + self.died_tight + self.died_does_not_fit

    @property
    def wrongly_refused(self) -> float:
        """Return the part of those that ran that is said not to fit."""
        return self.ran_does_not_fit / max(1, self.ran)


def judged_fits() -> tuple[JudgedFit, ...]:
    """Return the verdict on every run of the table."""
    card = GpuMemory.of(find_gpu(_GPU))
    rows = []
    for item in runs_on_gpu():
        if "used_mib" not in item.figures:
            continue
        run = item.run
        needed = needed_memory(run, card).in_bytes()
        rows.append(
            JudgedFit(
                source=item.title,
                label=item.label,
                model=run.model.name,
                batch=run.batch,
                held_out=item.source not in FITTED_SOURCES,
                died=item.died,
                verdict=needed.verdict(card.bytes),
                needed_bytes=needed.value,
                memory_bytes=card.bytes,
            )
        )
    return tuple(rows)


def verdict_counts(rows: Iterable[JudgedFit]) -> VerdictCounts:
    """Count runs by what became of them and by the verdict."""
    known = list(rows)

    def count(verdict: str, *, died: bool) -> int:
        return sum((row.verdict, row.died) == (verdict, died) for row in known)

    return VerdictCounts(
        ran_fits=count(FITS, died=False),
        ran_tight=count(TIGHT, died=False),
        ran_does_not_fit=count(DOES_NOT_FIT, died=False),
        died_fits=count(FITS, died=True),
        died_tight=count(TIGHT, died=True),
        died_does_not_fit=count(DOES_NOT_FIT, died=True),
    )
