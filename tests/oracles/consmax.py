"""What all ConSmax units do last (docs/consmax.md, "What all units do last")."""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from tests.oracles.payload import join, value

Product = tuple[int, bool, bool]  # bf16 pattern, underflow, overflow


def beat(
    products: Iterable[Product],
    masks: Sequence[int],
    *,
    output: str,
    fixed_width: int,
    fixed_fraction: int,
) -> int:
    """Return the payload on ``o`` of the products and masks of the lanes."""
    width = 16 if output == "bf16" else fixed_width
    fields = []
    underflow = overflow = False
    for product, mask in zip(products, masks, strict=True):
        bits, under, over = product
        if output == "fixed":
            exact = math.floor(value(bits) * 2**fixed_fraction + Fraction(1, 2))
            bits = min(exact, 2**fixed_width - 1)
            under, over = bits == 0, exact > bits
        fields.append((0 if mask else bits, width))
        underflow |= under and not mask
        overflow |= over and not mask
    return join([*fields, (underflow, 1), (overflow, 1)])
