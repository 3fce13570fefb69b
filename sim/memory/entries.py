"""What the ledger is written in: sizes in bytes, its entries, and moments of a step."""

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
"""A number, or a numpy array of one number for each run of a sweep."""

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


def most(*sizes: Size) -> Size:
    """The greatest, element by element."""
    greatest = sizes[0]
    for size in sizes[1:]:
        plain = isinstance(greatest, int | float) and isinstance(size, int | float)
        greatest = max(greatest, size) if plain else np.maximum(greatest, size)
    return greatest


def least(first: Size, second: Size) -> Size:
    """The smaller, element by element."""
    plain = isinstance(first, int | float) and isinstance(second, int | float)
    return min(first, second) if plain else np.minimum(first, second)


def ceil_div(size: Size, by: Size) -> Size:
    """Quotient rounded up."""
    return -(-size // by)


def total(sizes: Any) -> Size:
    """Sum that does not change its terms."""
    return sum(sizes)


def is_zero(size: Size) -> bool:
    """Whether it is the number 0; an array never counts as that."""
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
        """Both on one line."""
        return replace(self, bytes=self.bytes + other.bytes, tensors=self.tensors + other.tensors)

    def gone(self) -> "Entry":
        """The same line for what does not live at the peak."""
        return replace(self, live=False)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """One line for all entries of a name."""
    lines: dict[str, Entry] = {}
    for entry in entries:
        known = lines.get(entry.name)
        lines[entry.name] = entry if known is None else known.plus(entry)
    return list(lines.values())


@dataclass(frozen=True)
class LiveTensors:
    """Some of what lives in a stage; its lines are only written out where they are wanted."""

    bytes: Size
    entries: Callable[[], list[Entry]]


@dataclass(frozen=True)
class Stage:
    """A moment of a step."""

    phase: str  # forward, loss, backward, update or new subspace
    label: str
    bytes: Size  # of all tensors, the persistent ones too
    parts: tuple[LiveTensors, ...]

    def entries(self) -> list[Entry]:
        """What lives beside the persistent tensors, one line for each name."""
        return merged(entry for part in self.parts for entry in part.entries())
