"""Bit-exact model of the requantizer against rational arithmetic."""

from fractions import Fraction
from math import floor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.matmul.requant import RequantConfig, channel_scale, requant

LEAST, GREATEST = -(1 << 31), (1 << 31) - 1


def reference(x: int, multiplier: int, shift: int, zero_point: int, config: RequantConfig) -> int:
    """The definition, in exact rational numbers, before saturation."""
    value = Fraction(x * multiplier, 1 << shift)
    if config.rounding == "half_even":
        return round(value) + zero_point
    magnitude = floor(abs(value) + Fraction(1, 2))
    return (magnitude if value >= 0 else -magnitude) + zero_point


def one(x: int, multiplier: int, shift: int, zero_point: int, config: RequantConfig) -> Any:
    """Code and flag of a single sum."""
    constants = torch.tensor([multiplier]), torch.tensor([shift])
    result = requant(torch.tensor([[x]]), *constants, zero_point, config)
    return int(result.code), bool(result.saturated)


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int, int, RequantConfig]:
    width = draw(st.sampled_from([4, 16, 32]))
    config = RequantConfig(
        result=draw(st.sampled_from(["int8", "int4"])),
        rounding=draw(st.sampled_from(["half_away", "half_even"])),
        zero_point=True,
        multiplier_width=width,
    )
    half = 1 << (config.result_width - 1)
    # few different bits: ties, which drawn numbers hardly ever are
    x = draw(st.integers(LEAST, GREATEST) | st.integers(-40, 40).map(lambda v: v << 20))
    top = (1 << width) - 1
    multiplier = draw(st.integers(0, top) | st.sampled_from([0, 1, 1 << (width - 1), top]))
    return x, multiplier, draw(st.integers(0, 63)), draw(st.integers(-half, half - 1)), config


@given(cases())
def test_result_is_the_exact_one_saturated(
    case: tuple[int, int, int, int, RequantConfig],
) -> None:
    exact, config = reference(*case), case[-1]
    half = 1 << (config.result_width - 1)
    code = min(max(exact, -half), half - 1)
    assert one(*case) == (code, code != exact)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("half_away", [-3, -2, -1, 0, 1, 2, 3]), ("half_even", [-2, -2, 0, 0, 0, 2, 2])],
)
def test_ties(rounding: str, expected: list[int]) -> None:
    config = RequantConfig(rounding=rounding)
    assert [one(x, 1, 1, 0, config)[0] for x in (-5, -3, -1, 0, 1, 3, 5)] == expected


def test_extremes_of_every_width_are_exact() -> None:
    for width in (4, 16, 32):
        config = RequantConfig(multiplier_width=width)
        top = (1 << width) - 1
        for x in (LEAST, GREATEST):
            places = 31 + width - 7  # brings the greatest product to the end of INT8
            for shift in (0, places - 1, places, places + 1, 63):
                exact = reference(x, top, shift, 0, config)
                code = min(max(exact, -128), 127)
                assert one(x, top, shift, 0, config) == (code, code != exact)


@given(st.fractions(Fraction(1, 1 << 40), Fraction(1000)), st.sampled_from([4, 8, 16, 32]))
def test_constants_are_the_nearest_normalized_ones(scale: Fraction, width: int) -> None:
    if scale < Fraction(1 << width, 1 << 64) or scale > (1 << width) - 1:
        return
    multiplier, shift = channel_scale(scale, RequantConfig(multiplier_width=width))
    assert 0 < multiplier < 1 << width
    assert abs(Fraction(multiplier, 1 << shift) - scale) <= Fraction(1, 2 << shift)
    assert multiplier >= 1 << (width - 1) or shift == 0


@pytest.mark.parametrize("scale", [Fraction(1, 1 << 49), Fraction(1 << 16), Fraction(0)])
def test_scales_out_of_reach_are_refused(scale: Fraction) -> None:
    with pytest.raises(ValueError, match=r"^scale must be in \[3\.55271e-15, 65535\], not "):
        channel_scale(scale, RequantConfig())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"result": "int5"}, r"^result must be one of int8, int4, not 'int5'$"),
        ({"rounding": "up"}, r"^rounding must be one of half_away, half_even, not 'up'$"),
        ({"multiplier_width": 3}, r"^multiplier_width must be an integer in \[4, 32\], not 3$"),
    ],
)
def test_configuration_names_the_field_it_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RequantConfig(**fields)
