"""Bit-exact models of the ConSmax units: certified accuracy, masks, flows, refusals."""

import math

import pytest
import torch

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants
from consilico.golden.attention.consmax_split import SplitConfig, consmax_split, split_constants

CODES = torch.arange(-128, 128)[:, None]
NONE = torch.zeros_like(CODES, dtype=torch.bool)
HEAD = HeadConstants(scale=8 / 127, log_c=-6.0)


def test_masked_lanes_are_zero_and_raise_no_flag() -> None:
    head = HeadConstants(scale=0.6, log_c=40.0)  # overflows for great codes
    every = torch.ones_like(NONE)
    for result in (
        consmax_log2(CODES, every, log2_constants(head, Log2Config()), Log2Config()),
        consmax_split(CODES, every, split_constants(head, SplitConfig()), SplitConfig()),
    ):
        assert not result.data.any()
        assert not result.overflow.any()
        assert not result.underflow.any()


@pytest.mark.parametrize(("log_c", "flag"), [(40.0, "overflow"), (-40.0, "underflow")])
def test_flows_are_flagged_where_the_result_is_not_exact(log_c: float, flag: str) -> None:
    head = HeadConstants(scale=0.6, log_c=log_c)
    limit = bfloat16.MAX if flag == "overflow" else 0
    for result in (
        consmax_log2(CODES, NONE, log2_constants(head, Log2Config()), Log2Config()),
        consmax_split(CODES, NONE, split_constants(head, SplitConfig()), SplitConfig()),
    ):
        flagged = getattr(result, flag)
        assert 0 < int(flagged.sum()) < 256
        assert set(result.data[flagged].flatten().tolist()) == {limit}


def test_fixed_output_is_the_rounded_bf16_result() -> None:
    config = Log2Config(output="fixed", fixed_width=12, fixed_fraction=14)
    constants = log2_constants(HEAD, config)
    wide = consmax_log2(CODES, NONE, constants, Log2Config())
    fixed = consmax_log2(CODES, NONE, constants, config)
    expected = [
        min(math.floor(bfloat16.decode(bits) * 2**14 + 0.5), 4095)
        for bits in wide.data.flatten().tolist()
    ]
    assert fixed.data.flatten().tolist() == expected


def test_wide_scores_equal_narrow_ones_where_they_are_the_same_number() -> None:
    config = SplitConfig(scores="int16", lanes=2)
    score = torch.arange(-32768, 32768, 127)
    lanes = torch.stack([score & 0xFF, (score >> 8) & 0xFF], dim=1)
    head = HeadConstants(scale=12 / 32767, log_c=-3.0)
    constants = split_constants(head, config, wide=True)
    result = consmax_split(lanes, torch.zeros_like(lanes, dtype=torch.bool), constants, config)
    exact = torch.exp(score.double() * head.scale + head.log_c)
    got = torch.tensor([float(bfloat16.decode(bits)) for bits in result.data[:, 0].tolist()])
    assert float((got / exact - 1).abs().max()) < 0.0235  # four rounded tables, three products
    assert not result.data[:, 1].any()


@pytest.mark.parametrize(
    ("scale", "log_c", "message"),
    [
        (0.7, 0.0, r"^scale must be above .* and below 0\.6931 a code, not 0\.7$"),
        (1e-9, 0.0, r"^scale must be above"),
        (0.1, 46.0, r"^log_c must be in \(-43\.6, 45\.0\), not 46$"),
        (0.1, -44.0, r"^log_c must be in"),
    ],
)
def test_log2_refuses_constants_that_do_not_fit(scale: float, log_c: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log2_constants(HeadConstants(scale=scale, log_c=log_c), Log2Config())


def test_split_refuses_wide_constants_without_int16() -> None:
    with pytest.raises(ValueError, match=r"^wide constants need scores=int16, not int8$"):
        split_constants(HEAD, SplitConfig(), wide=True)


def test_balanced_tables_err_less_than_plain_ones() -> None:
    def worst(*, balanced: bool) -> float:
        errors = []
        for step in range(1, 60):
            head = HeadConstants(scale=step / 300, log_c=-step / 5)
            tables = split_constants(head, SplitConfig(), balanced=balanced)
            bits = consmax_split(CODES, NONE, tables, SplitConfig()).data.flatten().tolist()
            got = torch.tensor([float(bfloat16.decode(b)) for b in bits], dtype=torch.float64)
            exact = torch.exp(CODES.flatten().double() * head.scale + head.log_c)
            errors.append(float((got / exact - 1).abs().max()))
        return max(errors)

    assert worst(balanced=True) <= 0.0080 < 0.0093 < worst(balanced=False)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lanes": 0}, r"^lanes must be an integer in \[1, 256\], not 0$"),
        ({"output": "fp8"}, r"^output must be one of bf16, fixed, not 'fp8'$"),
        ({"fraction": 18}, r"^fraction must be in \[address, k_fraction\] = \[8, 17\], not 18$"),
    ],
)
def test_configuration_names_the_field_it_refuses(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Log2Config(**fields)  # type: ignore[arg-type]  # what a careless caller may pass


def test_pairs_need_an_even_number_of_lanes() -> None:
    with pytest.raises(ValueError, match=r"^lanes must be even with scores=int16, not 3$"):
        SplitConfig(scores="int16", lanes=3)
