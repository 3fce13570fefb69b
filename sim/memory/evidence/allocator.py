"""Memory that PyTorch's allocator holds in addition to tensors, as measured runs reserved it.

The allocator splits and keeps the blocks of tensors that are gone. How much it then holds beyond
the peak follows what comes and goes in a step, and not what stays: in the runs here it is 5 to 70 %
of the peak less what is resident. It gives whole blocks back before it fails, and with expandable
segments hardly any are left: none is the least that has to be counted with.

The share is taken from the runs on a T4 and from those of ``a100_80gb.csv``. The runs of
``a100_80gb_liger.csv`` are held out: the verdict is judged on them (:mod:`.fits`).
"""

from collections.abc import Iterator, Sequence
from functools import cache
from math import ceil, floor

from consilico.sim.base.interval import Interval
from consilico.sim.memory.evidence.tables import runs_on_gpu
from consilico.sim.memory.gpus import process_context

__all__ = ["FITTED_SOURCES", "fragmentation", "quantile", "reserved_shares"]

FITTED_SOURCES = ("fitcheck", "fitcheck_final", "fms")
"""Keys of the sources that the share is taken from."""

_MIB = 2**20


def reserved_shares(*sources: str) -> Iterator[float]:
    """Yield, for each run of some sources, what was reserved beyond its peak.

    It is a part of the peak less what is resident between steps.
    """
    for run in runs_on_gpu():
        figures = run.figures
        if run.source not in sources or run.died or not figures.get("resident"):
            continue
        peak = run.bytes_of("peak")
        if "reserved" in figures:
            held = run.bytes_of("reserved")
        else:
            held = figures["used_mib"] * _MIB - process_context().value
        yield max(0.0, held - peak) / (peak - run.bytes_of("resident"))


@cache
def fragmentation() -> Interval:
    """Return the allocator's part, relative to the peak less what is resident.

    The value is the median, and nine of ten runs have no more than the upper bound.
    """
    shares = list(reserved_shares(*FITTED_SOURCES))
    return Interval(value=quantile(shares, 0.5), low=0.0, high=quantile(shares, 0.9))


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that a part of all values does not exceed, interpolated between two."""
    ordered = sorted(values)
    place = part * (len(ordered) - 1)
    low, high = ordered[floor(place)], ordered[ceil(place)]
    return low + (high - low) * (place - floor(place))
