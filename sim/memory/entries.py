"""Define the terms of the ledger: sizes in bytes, its entries, and the moments of a step.

A size is a number, or a NumPy array with one number per run of a sweep: the functions here take
both, so that one pass over the ledger serves a whole sweep.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = [
    "BITS",
    "Entry",
    "LiveTensors",
    "Size",
    "Stage",
    "ceil_div",
    "is_zero",
    "least",
    "merged",
    "most",
    "total",
]

Size = Any
"""A number of bytes or elements, or a NumPy array of one number for each run of a sweep."""

BITS = {
    "float32": 32,
    "bfloat16": 16,
    "float16": 16,
    "int64": 64,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "uint8": 8,
    "int4": 4,
    "nf4": 4,
}
"""Bits of an element of each data type."""


def most(*sizes: Size) -> Size:
    """Return the greatest of the sizes, element by element where they are arrays."""
    greatest = sizes[0]
    for size in sizes[1:]:
        plain = isinstance(greatest, int | float) and isinstance(size, int | float)
        greatest = max(greatest, size) if plain else np.maximum(greatest, size)
    return greatest


def least(first: Size, second: Size) -> Size:
    """Return the smaller of two sizes, element by element where they are arrays."""
    plain = isinstance(first, int | float) and isinstance(second, int | float)
    return min(first, second) if plain else np.minimum(first, second)


def ceil_div(size: Size, by: Size) -> Size:
    """Return the quotient rounded up."""
    return -(-size // by)


def total(sizes: Any) -> Size:
    """Add sizes without modifying the terms (they may be arrays shared between entries)."""
    return sum(sizes)


def is_zero(size: Size) -> bool:
    """Tell whether a size is the number 0, which an array never is."""
    return isinstance(size, int | float) and size == 0


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: tensors of one kind and purpose."""

    name: str
    kind: str
    dtype: str
    bytes: Size
    tensors: int
    live: bool = True  # at the peak

    def plus(self, other: "Entry") -> "Entry":
        """Return one line for the tensors of both, under this one's name, kind and data type."""
        size, count = self.bytes + other.bytes, self.tensors + other.tensors
        return Entry(self.name, self.kind, self.dtype, size, count, self.live)

    def gone(self) -> "Entry":
        """Return the same line marked as not alive at the peak."""
        return replace(self, live=False)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Return one line for all entries of a name, in the order of first appearance."""
    lines: dict[str, Entry] = {}
    for entry in entries:
        known = lines.get(entry.name)
        lines[entry.name] = entry if known is None else known.plus(entry)
    return list(lines.values())


@dataclass(frozen=True)
class LiveTensors:
    """Some of the tensors that live at a moment.

    Their size is known at once; their lines are only made where somebody wants to read them.
    """

    bytes: Size
    entries: Callable[[], list[Entry]]

    @classmethod
    def joined(cls, *parts: "LiveTensors") -> "LiveTensors":
        """Return all tensors of several parts as one part."""
        size = total(part.bytes for part in parts)
        return cls(size, lambda: [entry for part in parts for entry in part.entries()])


@dataclass(frozen=True)
class Stage:
    """A moment of a training step, and the tensors that live at it."""

    phase: str  # forward, loss, backward, update or new subspace
    label: str
    bytes: Size  # of all tensors, the persistent ones too
    parts: tuple[LiveTensors, ...]

    def entries(self) -> list[Entry]:
        """Return what lives in addition to the persistent tensors, one line for each name."""
        return merged(entry for part in self.parts for entry in part.entries())
