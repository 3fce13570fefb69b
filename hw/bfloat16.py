"""Compute with bf16 magnitudes (15 bits: exponent above mantissa).

Golden model: :mod:`consilico.golden.bfloat16`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth import C, Cat, Module, Mux, Signal, Value

from consilico.hw.arith import Columns, ColumnsCensus
from consilico.hw.census import Census, Step

__all__ = [
    "Product",
    "from_integer",
    "from_integer_census",
    "limit",
    "limit_census",
    "multiply",
    "multiply_census",
    "significand_product",
    "significand_product_census",
]


class Product(NamedTuple):
    """Magnitude bits of a product, with what happened to it.

    ``bits`` are meaningful only where neither flag is set; :func:`limit` applies the flags.
    """

    bits: Value  # 15 bits
    underflow: Value
    overflow: Value


def limit(product: Product) -> Value:
    """Return the magnitude, flushed to zero on underflow and saturated on overflow."""
    saturated = product.bits | product.overflow.replicate(15)
    # 0x7f7f is all ones but the exponent's lowest bit
    greatest = Cat(saturated[:7], saturated[7] & ~product.overflow, saturated[8:])
    return greatest & (~product.underflow).replicate(15)


def significand_product(m: Module, a: Value, b: Value) -> Value:
    """Return the 16-bit product of the 8-bit significands of two magnitudes."""
    left, right = Cat(a[:7], C(1, 1)), Cat(b[:7], C(1, 1))
    columns = Columns(16)
    for i in range(8):
        for j in range(8):
            columns.add(i + j, left[i] & right[j], 1)
    product = Signal(16)
    m.d.comb += product.eq(sum(columns.rows(m)))
    return product


def multiply(m: Module, a: Value, b: Value, *, truncate: bool = False) -> Product:
    """Multiply two magnitudes, rounding to nearest even. The logic is combinational.

    Args:
        m: The module that gets the logic.
        a: Magnitude; exponent 0 is zero.
        b: Magnitude.
        truncate: Drop the low bits instead of rounding, as the ConSmax paper's unit does.
    """
    product = significand_product(m, a, b)
    high = product[15]
    kept = Mux(high, product[8:15], product[7:14])
    guard = Mux(high, product[7], product[6])
    sticky = product[:6].any() | (high & product[6])
    increment = C(0, 1) if truncate else guard & (sticky | kept[0])
    rounded = Signal(8)
    m.d.comb += rounded.eq(kept + increment)
    # Both exponents are biased. With 10 bits a negative sum (underflow) differs from one that is
    # too great (overflow).
    exponent = Signal(10)
    m.d.comb += exponent.eq(a[7:] + b[7:] + C(1024 - 127, 10) + high + rounded[7])
    zero = ~(a[7:].any() & b[7:].any())
    under = zero | exponent[9] | ~exponent[:9].any()
    over = ~under & (exponent[8] | exponent[:8].all())
    return Product(Cat(rounded[:7], exponent[:8]), under, over)


def from_integer(m: Module, value: Value, exponent: Value) -> tuple[Value, Value]:
    """Convert a signed integer times ``2 ** (exponent - 134)`` to bf16, rounding to nearest even.

    Golden model: :func:`consilico.golden.bfloat16.from_integer`.

    Args:
        m: The module that gets the logic.
        value: Signed, at most 32 bits.
        exponent: Biased bf16 exponent, 8 bits.

    Returns:
        The bit pattern with sign, and whether it saturated; both are combinational.
    """
    negative = value[-1]
    normal = Signal(len(value))
    m.d.comb += normal.eq((value ^ negative.replicate(len(value))) + negative)
    zeros: list[Value] = []  # bits of the number of leading zeros, highest first
    for bit in reversed(range((len(value) - 1).bit_length())):
        places = 1 << bit
        empty = ~normal[-places:].any()
        shifted = Signal(len(value), name=f"normal{bit}")
        m.d.comb += shifted.eq(Mux(empty, normal << places, normal))
        normal, zeros = shifted, [empty, *zeros]
    kept, guard, rest = normal[-8:], normal[-9], normal[:-9]
    rounded, biased = Signal(9), Signal(10)
    m.d.comb += [
        rounded.eq(kept + (guard & (rest.any() | kept[0]))),
        # with 10 bits a negative exponent (underflow) differs from a too great one (overflow)
        biased.eq(exponent + (len(value) - 1 - 7) - Cat(*zeros) + rounded[8]),
    ]
    under = ~normal[-1] | biased[9] | ~biased[:9].any()
    over = ~under & (biased[8] | biased[:8].all())
    magnitude = limit(Product(Cat(rounded[:7], biased[:8]), under, over))
    return Cat(magnitude, negative & ~under), over


def limit_census(drivers: Sequence[str]) -> Census:
    """Return the operators of :func:`limit`."""
    census = Census()
    census.add("and_or", 15 + 1 + 15, drivers)
    return census


def significand_product_census(drivers: Sequence[str]) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`significand_product`, and its path."""
    columns = ColumnsCensus(16)
    for weight in range(8):
        columns.add(weight, 8)
    census, reduced = columns.rows(drivers)
    census.add("and_or", 7 * 7 - 1, drivers)  # one of them is an adder's carry, too
    census.add("add", 18, drivers)
    return census, (Step("and_or", 1, 1), *reduced, Step("add", 16, 1))


