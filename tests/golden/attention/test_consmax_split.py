"""The bit-exact model of consmax/split: wide scores, balanced tables, and what it refuses."""

import pytest
import torch

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_split import SplitConfig, consmax_split, split_constants

CODES = torch.arange(-128, 128)[:, None]
NONE = torch.zeros_like(CODES, dtype=torch.bool)
HEAD = HeadConstants(scale=8 / 127, log_c=-6.0)


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


def test_pairs_need_an_even_number_of_lanes() -> None:
    with pytest.raises(ValueError, match=r"^lanes must be even with scores=int16, not 3$"):
        SplitConfig(scores="int16", lanes=3)
