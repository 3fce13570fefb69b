"""The bit-exact model of consmax/log2: fixed-point results, and what it refuses."""

import math

import pytest
import torch

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants

CODES = torch.arange(-128, 128)[:, None]
NONE = torch.zeros_like(CODES, dtype=torch.bool)
HEAD = HeadConstants(scale=8 / 127, log_c=-6.0)


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
