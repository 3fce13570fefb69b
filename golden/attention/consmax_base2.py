"""Specify ``consmax/base2``: ``C * 2 ** (s / 4)`` for scores that count quarters of a bit.

Softermax (arXiv 2103.09301) takes its scores in base 2 with two fraction bits. At that interface
ConSmax is four constants per head: the fraction of a score selects ``C * 2 ** (j / 4)``, its
integer part moves the exponent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import ConSmaxConfig, ConSmaxResult, finish
from consilico.golden.config import integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = [
    "QUARTERS",
    "Base2Config",
    "Base2Constants",
    "base2_codes",
    "base2_constants",
    "consmax_base2",
]

QUARTERS = 4  # steps of a score per bit


@dataclass(frozen=True, kw_only=True)
class Base2Config(ConSmaxConfig):
    """Configuration of ``consmax/base2``, whose scores are fixed-point exponents of 2."""

    score_integer: int = integer(6, 2, 8, "integer bits of a score with its sign; 2 fraction bits")

    @property
    def score_width(self) -> int:
        """Return the number of bits of a score, which is signed and counts quarters."""
        return self.score_integer + 2


@dataclass(frozen=True, kw_only=True)
class Base2Constants:
    """Contents of a head's configuration register: ``C * 2 ** (j / 4)`` as four bf16 numbers.

    Where every beat has constants of its own, they are int64 tensors: ``exponent`` of shape
    ``(beats, 1)``, ``mantissa`` of shape ``(beats, 4)`` and ``carry`` of shape ``(beats, 3)``.
    """

    exponent: int | Tensor  # of the first number, 8 bits with the bias of bf16
    mantissa: Sequence[int] | Tensor  # of each number, 7 bits
    carry: Sequence[int] | Tensor  # whether the second to fourth has the next exponent


def base2_constants(log_c: float) -> Base2Constants:
    """Round the four constants of a head to bf16, each to nearest.

    Args:
        log_c: Natural logarithm of ConSmax's merged constant C.

    Raises:
        ValueError: If C or ``C * 2 ** (3 / 4)`` is no normal bf16 number.
    """
    binary = log_c / math.log(2)
    if not -126 <= binary < 128 - 3 / QUARTERS:
        raise ValueError(f"log_c must be in [-87.33, 88.2), not {log_c:g}")
    whole, rest = divmod(binary, 1)
    numbers = [
        bfloat16.encode(Fraction(2 ** (rest + quarter / QUARTERS)) * Fraction(2) ** int(whole))
        for quarter in range(QUARTERS)
    ]
    exponent = numbers[0] >> 7
    return Base2Constants(
        exponent=exponent,
        mantissa=tuple(number & 127 for number in numbers),
        carry=tuple((number >> 7) - exponent for number in numbers[1:]),
    )


def base2_codes(score: Tensor, config: Base2Config) -> Tensor:
    """Round scores in natural units to the codes that the unit takes, and saturate them.

    In a model nothing multiplies for it: ``4 * log2(e) / sqrt(d)`` goes into the weights of the
    query projection, and the dot product of query and key is rounded to an integer.

    Args:
        score: Attention scores in natural units, floating point, any shape.
        config: The unit.

    Returns:
        int64, the same shape: ``score * 4 * log2(e)`` to nearest even.
    """
    greatest = (1 << (config.score_width - 1)) - 1
    code = (score.double() * (QUARTERS / math.log(2))).round()
    return code.clamp(-greatest - 1, greatest).long()


def consmax_base2(
    score: Tensor, mask: Tensor, constants: Base2Constants, config: Base2Config
) -> ConSmaxResult:
    """Compute results as ``consmax/base2`` does, bit for bit.

    With ``j`` the two lowest bits of a score the result is ``C * 2 ** (j / 4)``, as the constants
    have it, times ``2 ** (s >> 2)``. Nothing is rounded here, so every result of a normal bf16
    exponent is the correctly rounded ``C * 2 ** (s / 4)``.

    Args:
        score: Codes of ``score_width`` bits, int64, shape ``(beats, lanes)``.
        mask: Bool, same shape; True gives 0.
        constants: The register contents of the head, or of each beat's head.
        config: The unit.
    """
    mantissa, carry = torch.as_tensor(constants.mantissa), torch.as_tensor(constants.carry)
    carries = torch.cat([torch.zeros_like(carry[..., :1]), carry], dim=-1)
    chosen, carried = (
        table.expand(len(score), QUARTERS).gather(1, score & (QUARTERS - 1))
        for table in (mantissa, carries)
    )
    exponent = constants.exponent + (score >> 2) + carried
    under, over = exponent < 1, exponent > 254
    bits = torch.where(under, 0, torch.where(over, bfloat16.MAX, exponent << 7 | chosen))
    return finish(bfloat16.Rounded(bits, under, over), mask, config)
