"""Bytes of data types, and arithmetic that serves one run or an array of runs alike."""

from typing import Any

import numpy as np

__all__ = ["BITS", "Size", "ceil_div", "is_zero", "least", "most", "total"]

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