def multiply_census(
    drivers: Sequence[str], *, truncate: bool = False, zeros: int = 2
) -> tuple[Census, tuple[Step, ...]]:
    """Return operators of :func:`multiply`, and its longest path: through rounding to the flags.

    Args:
        drivers: What makes the operands toggle.
        truncate: As in :func:`multiply`.
        zeros: Operands that only this product asks whether they are 0.
    """
    census, steps = significand_product_census(drivers)
    census.add("mux", 7, drivers)
    if not truncate:
        census.add("mux", 1, drivers)
        census.add("and_or", 5 + 2 + 2, drivers)  # sticky, and whether to round up
        census.add("increment", 8, drivers)
    census.add("add", 9, drivers)
    census.add("increment", 11 + 12 + 13, drivers)
    census.add("and_or", 7 * zeros + 1 + 2 + 8 + 7 + 2, drivers)  # zero, under, over
    rounded = () if truncate else (Step("and_or", 1, 2), Step("increment", 8, 1))
    flags = Step("increment", 10, 1), Step("and_or", 1, 5)
    return census, (*steps, Step("mux", 7, 1), *rounded, *flags)


def from_integer_census(width: int, drivers: Sequence[str]) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`from_integer` for integers of ``width`` bits, and its path."""
    census = Census()
    census.add("xor", width + 1, drivers)
    census.add("increment", width + 2, drivers)
    places = [1 << bit for bit in range((width - 1).bit_length())]
    census.add("and_or", sum(places) - len(places), drivers)
    census.add("mux", len(places) * (width - 1) + 2 * sum(places), drivers)  # wide before cut
    census.add("and_or", width - 9 - 1 + 2, drivers)  # whether to round up
    census.add("increment", 9, drivers)
    census.add("add", 10, drivers)  # exponent
    census.add("increment", 9 + 11, drivers)
    census.add("and_or", 2 + 8 + 7 + 2, drivers)
    census.include(limit_census(drivers))
    census.add("and_or", 1, drivers)
    depth = len(places)
    steps = (
        Step("xor", 1, 1), Step("increment", width, 1),
        Step("and_or", 1, depth * (depth - 1) / 2), Step("mux", width, depth),
        Step("and_or", 1, depth), Step("increment", 9, 1), Step("increment", 10, 1),
        Step("and_or", 1, 8),
    )  # fmt: skip
    return census, steps
