"""Group quantization: error bounds, packing, unbiased stochastic rounding, published behavior."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from consilico.golden.training.affine import (
    Affine,
    AffineConfig,
    pack,
    quantize_affine,
    stochastic_round_float,
    unpack,
)

numbers = st.floats(-1e4, 1e4, width=32)
formats = st.builds(
    AffineConfig,
    bits=st.sampled_from((4, 8)),
    group=st.integers(1, 40).map(lambda half: 2 * half),
)


def bound(values: Tensor, quantized: Affine, config: AffineConfig, steps: float) -> Tensor:
    """Greatest error accepted at each element: ``steps`` scales, and float32's own rounding."""
    scale = quantized.scale.expand(-1, config.group).flatten()[: values.numel()]
    return scale * steps + values.abs().max() * 2**-21 + 1e-37


@settings(max_examples=50)
@given(st.lists(numbers, min_size=1, max_size=200), formats)
def test_nearest_errs_by_at_most_half_a_scale(numbers: list[float], config: AffineConfig) -> None:
    values = torch.tensor(numbers)
    quantized = quantize_affine(values, config)
    error = (quantized.dequantize() - values).abs()
    assert bool((error <= bound(values, quantized, config, 0.5)).all())


@settings(max_examples=50)
@given(st.lists(numbers, min_size=1, max_size=200), formats, st.integers(0, 2**31))
def test_stochastic_errs_by_less_than_a_scale(
    numbers: list[float], config: AffineConfig, seed: int
) -> None:
    values = torch.tensor(numbers)
    quantized = quantize_affine(values, config, torch.Generator().manual_seed(seed))
    error = (quantized.dequantize() - values).abs()
    assert bool((error <= bound(values, quantized, config, 1.0)).all())


@settings(max_examples=50)
@given(st.lists(numbers, min_size=1, max_size=200), formats)
def test_the_scale_is_the_range_over_the_codes(numbers: list[float], config: AffineConfig) -> None:
    quantized = quantize_affine(torch.tensor(numbers), config)
    assert bool((quantized.scale * config.levels <= 1.0001 * (max(numbers) - min(numbers))).all())


@pytest.mark.parametrize("center", [0.949, -3.0, 1000.0])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_group_that_does_not_straddle_zero_comes_back(center: float, bits: int) -> None:
    values = center + torch.linspace(-0.05, 0.05, 256)
    back = quantize_affine(values, AffineConfig(bits=bits)).dequantize()
    assert (back - values).abs().max().item() <= 0.5001 * 0.1 / (2**bits - 1) + 1e-4


def test_the_published_zero_point_breaks_such_a_group() -> None:
    values = 0.949 + torch.linspace(-0.05, 0.05, 256)
    back = quantize_affine(values, AffineConfig(bits=4, zero_point="clamped")).dequantize()
    assert values.mean().item() == pytest.approx(0.949, abs=1e-3)
    assert back.mean().item() == pytest.approx(0.1, abs=2e-3)  # the range, not the values


def test_the_published_zero_point_is_right_where_a_group_straddles_zero() -> None:
    values = torch.linspace(-1, 2, 256)
    quantized = quantize_affine(values, AffineConfig(bits=4, zero_point="clamped"))
    error = (quantized.dequantize() - values).abs().max()
    assert error.item() <= 0.2 * 1.001  # zero and values are rounded: a whole scale


@pytest.mark.parametrize("zero_point", ["free", "clamped"])
def test_a_constant_group(zero_point: str) -> None:
    back = quantize_affine(torch.full((5,), 0.25), AffineConfig(bits=4, zero_point=zero_point))
    expected = 0.25 if zero_point == "free" else 1e-5  # the least range it knows
    assert back.dequantize().tolist() == pytest.approx([expected] * 5)


def test_the_published_zero_point_saturates_far_values_however_they_round() -> None:
    far = torch.full((256,), 1e30)
    for generator in (None, torch.Generator().manual_seed(1)):
        for values, code in ((far, 255), (-far, 0)):
            quantized = quantize_affine(values, AffineConfig(zero_point="clamped"), generator)
            assert set(quantized.codes.flatten().tolist()) == {code}


def test_quantizing_again_changes_nothing() -> None:
    values = torch.randn(3, 700, generator=torch.Generator().manual_seed(1))
    once = quantize_affine(values, AffineConfig())
    again = quantize_affine(once.dequantize(), AffineConfig())
    assert torch.equal(once.codes, again.codes)


