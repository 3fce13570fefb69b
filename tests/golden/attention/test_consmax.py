"""What all ConSmax units share: masks, flags, and where results saturate."""

import pytest
import torch

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import HeadConstants, overflow_range
from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants
from consilico.golden.attention.consmax_split import SplitConfig, consmax_split, split_constants

CODES = torch.arange(-128, 128)[:, None]
NONE = torch.zeros_like(CODES, dtype=torch.bool)


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


@pytest.mark.parametrize("log_c", [-5.0, 30.0, 44.0])
def test_overflow_range_is_where_the_hardware_saturates(log_c: float) -> None:
    config = Log2Config()
    head = HeadConstants(scale=0.6, log_c=log_c)
    codes = torch.arange(-128, 128)[:, None]
    result = consmax_log2(
        codes, torch.zeros_like(codes, dtype=torch.bool), log2_constants(head, config), config
    )
    first = overflow_range(head, config).code
    saturating = codes[result.overflow].flatten().tolist()
    if first is None:
        assert saturating == []
    else:  # the hardware's rounding moves the edge by at most one code
        assert abs(min(saturating) - first) <= 1
