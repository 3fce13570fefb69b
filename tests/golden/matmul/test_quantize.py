"""Bit-exact model of the group quantizer: certified error, scales, corners, refusals."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.bfloat16 import decode
from consilico.golden.matmul.quantize import QuantizeConfig, QuantizeResult, quantize, reciprocal

FORMS = [(mode, result) for mode in ("absmax", "minmax") for result in ("int8", "int4")]
LEAST_NORMAL = 0x0080
WIDTHS = [3, 4, 7, 8]  # of the greatest code


def value(pattern: int) -> Fraction:
    """What a bf16 pattern is to the quantizer: subnormals are 0, 255 is an exponent."""
    return (1 - 2 * (pattern >> 15)) * decode(pattern & 0x7FFF)


def span(group: list[int], mode: str) -> Fraction:
    """The range that a group's codes have to hold."""
    values = [Fraction(0), *map(value, group)]
    return max(map(abs, values)) if mode == "absmax" else max(values) - min(values)


def excess(group: list[int], result: QuantizeResult) -> Fraction:
    """Greatest error in units of the scale, minus a half: certified if it is at most 0."""
    scale, zero = decode(int(result.scale)), int(result.zero_point)
    codes = result.code[0].tolist()
    worst = max(abs(value(x) - scale * (q - zero)) for x, q in zip(group, codes, strict=True))
    return Fraction(worst / scale) - Fraction(1, 2)


@st.composite
def groups(draw: st.DrawFn) -> list[int]:
    """32 patterns: any, or of exponents near each other, or of one sign."""
    exponent = draw(st.integers(0, 250))
    near = st.builds(
        lambda sign, e, mantissa: sign << 15 | e << 7 | mantissa,
        st.integers(0, 1), st.integers(exponent, exponent + 5), st.integers(0, 127),
    )  # fmt: skip
    kinds = [st.integers(0, 0xFFFF), near, near.map(lambda x: x & 0x7FFF)]
    return draw(st.lists(draw(st.sampled_from(kinds)), min_size=32, max_size=32))


@pytest.mark.parametrize(("mode", "result"), FORMS)
@given(group=groups())
def test_error_is_at_most_half_the_scale_and_the_scale_is_the_least_that_fits(
    mode: str, result: str, group: list[int]
) -> None:
    config = QuantizeConfig(mode=mode, result=result, lanes=1, group=32)
    got = quantize(torch.tensor([group]), config)
    assert excess(group, got) <= 0
    top = (1 << config.magnitude_width) - 1
    low = -top if mode == "absmax" else 0
    assert low <= int(got.code.min()) <= int(got.code.max()) <= top
    assert 0 <= int(got.zero_point) <= top
    scale, least = int(got.scale), span(group, mode) / top
    assert decode(scale) >= least
    # the range of two ends is itself rounded up first, by less than 2 ** -7 of it
    slack = Fraction(1) if mode == "absmax" else 1 + Fraction(1, 128)
    assert scale == LEAST_NORMAL or decode(scale - 1) < least * slack


@pytest.mark.parametrize(("mode", "result"), FORMS)
def test_the_certificate_sees_a_wrong_code_and_a_wrong_scale(mode: str, result: str) -> None:
    config = QuantizeConfig(mode=mode, result=result, lanes=1, group=32)
    group = [0x3F80 + 7 * index for index in range(32)]
    right = quantize(torch.tensor([group]), config)
    assert excess(group, right) <= 0
    shifted = right.code.clone()
    shifted[0, 3] -= 1
    assert excess(group, right._replace(code=shifted)) > 0
    assert excess(group, right._replace(scale=right.scale + 16)) > 0


@pytest.mark.parametrize("mode", ["absmax", "minmax"])
def test_codes_are_those_of_float64_arithmetic(mode: str) -> None:
    config = QuantizeConfig(mode=mode, group=256)
    drawn = torch.from_numpy(np.random.default_rng(4).normal(0.2, 3.0, size=(200, 256)))
    x = drawn.to(torch.bfloat16)
    got = quantize(x.view(torch.int16).long() & 0xFFFF, config)
    scale = got.scale.to(torch.int16).view(torch.bfloat16).double()[:, None]
    ratio = x.double() / scale
    nearest = ratio.sign() * (ratio.abs() + 0.5).floor()
    zero = -nearest.amin(dim=1, keepdim=True) if mode == "minmax" else torch.zeros(200, 1)
    assert torch.equal(got.zero_point, zero.flatten().long())
    assert torch.equal(got.code, (nearest + zero).clamp(max=255).long())


