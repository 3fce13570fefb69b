"""Bit-exact model of the dot product of group-quantized weights, and how lanes see zero points."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.bfloat16 import decode, encode
from consilico.golden.matmul.group_dot import GroupDotConfig, fixed_scale, group_dot


def drawn(groups: int, config: GroupDotConfig, seed: int) -> tuple[torch.Tensor, ...]:
    """Activations, codes and zero points."""
    source = torch.Generator().manual_seed(seed)
    shape = (groups, config.group)
    x = torch.randint(-128, 128, shape, generator=source)
    q = torch.randint(0, 16, shape, generator=source)
    return x, q, torch.randint(0, 16, (groups,), generator=source)


@pytest.mark.parametrize("group", [32, 64, 128, 256])
def test_int8_scales_are_exact(group: int) -> None:
    config = GroupDotConfig(group=group, scale="int8")
    x, q, zero = drawn(4, config, group)
    scale = torch.tensor([255, 0, 3, 100])
    result = group_dot(x, q, zero, scale, torch.tensor([False, True, False, True]), 0, config)
    # the issue's own form of it: s * (sum(q * x) - z * sum(x))
    terms = scale * ((q * x).sum(1) - zero * x.sum(1))
    assert result.sum.tolist() == [int(terms[:2].sum()), int(terms[2:].sum())]
    assert not result.overflow.any()


@given(seed=st.integers(0, 99), spread=st.integers(0, 12), exponent=st.integers(20, 230))
def test_bf16_scales_err_by_half_a_unit_times_the_group_sum(
    seed: int, spread: int, exponent: int
) -> None:
    config = GroupDotConfig(group=32)
    x, q, zero = drawn(3, config, seed)
    source = torch.Generator().manual_seed(seed)
    above = torch.randint(4 - spread, 5, (3,), generator=source)
    scale = (exponent + above) << 7 | torch.randint(0, 128, (3,), generator=source)
    end = torch.tensor([False, False, True])
    result = group_dot(x, q, zero, scale, end, exponent, config)
    sums = ((q - zero[:, None]) * x).sum(1).tolist()
    exact = sum(
        (decode(s) * total for s, total in zip(scale.tolist(), sums, strict=True)), Fraction(0)
    )
    exact /= Fraction(2) ** (exponent - 134)
    below = (scale >> 7) < exponent
    bound = sum(abs(total) for total, rounded in zip(sums, below.tolist(), strict=True) if rounded)
    assert abs(int(result.sum) - exact) <= Fraction(bound, 2)
    assert not result.overflow.any()


def test_a_scale_above_the_headroom_saturates_and_says_so() -> None:
    raw = torch.tensor([124 << 7 | 127, 125 << 7, 0x7F, 0, 1 << 15 | 125 << 7])
    scale, over = fixed_scale(raw, 120)
    assert scale.tolist() == [255 << 4, 4095, 0, 0, -4095]
    assert over.tolist() == [False, True, False, False, True]


def test_a_negative_scale_negates_the_sum() -> None:
    config = GroupDotConfig(group=32)
    x, q, zero = drawn(2, config, 5)
    scale, end = torch.tensor([120 << 7 | 3, 121 << 7]), torch.tensor([False, True])
    positive = group_dot(x, q, zero, scale, end, 119, config)
    negative = group_dot(x, q, zero, scale | 1 << 15, end, 119, config)
    assert positive.sum.item() == -negative.sum.item() != 0


def test_bf16_results_are_the_sums_correctly_rounded() -> None:
    x, q, zero = drawn(40, GroupDotConfig(group=32), 9)
    scale = torch.arange(40) + (121 << 7)
    end = torch.arange(40) % 3 != 0
    inputs = x, q, zero, scale, end, 119
    sums = group_dot(*inputs, GroupDotConfig(group=32)).sum
    result = group_dot(*inputs, GroupDotConfig(group=32, output="bf16"))
    for exact, bits in zip(sums.tolist(), result.sum.tolist(), strict=True):
        assert bits & 0x7FFF == encode(abs(exact) * Fraction(2) ** (119 - 134))
        assert bits >> 15 == (exact < 0)
    assert not result.overflow.any()


def test_a_sum_beyond_32_bits_wraps_and_stays_flagged() -> None:
    config = GroupDotConfig(group=256, scale="int8")
    x, q = torch.full((36, 256), 127), torch.full((36, 256), 15)
    x[18:] = -127
    zero, scale = torch.zeros(36, dtype=torch.int64), torch.full((36,), 255)
    end = torch.arange(36) == 35
    result = group_dot(x, q, zero, scale, end, 0, config)
    assert (result.sum.item(), result.overflow.item()) == (0, True)


def test_an_illegal_group_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"group must be one of 32, 64, 128, 256, not 48"):
        GroupDotConfig(group=48)