def test_int4_takes_half_a_byte() -> None:
    quantized = quantize_affine(torch.randn(32, 128), AffineConfig(bits=4))
    assert quantized.codes.untyped_storage().nbytes() == 32 * 128 // 2


def test_every_pair_of_codes_packs_and_unpacks() -> None:
    codes = torch.cartesian_prod(torch.arange(16), torch.arange(16)).to(torch.uint8)
    packed = pack(codes)
    assert torch.equal(packed.flatten().int() & 15, codes[:, 0].int())  # first: low nibble
    assert len(set(packed.flatten().tolist())) == 256
    assert torch.equal(unpack(packed), codes)


@settings(max_examples=50)
@given(st.floats(-200, 200, width=32), st.integers(0, 2**31))
def test_stochastic_rounding_is_unbiased(value: float, seed: int) -> None:
    draws = 4000
    values = torch.full((draws,), value)
    rounded = stochastic_round_float(values, torch.Generator().manual_seed(seed)).double()
    assert set(rounded.tolist()) <= {math.floor(value), math.floor(value) + 1}
    fraction = value - math.floor(value)
    deviation = math.sqrt(fraction * (1 - fraction) / draws)
    # 5 rather than 4 standard errors, and a draw's weight: hypothesis looks for the unlucky case
    assert abs(rounded.mean().item() - value) <= 5 * deviation + 5 / draws


@settings(max_examples=50)
@given(st.floats(-200, 200, width=32), st.integers(0, 16), st.integers(0, 2**31))
def test_random_bits_round_as_the_hardware_does(value: float, random_bits: int, seed: int) -> None:
    """Against exact rationals: the nearest multiple, half of it up, plus the draw, cut off."""
    values = torch.full((64,), value)
    rounded = stochastic_round_float(values, torch.Generator().manual_seed(seed), random_bits)
    draws = torch.randint(
        1 << random_bits, (64,), generator=torch.Generator().manual_seed(seed)
    ).tolist()
    nearest = math.floor(Fraction(value) * 2**random_bits + Fraction(1, 2))
    assert rounded.tolist() == [(nearest + draw) >> random_bits for draw in draws]


def test_a_fraction_below_what_the_random_bits_resolve_is_lost() -> None:
    values = torch.full((4096,), 3 + 1 / 64)  # half a multiple of 4 bits is 1/32
    few, many = (
        stochastic_round_float(values, torch.Generator().manual_seed(1), bits).mean().item()
        for bits in (4, 8)
    )
    assert few == 3
    assert 3.005 < many < 3.03


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantized_group_is_unbiased_everywhere(bits: int) -> None:
    values = torch.randn(256, generator=torch.Generator().manual_seed(2)) + 3
    generator = torch.Generator().manual_seed(3)
    draws, config = 1000, AffineConfig(bits=bits)
    repeated = quantize_affine(values.repeat(draws), config, generator)
    error = (repeated.dequantize() - values.repeat(draws)).double().view(draws, 256)
    total = error.mean().item() / (error.std().item() / math.sqrt(error.numel()))
    assert abs(total) < 4
    # the worst of 256 elements; a draw deviates by half a scale at most
    limit = 5 * 0.5 * repeated.scale[0].item() / math.sqrt(draws)
    assert error.mean(0).abs().max().item() < limit


def test_nearest_rounding_is_biased_and_the_measure_sees_it() -> None:
    values = torch.full((256,), 0.5)
    values[:2] = torch.tensor([0.0, 15.0])
    values[2:] = 1.2  # always down to 1
    error = (quantize_affine(values, AffineConfig(bits=4)).dequantize() - values).double()
    assert abs(error.mean().item()) / (error.std().item() / 16) > 4


def test_the_same_seed_rounds_the_same() -> None:
    values = torch.randn(1000)
    one, same, other = (
        quantize_affine(values, AffineConfig(), torch.Generator().manual_seed(seed)).codes
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf], [3e38, -3e38]])
def test_what_has_no_finite_range_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^values must"):
        quantize_affine(torch.tensor(values), AffineConfig())


@pytest.mark.parametrize(("field", "value"), [("bits", 3), ("group", 0), ("group", 3)])
def test_an_illegal_format_is_refused_by_its_field(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        AffineConfig.from_text([(field, str(value))])
