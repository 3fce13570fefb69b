"""The lines of the nearest-code search, for every bf16 number from 2 ** -31 to 1."""

import pytest
import torch

from consilico.golden.training.dynamic_code import magnitudes, nearest_code
from consilico.hw.training.blockwise_quantize import LEAST_EXPONENT, SHIFT, Line, lines


def wrong(found: dict[int, list[Line]], signed: bool) -> int:
    """Numbers whose line gives another code than the nearest."""
    mantissa = torch.arange(128)
    zero = 127 if signed else 0
    count = 0
    for exponent, run in found.items():
        index = torch.zeros(128, dtype=torch.int64)
        for line in run:
            value = (line.slope * mantissa + line.offset) >> SHIFT
            index = torch.where(mantissa >= line.mantissa, value, index)
        number = (128 + mantissa).double() * 2.0 ** (exponent - 134)
        count += int((index + zero != nearest_code(number, signed=signed)).sum())
    return count


@pytest.mark.parametrize("signed", [True, False])
def test_every_number_finds_its_nearest_code(signed: bool) -> None:
    found = lines(signed=signed)
    assert sorted(found) == list(range(LEAST_EXPONENT, 127))
    assert wrong(found, signed) == 0


@pytest.mark.parametrize("signed", [True, False])
def test_numbers_below_the_lines_are_nearest_to_zero(signed: bool) -> None:
    assert magnitudes(signed=signed)[1] / 2 > 2.0 ** (LEAST_EXPONENT - 127)


def test_a_wrong_line_is_found() -> None:
    found = dict(lines(signed=True))
    line = found[125][0]
    found[125] = [line._replace(offset=line.offset + (1 << SHIFT - 1))]
    assert wrong(found, signed=True) > 0
