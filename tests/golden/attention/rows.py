"""Rows of one lane for the models of units for rows, and exact softmax to compare them with."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["exact", "filled", "shown", "ulps"]

Row = Sequence[int] | NDArray[np.integer]


def filled(rows: Sequence[Row], masks: Sequence[Row] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores and masks of rows, shape ``(rows, beats, 1)``, filled up with masked scores."""
    longest = max(map(len, rows))
    score = torch.zeros(len(rows), longest, 1, dtype=torch.int64)
    mask = torch.ones(len(rows), longest, 1, dtype=torch.bool)
    for index, row in enumerate(rows):
        score[index, : len(row), 0] = torch.from_numpy(np.array(row, dtype=np.int64))
        own = masks[index] if masks else np.zeros(len(row))
        mask[index, : len(row), 0] = torch.as_tensor(np.asarray(own, dtype=bool))
    return score, mask


def shown(results: torch.Tensor, rows: Sequence[Row]) -> list[NDArray[np.int64]]:
    """Return the results of each row, without those of what it was filled up with."""
    return [results[index, : len(row), 0].numpy() for index, row in enumerate(rows)]


def exact(row: Row, bits: float) -> NDArray[np.float64]:
    """Return softmax in base 2 of scores that count so many bits."""
    powers = np.exp2((np.asarray(row, dtype=np.float64) - np.max(row)) * bits)
    found: NDArray[np.float64] = powers / powers.sum()
    return found


def ulps(bits: NDArray[np.int64], expected: NDArray[np.float64]) -> float:
    """Return by how many units in the last place bf16 numbers are off at most; small ones are not.

    Numbers below the least normal one count only if they are not 0.
    """
    values = (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    normal = expected >= 2.0**-126
    assert not values[expected < 2.0**-127].any()
    unit = np.exp2(np.floor(np.log2(expected[normal])) - 7)
    return float((np.abs(values[normal] - expected[normal]) / unit).max())
