"""Specify ``consmax/log2``: ``C * exp(scale * s)`` computed as ``2 ** (k * s + b)``.

With ``k = scale * log2(e)`` and ``b = log2(C)`` one integer multiply-add gives the binary
logarithm of the result. Its integer part is the exponent; the top bits of its fraction address a
table that holds the mantissa.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import (
    BF16_ONE,
    ConSmaxConfig,
    ConSmaxResult,
    HeadConstants,
    finish,
)
from consilico.golden.config import integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Log2Config", "Log2Constants", "consmax_log2", "log2_constants", "mantissa_table"]

_B_OFFSET = 63  # b + 63 is stored, so that 7 integer bits hold C from 2 ** -63 to 2 ** 65


@dataclass(frozen=True, kw_only=True)
class Log2Config(ConSmaxConfig):
    """Configuration of ``consmax/log2``, whose exponent has base 2.

    ``k`` is unsigned with ``k_fraction`` fraction bits, so it lies in [0, 1). ``b`` is unsigned
    with 7 integer bits and ``fraction`` fraction bits and stands for ``b + 63``.
    """

    k_fraction: int = integer(17, 10, 20, "fraction bits of k")
    fraction: int = integer(11, 6, 20, "fraction bits of b, and those kept of k * s")
    address: int = integer(8, 5, 10, "fraction bits that address the table")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.address <= self.fraction <= self.k_fraction:
            raise ValueError(
                f"fraction must be in [address, k_fraction] = [{self.address}, {self.k_fraction}]"
                f", not {self.fraction}"
            )

    @property
    def k_width(self) -> int:
        """Return the number of bits of ``k``."""
        return self.k_fraction

    @property
    def b_width(self) -> int:
        """Return the number of bits of ``b``."""
        return 7 + self.fraction


def mantissa_table(address: int) -> list[int]:
    """Return the 7-bit mantissas of ``2 ** f``, one for each of ``2 ** address`` steps of ``f``.

    An entry is that of the middle of its step. This makes truncating the fraction to the address as
    good as rounding it, and keeps a carry out of the exponent.

    Args:
        address: Bits of the table's address.
    """
    middle = (np.arange(1 << address) + 0.5) / (1 << address)
    mantissa = np.minimum(np.rint(128 * np.exp2(middle)) - 128, 127)
    return [int(value) for value in mantissa]


@dataclass(frozen=True, kw_only=True)
class Log2Constants:
    """Contents of a head's configuration register.

    Where every beat has constants of its own, they are int64 tensors of shape ``(beats, 1)``.
    """

    k: int | Tensor  # scale * log2(e), unsigned, ``k_fraction`` fraction bits
    b: int | Tensor  # log2(C) + 63, unsigned, ``fraction`` fraction bits


def log2_constants(head: HeadConstants, config: Log2Config) -> Log2Constants:
    """Round a head's constants to the widths of the configuration register.

    Raises:
        ValueError: If the scale or C does not fit; the message says what would.
    """
    k = round(head.scale / math.log(2) * 2**config.k_fraction)
    if not 0 < k < 1 << config.k_width:
        limit = math.log(2)
        raise ValueError(
            f"scale must be above 2 ** -{config.k_fraction + 1} and below {limit:.4f} a code, "
            f"not {head.scale:g}"
        )
    b = round((head.log_c / math.log(2) + _B_OFFSET) * 2**config.fraction)
    if not 0 <= b < 1 << config.b_width:
        raise ValueError(f"log_c must be in (-43.6, 45.0), not {head.log_c:g}")
    return Log2Constants(k=k, b=b)


def consmax_log2(
    score: Tensor, mask: Tensor, constants: Log2Constants, config: Log2Config
) -> ConSmaxResult:
    """Compute results as ``consmax/log2`` does, bit for bit.

    The exponent is ``floor(score * k * 2 ** fraction) / 2 ** fraction + b``. Its integer part
    becomes the bf16 exponent; the top ``address`` bits of its fraction select the mantissa.

    Args:
        score: INT8 codes, int64, shape ``(beats, lanes)``.
        mask: Bool, same shape; True gives 0.
        constants: The register contents of the head, or of each beat's head.
        config: The unit.
    """
    drop = config.k_fraction - config.fraction
    exponent = ((score * constants.k) >> drop) + constants.b
    exponent += (BF16_ONE - _B_OFFSET) << config.fraction
    integer = exponent >> config.fraction
    address = (exponent >> (config.fraction - config.address)) & ((1 << config.address) - 1)
    mantissa = torch.tensor(mantissa_table(config.address))[address]
    under, over = integer < 1, integer > 254
    bits = torch.where(under, 0, torch.where(over, bfloat16.MAX, integer << 7 | mantissa))
    return finish(bfloat16.Rounded(bits, under, over), mask, config)
