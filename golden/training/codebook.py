"""Code books of 8-bit optimiser states (arXiv 2110.02861) and the nearest code in them."""

from itertools import pairwise

import torch
from torch import Tensor

from consilico.golden.training.dynamic_code import values

__all__ = ["dynamic_code_book", "nearest_code"]


def dynamic_code_book(*, signed: bool) -> Tensor:
    """The 256 values of the dynamic data type in rising order, float32; the index is the code.

    Signed (first moment): code 127 is 0, code 255 is 1, the least value is -0.993.
    Unsigned (second moment): code 0 is 0, code 255 is 1.
    """
    return torch.tensor([float(value) for value in values(signed=signed)], dtype=torch.float32)


def nearest_code(normalised: Tensor, *, signed: bool) -> Tensor:
    """Code of the value nearest to each number; of two equally near ones, that nearer to zero.

    Args:
        normalised: States divided by the absolute maximum of their block, any shape and float
            type. Numbers beyond the greatest or least value get its code.
        signed: Which code book.

    Returns:
        uint8, same shape.
    """
    exact = values(signed=signed)
    middles = torch.tensor(
        [float((low + high) / 2) for low, high in pairwise(exact)],
        dtype=torch.float64,
    )
    wide = normalised.double()
    # bucketize puts a number equal to a middle below it, with right=True above it
    above = torch.bucketize(wide, middles, right=False)
    below = torch.bucketize(wide, middles, right=True)
    return torch.where(wide >= 0, above, below).to(torch.uint8)
