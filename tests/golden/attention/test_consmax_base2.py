"""The bit-exact model of consmax/base2: correctly rounded, and what it refuses."""

import math
from fractions import Fraction

import mpmath
import pytest
import torch

from consilico.golden import bfloat16
from consilico.golden.attention.consmax_base2 import (
    Base2Config,
    base2_codes,
    base2_constants,
    consmax_base2,
)

CODES = torch.arange(-128, 128)[:, None]
NONE = torch.zeros_like(CODES, dtype=torch.bool)


def nearest(log_c: float, code: int) -> int:
    """Return the bf16 number nearest to ``C * 2 ** (code / 4)``, with 50 digits."""
    with mpmath.workdps(50):
        exact = mpmath.exp(log_c) * mpmath.power(2, mpmath.mpf(code) / 4)
        return bfloat16.encode(Fraction(int(exact * 2**300), 2**300))


@pytest.mark.parametrize("log_c", [-80.0, -14.6, -6.1, -0.001, 0.0, 0.001, 0.69314, 2.0, 80.0])
def test_every_result_is_the_correctly_rounded_one(log_c: float) -> None:
    result = consmax_base2(CODES, NONE, base2_constants(log_c), Base2Config())
    expected = [nearest(log_c, code) for code in CODES.flatten().tolist()]
    assert result.data.flatten().tolist() == expected


def test_a_carry_counts_from_the_quarter_that_has_it() -> None:
    constants = base2_constants(0.6 * math.log(2))  # 2 ** 0.6, 2 ** 0.85, 2 ** 1.1, 2 ** 1.35
    assert (constants.exponent, constants.carry) == (127, (0, 1, 1))


def test_masked_lanes_are_zero_and_raise_no_flag() -> None:
    result = consmax_base2(CODES, ~NONE, base2_constants(80.0), Base2Config())
    assert not result.data.any()
    assert not result.overflow.any()


@pytest.mark.parametrize(("log_c", "limit"), [(80.0, bfloat16.MAX), (-80.0, 0)])
def test_flows_are_flagged_where_the_result_is_limited(log_c: float, limit: int) -> None:
    result = consmax_base2(CODES, NONE, base2_constants(log_c), Base2Config())
    flagged = result.overflow if limit else result.underflow
    assert 0 < int(flagged.sum()) < 256
    assert set(result.data[flagged].flatten().tolist()) == {limit}


def test_scores_are_rounded_to_quarters_of_a_bit_and_saturate() -> None:
    bit = math.log(2)
    score = torch.tensor([0.0, bit, 0.3 * bit, 0.38 * bit, -bit / 4, 1e3, -1e3])
    assert base2_codes(score, Base2Config()).tolist() == [0, 4, 1, 2, -1, 127, -128]
    assert base2_codes(score, Base2Config(score_integer=3))[-2:].tolist() == [15, -16]


@pytest.mark.parametrize("log_c", [-87.4, 88.3, math.inf])
def test_constants_that_are_no_bf16_numbers_are_refused(log_c: float) -> None:
    with pytest.raises(ValueError, match=r"^log_c must be in \[-87\.33, 88\.2\), not "):
        base2_constants(log_c)


def test_configuration_names_the_field_it_refuses() -> None:
    with pytest.raises(ValueError, match=r"^score_integer must be an integer in \[2, 8\], not 1$"):
        Base2Config(score_integer=1)
