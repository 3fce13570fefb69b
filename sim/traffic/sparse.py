"""2:4 structured sparsity: of each four consecutive weights two are kept, with their places.

The pattern is NVIDIA's (Mishra et al., arXiv:2104.08378), which CAST trains for. Here weights are
merely cut by magnitude: nothing is claimed about a model that uses them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.quantized import Quantized, split, symmetric

__all__ = ["Sparse", "cut", "prune", "sparsify"]


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """Kept codes in order, two a quadruple, and which of the four each one is."""

    codes: NDArray[np.int8]  # (rows, columns / 2)
    index: NDArray[np.uint8]  # (rows, columns / 2), 0..3, ascending within a pair
    scale: NDArray[np.float32]  # (rows, groups), bf16 numbers; value = scale * code

    def dense(self) -> Quantized:
        """The same weights with their zeros, shape ``(rows, columns)``."""
        rows, kept = self.codes.shape
        dense = np.zeros((rows, kept // 2, 4), dtype=np.int8)
        pairs = (rows, kept // 2, 2)
        np.put_along_axis(dense, self.index.reshape(pairs), self.codes.reshape(pairs), axis=2)
        return Quantized(
            codes=dense.reshape(rows, 2 * kept),
            scale=self.scale,
            zero=np.zeros(self.scale.shape, dtype=np.int8),
        )


def prune(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Places of the two largest magnitudes of each four; of equal ones the first.

    Args:
        values: Shape ``(rows, columns)``.

    Returns:
        uint8, shape ``(rows, columns / 2)``: 0..3, ascending within a pair.

    Raises:
        ValueError: If 4 does not divide the columns.
    """
    order = np.argsort(-np.abs(split(values, 4)), axis=2, kind="stable")
    return np.sort(order[:, :, :2], axis=2).astype(np.uint8).reshape(len(values), -1)


def sparsify(values: NDArray[np.float32], bits: int, group: int) -> Sparse:
    """Cut a matrix to 2:4 and quantize what is left, symmetrically.

    A group's largest magnitude is always kept, so that the scales are those of the dense matrix.

    Args:
        values: float32, shape ``(rows, columns)``.
        bits: 8 or 4.
        group: Values that share a scale, zeros counted.

    Raises:
        ValueError: If 4 does not divide ``group``, or ``group`` the columns.
    """
    return cut(symmetric(values, bits, group), prune(values))


def cut(dense: Quantized, index: NDArray[np.uint8]) -> Sparse:
    """Keep the codes at the places that :func:`prune` chose.

    Raises:
        ValueError: If groups cut through quadruples, or codes have a zero point.
    """
    if dense.group % 4:
        raise ValueError(f"group must be a multiple of 4, not {dense.group}")
    if dense.zero.any():
        raise ValueError("codes must be symmetric: a weight that is cut has code 0")
    pairs = index.reshape(len(index), -1, 2)
    codes = np.take_along_axis(dense.codes.reshape(len(index), -1, 4), pairs, axis=2)
    return Sparse(codes=codes.reshape(index.shape), index=index, scale=dense.scale)
