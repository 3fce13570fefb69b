"""Closed formulas of a buffer's cost in words and bits, and how far they err elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["QUANTITIES", "Formula", "fit"]

Reals = NDArray[np.float64]


def _storage(words: Reals, bits: Reals) -> list[Reals]:
    """What grows with the cells, a word's gate and decoder, a bit's wires."""
    return [np.ones_like(words), bits, words, words * bits]


def _reading(words: Reals, bits: Reals) -> list[Reals]:
    """A read toggles a multiplexer as deep as the address is wide, for each bit."""
    return [*_storage(words, bits), bits * np.log2(words)]


def _depth(words: Reals, bits: Reals) -> list[Reals]:
    """Levels of multiplexer, and of buffers for the select lines."""
    return [np.ones_like(words), np.log2(words), np.log2(bits)]


def _clocked(words: Reals, bits: Reals) -> list[Reals]:
    """A clock gate a word."""
    return [np.ones_like(words), words]


QUANTITIES: dict[str, Callable[[Reals, Reals], list[Reals]]] = {
    "area_um2": _storage,
    "leakage_w": _storage,
    "read_pj": _reading,
    "write_pj": _storage,
    "rest_pj": _clocked,
    "access_ns": _depth,
}


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A linear formula, and its largest relative error on points left out of its fit."""

    quantity: str
    coefficients: tuple[float, ...]
    error: float

    def __call__(self, words: ArrayLike, bits: ArrayLike) -> Reals:
        """Values for sizes; the two arguments broadcast."""
        wide, deep = np.broadcast_arrays(
            np.asarray(words, dtype=np.float64), np.asarray(bits, dtype=np.float64)
        )
        terms = QUANTITIES[self.quantity](wide, deep)
        return np.asarray(sum(c * term for c, term in zip(self.coefficients, terms, strict=True)))


def fit(quantity: str, words: ArrayLike, bits: ArrayLike, measured: ArrayLike) -> Formula:
    """Fit one quantity by least squares of relative errors, cross-validated by leaving one out.

    Args:
        quantity: A key of :data:`QUANTITIES`.
        words: Shape ``(points,)``.
        bits: Shape ``(points,)``.
        measured: Shape ``(points,)``, above 0.

    Raises:
        ValueError: If there are not more points than coefficients.
    """
    values = np.asarray(measured, dtype=np.float64)
    terms = np.stack(
        QUANTITIES[quantity](np.asarray(words, np.float64), np.asarray(bits, np.float64)), axis=1
    )
    points, unknowns = terms.shape
    if points <= unknowns:
        raise ValueError(f"{points} points do not fit {unknowns} coefficients of {quantity}")
    relative = terms / values[:, None]
    errors = []
    for left in range(points):
        kept = np.arange(points) != left
        found = np.linalg.lstsq(relative[kept], np.ones(points - 1), rcond=None)[0]
        errors.append(abs(float(relative[left] @ found) - 1))
    coefficients = np.linalg.lstsq(relative, np.ones(points), rcond=None)[0]
    return Formula(quantity=quantity, coefficients=tuple(coefficients.tolist()), error=max(errors))
