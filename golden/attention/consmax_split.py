"""Specify ``consmax/split``: ``C * exp(scale * s)`` as a product of bf16 table entries.

The exponential of a sum is a product, so a score is cut into nibbles and each nibble looks up its
own 16-entry table. This is the bitwidth-split unit of arXiv 2402.10930, section IV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import ConSmaxConfig, ConSmaxResult, HeadConstants, finish
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SplitConfig", "SplitConstants", "consmax_split", "look_up", "split_constants"]

_BALANCES = 16  # candidate factors in [1, 2)

_EXACT = Context(prec=60)  # Decimal's exp is correctly rounded, so much beyond a tie in bf16


@dataclass(frozen=True, kw_only=True)
class SplitConfig(ConSmaxConfig):
    """Configuration of ``consmax/split``, which looks powers up in two tables.

    With ``scores="int16"`` lanes come in pairs whose lanes have tables of their own. At run time a
    beat then holds either one INT8 score per lane or, in wide mode, one INT16 score per pair.
    """

    scores: str = choice("int8", ("int8", "int16"), "widest score; int16 joins lanes in pairs")
    storage: str = choice("latch", ("flop", "latch"), "cells that store the tables")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scores == "int16" and self.lanes % 2:
            raise ValueError(f"lanes must be even with scores=int16, not {self.lanes}")

    @property
    def table_sets(self) -> int:
        """Return the number of pairs of tables: one for all lanes, or one each for even and odd."""
        return 2 if self.scores == "int16" else 1


@dataclass(frozen=True, kw_only=True)
class SplitConstants:
    """Contents of the tables as bf16 bit patterns.

    A table has 16 entries. In the table of the highest nibble, which is signed, the entry of a
    negative nibble ``m`` is at index ``m + 16``.

    Where every beat has constants of its own, they are tensors: ``tables`` int64 of shape
    ``(tables, beats, 16)``, ``wide`` bool of shape ``(beats, 1)``.
    """

    tables: tuple[tuple[int, ...], ...] | Tensor  # lowest nibble first
    wide: bool | Tensor  # one INT16 score per pair of lanes


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round positive numbers to 8 significant bits, ties to even."""
    step = np.exp2(np.floor(np.log2(values)) - 7)
    return np.asarray(np.rint(values / step) * step)


def _balance(scale: float, log_c: float, nibbles: int) -> float:
    """Return the logarithm of the factor that, moved between the two lowest tables, errs least.

    The product of the tables does not change if one is multiplied by what the other is divided by,
    but the rounding of their entries does. The best of 16 candidate factors in [1, 2) lowers the
    greatest relative error of the two lowest tables' product from about 1 % to about 0.8 % of the
    worst head. What is certain of every head is the bound of its three roundings, 1.18 %.

    Args:
        scale: Natural units per code.
        log_c: Logarithm of the head's constant C.
        nibbles: Nibbles of a score, 2 or 4.
    """
    low = np.arange(16.0)
    high = np.arange(16.0) if nibbles > 2 else np.arange(-8.0, 8.0)
    exact = np.exp(scale * (16 * high[:, None] + low))
    fraction = np.exp(log_c - math.log(2) * round(log_c / math.log(2)))  # C's significand
    best, least = 0.0, math.inf
    for step in range(_BALANCES):
        factor = 2.0 ** (step / _BALANCES)
        upper = _rounded(np.exp(16 * scale * high) * factor)
        lower = _rounded(np.exp(scale * low) * (fraction / factor))
        product = _rounded(upper[:, None] * lower)
        error = float(np.abs(product / (exact * fraction) - 1).max())
        if error < least:
            best, least = math.log(factor), error
    return best


