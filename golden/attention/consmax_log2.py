"""Bit-exact model of the ``log2`` architecture: C exp(scale s) = 2 ** (k s + b)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from consilico.golden import bfloat16
from consilico.golden.attention.config import BF16_ONE, Log2Config
from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.result import ConSmaxResult, finish
from consilico.golden.attention.tables import mantissa_table

__all__ = ["Log2Constants", "consmax_log2", "log2_constants"]

_B_OFFSET = 63  # b + 63 is stored, so that 7 integer bits hold C from 2 ** -63 to 2 ** 65


@dataclass(frozen=True, kw_only=True)
class Log2Constants:
    """Contents of the configuration register of one head."""

    k: int  # scale * log2(e), unsigned, ``k_fraction`` fraction bits
    b: int  # log2(C) + 63, unsigned, ``fraction`` fraction bits


def log2_constants(head: HeadConstants, config: Log2Config) -> Log2Constants:
    """Round a head's constants to the register's widths.

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
    """Results of one head, bit for bit those of :class:`consmax_log2.ConSmaxLog2`.

    Args:
        score: INT8 codes, int64, shape ``(beats, lanes)``.
        mask: Bool, same shape; True gives 0.
        constants: The head's register contents.
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
    return finish(bfloat16.Product(bits, under, over), mask, config)