def rounded_quotients(width: int, fraction: int) -> tuple[Any, Any]:
    """All quotients of the hardware, from a reciprocal with so many fraction bits, and exact ones.

    For every significand of value and scale, and all distances of their exponents that matter.
    """
    x, scale = np.arange(128, 256)[:, None], np.arange(128, 256)[None]
    inverse = np.array([reciprocal(int(s), fraction) for s in range(128, 256)])
    kept = x * inverse >> (fraction - width - 1)
    got, exact = [], []
    for distance in range(-1, width + 1):
        fits = x << (distance + 2) <= ((1 << width) - 1) * 4 * scale
        shifted = kept >> (width - distance)
        got.append(((shifted >> 1) + (shifted & 1))[fits])
        exact.append((((x << (distance + 3)) + 4 * scale) // (8 * scale))[fits])
    return np.concatenate(got), np.concatenate(exact)


@pytest.mark.parametrize("width", WIDTHS)
def test_reciprocal_is_the_shortest_that_rounds_every_quotient_right(width: int) -> None:
    mode = "absmax" if width in (3, 7) else "minmax"
    config = QuantizeConfig(mode=mode, result="int4" if width < 7 else "int8")
    assert config.magnitude_width == width
    got, exact = rounded_quotients(width, config.reciprocal_fraction)
    assert np.array_equal(got, exact)
    got, exact = rounded_quotients(width, config.reciprocal_fraction - 1)
    assert not np.array_equal(got, exact)


def quantized(mode: str, result: str, patterns: list[int]) -> QuantizeResult:
    """A group of 32 that repeats the patterns."""
    config = QuantizeConfig(mode=mode, result=result, lanes=1, group=32)
    return quantize(torch.tensor([patterns * (32 // len(patterns))]), config)


@pytest.mark.parametrize(("mode", "result"), FORMS)
@pytest.mark.parametrize("patterns", [[0, 0x8000], [0x007F, 0x8001]])
def test_zeros_and_subnormals_become_zero(mode: str, result: str, patterns: list[int]) -> None:
    got = quantized(mode, result, patterns)
    assert int(got.scale) == LEAST_NORMAL
    assert not (got.code - got.zero_point).any()
    assert not got.nonfinite.any()


@pytest.mark.parametrize("sign", [0, 0x8000])
def test_a_group_on_one_side_of_zero_keeps_its_values(sign: int) -> None:
    """0.949 comes back as such, where a clamped zero point alone would make it 0.099."""
    got = quantized("minmax", "int4", [0x3F73 | sign])
    scale = float(decode(int(got.scale)))
    result = scale * (int(got.code[0, 0]) - int(got.zero_point))
    assert abs(abs(result) - 0.949) < scale / 2 < 0.033
    assert (result < 0) == bool(sign)
    assert int(got.zero_point) == (15 if sign else 0)


@pytest.mark.parametrize("mode", ["absmax", "minmax"])
@pytest.mark.parametrize("pattern", [0x7F80, 0xFF80, 0x7FC0, 0xFFFF])
def test_infinity_and_nan_are_flagged_and_read_as_numbers(mode: str, pattern: int) -> None:
    got = quantized(mode, "int8", [pattern, 0x3F80])
    assert got.nonfinite.all()
    great, one = (got.code[0, :2] - got.zero_point).tolist()
    assert one == 0
    assert 120 <= (-great if pattern >> 15 else great) <= (127 if mode == "absmax" else 255)


def test_greatest_values_are_not_taken_for_infinite() -> None:
    got = quantized("minmax", "int8", [0x7F7F, 0xFF7F])
    assert not got.nonfinite.any()
    assert int(got.scale) == (256 - 8) << 7  # (2 ** 129 - 2 ** 121) / 255, exactly
    assert set(got.code.flatten().tolist()) == {0, 255}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": 96}, r"^group must be one of 32, 64, 128, 256, not 96$"),
        ({"lanes": 3}, r"^lanes must be one of 1, 2, 4, 8, 16, 32, not 3$"),
        ({"lanes": 8, "group": 32}, r"^lanes must be at most group / 8 = 4, not 8$"),
        ({"mode": "max"}, r"^mode must be one of absmax, minmax, not 'max'$"),
    ],
)
def test_configuration_names_the_field_it_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuantizeConfig(**fields)
