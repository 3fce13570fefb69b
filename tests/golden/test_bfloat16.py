"""bf16 on bit patterns against exact rationals and against torch's own bf16."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden import bfloat16

patterns = st.integers(0x0080, bfloat16.MAX)  # every normal number


@given(patterns)
def test_encode_inverts_decode(bits: int) -> None:
    assert bfloat16.encode(bfloat16.decode(bits)) == bits


@given(st.floats(2.0**-125, 2.0**127, allow_subnormal=False))
def test_encode_rounds_as_torch_does(value: float) -> None:
    single = torch.tensor(value, dtype=torch.float64)
    # float64 to bf16 goes through float32 in torch: only exact float32 values round once
    exact = single.float()
    expected = int(exact.bfloat16().view(torch.int16).item())
    assert bfloat16.encode(Fraction(float(exact))) == expected


@given(patterns, patterns)
def test_product_is_correctly_rounded(a: int, b: int) -> None:
    exact = bfloat16.decode(a) * bfloat16.decode(b)
    product = bfloat16.multiply(torch.tensor([a]), torch.tensor([b]))
    assert product.bits.item() == bfloat16.encode(exact)
    assert bool(product.underflow) == (bfloat16.encode(exact) == 0)
    assert bool(product.overflow) == (exact >= (2 - Fraction(1, 256)) * 2**127)


@given(patterns, patterns)
def test_truncating_product_never_exceeds_the_exact_one(a: int, b: int) -> None:
    exact = bfloat16.decode(a) * bfloat16.decode(b)
    bits = int(bfloat16.multiply(torch.tensor([a]), torch.tensor([b]), truncate=True).bits)
    assert bfloat16.decode(bits) <= exact


@pytest.mark.parametrize(("width", "fraction"), [(8, 8), (16, 16), (24, 0), (2, 40), (8, 4)])
def test_fixed_point_equals_exact_rounding_on_every_pattern(width: int, fraction: int) -> None:
    bits = torch.arange(0, bfloat16.MAX + 1)
    bits = bits[(bits >> 7 != 0) | (bits == 0)]
    result = bfloat16.to_fixed(bits, width, fraction)
    top = (1 << width) - 1
    for pattern, got, zero, over in zip(
        bits.tolist(),
        result.bits.tolist(),
        result.underflow.tolist(),
        result.overflow.tolist(),
        strict=True,
    ):
        exact = (bfloat16.decode(pattern) * 2**fraction + Fraction(1, 2)) // 1
        assert (got, zero, over) == (min(exact, top), exact == 0, exact > top)


@given(st.integers(-(2**32) + 1, 2**32 - 1), st.integers(1, 254))
def test_integers_round_as_exact_rationals(value: int, exponent: int) -> None:
    bits, over = bfloat16.from_integer(torch.tensor([value]), exponent)
    exact = abs(value) * Fraction(2) ** (exponent - 134)
    magnitude = bfloat16.encode(exact)
    assert bits.item() == magnitude | (1 << 15 if value < 0 and magnitude else 0)
    # beyond the greatest number by half a unit or more
    assert over.item() == (exact >= Fraction(2) ** 120 * Fraction(511, 2))
