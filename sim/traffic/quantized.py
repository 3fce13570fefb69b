"""Matrices as integer codes in groups, dense or 2:4 sparse: what low-bit hardware multiplies.

Every scale is a bf16 number, and codes are rounded against that number, so that hardware with bf16
scales adds no error of its own to the bounds given here.

Of 2:4 sparse weights two of each four consecutive ones are kept, with their places. The pattern is
NVIDIA's (Mishra et al., arXiv:2104.08378), which CAST trains for. Here weights are merely cut by
magnitude: nothing is claimed about a model that uses them.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.smollm import GROUP, Int4Weight

__all__ = [
    "Format",
    "QuantizedMatrix",
    "SparseMatrix",
    "as_stored",
    "asymmetric",
    "bf16_bits",
    "bf16_round",
    "bf16_values",
    "cut",
    "group_size",
    "prune",
    "sparsify",
    "split",
    "symmetric",
]

Format = Literal["int8", "int4", "uint4"]
"""Codes in -127..127, in -7..7, or in 0..15 with a zero point in 0..15."""


@dataclass(frozen=True, kw_only=True)
class QuantizedMatrix:
    """``value = scale * (code - zero)``; consecutive codes of a row share scale and zero."""

    codes: NDArray[np.int8]  # (rows, columns)
    scale: NDArray[np.float32]  # (rows, groups), bf16 numbers
    zero: NDArray[np.int8]  # (rows, groups), 0 where the format is symmetric

    @property
    def group(self) -> int:
        """Return the number of codes that share a scale; it divides the columns."""
        return int(self.codes.shape[1] // self.scale.shape[1])

    def dequantize(self) -> NDArray[np.float32]:
        """Return the values as float32, shape ``(rows, columns)``."""
        differences = split(self.codes.astype(np.float32), self.group) - self.zero[:, :, None]
        return (differences * self.scale[:, :, None]).reshape(self.codes.shape)


def group_size(form: Format, columns: int, group: int | None) -> int:
    """Return ``group`` if there is one, else the usual: a whole row for INT8, 32 for 4 bits."""
    if group is not None:
        return group
    return columns if form == "int8" else GROUP


def bf16_bits(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the bit patterns of finite numbers rounded to bf16, to nearest, ties to even.

    Numbers of more than float32 are rounded to it first.
    """
    raw = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.int64)
    return (raw + 0x7FFF + (raw >> 16 & 1)) >> 16