def split_constants(
    head: HeadConstants, config: SplitConfig, *, wide: bool = False, balanced: bool = True
) -> SplitConstants:
    """Return the correctly rounded tables of a head; the lowest nibble's table includes C.

    Args:
        head: The head's constants; ``scale`` is that of an INT16 code if ``wide``.
        config: The unit.
        wide: Make tables for INT16 scores.
        balanced: Choose the relative scale of the two lowest tables for the least error, instead of
            1.

    Raises:
        ValueError: If ``wide`` is set and the unit takes INT8 scores only.
    """
    if wide and config.scores != "int16":
        raise ValueError("wide constants need scores=int16, not int8")
    nibbles = 4 if wide else 2
    balance = _balance(head.scale, head.log_c, nibbles) if balanced else 0.0
    offsets = [head.log_c - balance, balance] + [0.0] * (nibbles - 2)
    tables = []
    for nibble, offset in enumerate(offsets):
        digits = [i - 16 if nibble == nibbles - 1 and i > 7 else i for i in range(16)]
        with localcontext(_EXACT):
            step = Decimal(head.scale) * 16**nibble
            logarithms = [step * digit + Decimal(offset) for digit in digits]
            tables.append(tuple(bfloat16.encode(Fraction(x.exp())) for x in logarithms))
    copies = 2 * config.table_sets // nibbles  # INT8 scores: both sets hold the same tables
    return SplitConstants(tables=tuple(tables) * copies, wide=wide)


def look_up(
    score: Tensor, tables: Sequence[Sequence[int]] | Tensor, *, truncate: bool
) -> bfloat16.Rounded:
    """Multiply the table entries that the two nibbles of each 8-bit score select.

    Args:
        score: int64, any shape; only the low 8 bits count.
        tables: Tables of the lower and of the upper nibble, 16 bf16 bit patterns each; or, for
            scores of shape ``(beats, lanes)``, tables of each beat, int64 of shape ``(2, beats,
            16)``.
        truncate: Truncate the product instead of rounding it to nearest even.
    """
    lower, upper = (
        table.gather(1, nibble) if table.dim() == 2 else table[nibble]
        for table, nibble in zip(
            torch.as_tensor(tables), (score & 15, score >> 4 & 15), strict=True
        )
    )
    return bfloat16.multiply(upper, lower, truncate=truncate)


def consmax_split(
    score: Tensor, mask: Tensor, constants: SplitConstants, config: SplitConfig
) -> ConSmaxResult:
    """Compute results as ``consmax/split`` does, bit for bit.

    In wide mode the products of an even and an odd lane are rounded to bf16 before they are
    multiplied. A factor that overflowed makes the result overflow, unless the product underflows.

    Args:
        score: int64, shape ``(beats, lanes)``, INT8 codes. In wide mode an even lane holds the low
            byte of a score (unsigned, or as an INT8 pattern) and the next lane its high byte.
        mask: Bool, same shape; True gives 0. In wide mode the even lane's bit masks the pair.
        constants: The tables of the head, or of each beat's head.
        config: The unit.

    Returns:
        Results of shape ``(beats, lanes)``; in wide mode the odd lanes hold 0.
    """
    if config.table_sets == 1:
        return finish(look_up(score, constants.tables, truncate=False), mask, config)
    even = look_up(score[:, 0::2], constants.tables[:2], truncate=False)
    odd = look_up(score[:, 1::2], constants.tables[2:], truncate=False)
    wide = torch.as_tensor(constants.wide)
    pair = bfloat16.multiply(even.bits, odd.bits)
    # an overflow of one factor stays one, unless the other factor is zero
    over = pair.overflow | ((even.overflow | odd.overflow) & ~pair.underflow)
    bits = torch.where(over, bfloat16.MAX, pair.bits)
    zero = torch.zeros_like(bits)
    joined = bfloat16.Rounded(bits, pair.underflow, over)
    parts = [
        torch.stack([torch.where(wide, one, left), torch.where(wide, nothing, right)], dim=-1)
        for one, nothing, left, right in zip(
            joined, (zero, zero == 1, zero == 1), even, odd, strict=True
        )
    ]
    odd_lane = torch.arange(mask.shape[1]) % 2 == 1
    return finish(
        bfloat16.Rounded(*(part.flatten(1) for part in parts)), mask | (wide & odd_lane), config
    )