def bf16_round(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round finite numbers to bf16, as float32; each is off by at most 2**-8 of its value."""
    return bf16_values(bf16_bits(values))


def bf16_values(bits: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the numbers of bf16 bit patterns, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def symmetric(values: NDArray[np.float32], bits: int, group: int) -> QuantizedMatrix:
    """Scale each group's largest magnitude to the largest code, -127..127 or -7..7.

    The error is at most half a scale: 127 * (1 + 2**-8), the worst that a scale rounded down to
    bf16 asks for, still rounds to 127.

    Args:
        values: float32, shape ``(rows, columns)``.
        bits: 8 or 4.
        group: Values that share a scale; all columns for a scale per row.

    Raises:
        ValueError: If ``group`` does not divide the columns.
    """
    top = 2 ** (bits - 1) - 1
    groups = split(values, group)
    scale = _scale(np.abs(groups).max(2) / np.float32(top))
    codes = np.clip(np.rint(groups / scale[:, :, None]), -top, top)
    return QuantizedMatrix(
        codes=codes.astype(np.int8).reshape(values.shape),
        scale=scale,
        zero=np.zeros(scale.shape, dtype=np.int8),
    )


def asymmetric(values: NDArray[np.float32], group: int) -> QuantizedMatrix:
    """Map each group's range, widened to hold 0, on codes 0..15.

    The range holds 0 because the zero point must be a code; a group that lies on one side of 0
    would otherwise be moved. The error is at most 0.56 scales: half for rounding, 15 * 2**-8 where
    the scale was rounded down to bf16.

    Args:
        values: float32, shape ``(rows, columns)``.
        group: Values that share scale and zero point.

    Raises:
        ValueError: If ``group`` does not divide the columns.
    """
    groups = split(values, group)
    low, high = np.minimum(groups.min(2), 0), np.maximum(groups.max(2), 0)
    scale = _scale((high - low) / np.float32(15))
    zero = np.clip(np.rint(-low / scale), 0, 15)
    codes = np.clip(np.rint(groups / scale[:, :, None]) + zero[:, :, None], 0, 15)
    return QuantizedMatrix(
        codes=codes.astype(np.int8).reshape(values.shape), scale=scale, zero=zero.astype(np.int8)
    )


def as_stored(weight: Int4Weight) -> QuantizedMatrix:
    """Return the codes of the file as they are, with a bf16 scale and a zero point in 0..15.

    The file keeps ``code * scale + minimum`` in fp16. Rounding the scale moves a weight by up to
    ``code * 2**-8`` scales (0.4 % of the weights' root mean square over the sampled layers of
    SmolLM2). Rounding ``-minimum / scale`` to an integer moves a whole group by up to half a scale
    (8.4 %): as much as the rounding of the weights to 4 bits itself may.

    Raises:
        ValueError: If a group does not straddle 0, so that no zero point in 0..15 fits.
    """
    scale = bf16_round(weight.scale.astype(np.float32))
    zero = np.rint(-weight.minimum.astype(np.float32) / scale)
    if zero.min() < 0 or zero.max() > 15:
        raise ValueError(f"zero points must be in [0, 15], not {zero.min():g} to {zero.max():g}")
    return QuantizedMatrix(
        codes=weight.nibbles.astype(np.int8), scale=scale, zero=zero.astype(np.int8)
    )


def split(values: NDArray[np.float32], group: int) -> NDArray[np.float32]:
    """Cut rows into groups, shape ``(rows, groups, group)``.

    Raises:
        ValueError: If ``group`` does not divide the columns.
    """
    rows, columns = values.shape
    if group < 1 or columns % group:
        raise ValueError(f"group must divide the {columns} columns, not {group}")
    return values.reshape(rows, columns // group, group)


def _scale(exact: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scales as bf16 numbers; 1 for a group of zeros, whose codes are 0 under any scale."""
    return bf16_round(np.where(exact == 0, np.float32(1), exact))


@dataclass(frozen=True, kw_only=True)
class SparseMatrix:
    """Kept codes in order, two per quadruple, and which of the four each one is."""

    codes: NDArray[np.int8]  # (rows, columns / 2)
    index: NDArray[np.uint8]  # (rows, columns / 2), 0..3, ascending within a pair
    scale: NDArray[np.float32]  # (rows, groups), bf16 numbers; value = scale * code

    def dense(self) -> QuantizedMatrix:
        """Return the same weights with their zeros, shape ``(rows, columns)``."""
        rows, kept = self.codes.shape
        dense = np.zeros((rows, kept // 2, 4), dtype=np.int8)
        pairs = (rows, kept // 2, 2)
        np.put_along_axis(dense, self.index.reshape(pairs), self.codes.reshape(pairs), axis=2)
        return QuantizedMatrix(
            codes=dense.reshape(rows, 2 * kept),
            scale=self.scale,
            zero=np.zeros(self.scale.shape, dtype=np.int8),
        )


def prune(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the places of the two largest magnitudes of each four; of equal ones the first.

    Args:
        values: Shape ``(rows, columns)``.

    Returns:
        uint8, shape ``(rows, columns / 2)``: 0..3, ascending within a pair.

    Raises:
        ValueError: If 4 does not divide the columns.
    """
    order = np.argsort(-np.abs(split(values, 4)), axis=2, kind="stable")
    return np.sort(order[:, :, :2], axis=2).astype(np.uint8).reshape(len(values), -1)


def sparsify(values: NDArray[np.float32], bits: int, group: int) -> SparseMatrix:
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


def cut(dense: QuantizedMatrix, index: NDArray[np.uint8]) -> SparseMatrix:
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
    return SparseMatrix(codes=codes.reshape(index.shape), index=index, scale=dense.scale)
