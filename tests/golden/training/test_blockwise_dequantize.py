"""States from 8-bit codes: the bf16 code book times the scale."""

import pytest
import torch
from torch import Tensor

from consilico.golden.training.blockwise_dequantize import (
    BlockwiseDequantizeConfig,
    blockwise_dequantize,
)
from consilico.golden.training.dynamic_code import (
    book_bits,
    dynamic_code_book,
)

ONE = 0x3F80
CODES = ["signed", "unsigned"]


def numbers(bits: Tensor) -> Tensor:
    """Values of bf16 bit patterns, float64."""
    return bits.to(torch.int16).view(torch.bfloat16).double()


def patterns(value: Tensor) -> Tensor:
    """bf16 bit patterns of numbers, int64."""
    return value.to(torch.bfloat16).view(torch.int16).long() & 0xFFFF


@pytest.mark.parametrize("code", CODES)
def test_dequantized_states_are_the_bf16_book_times_the_scale(code: str) -> None:
    book = dynamic_code_book(signed=code == "signed")
    assert book_bits(signed=code == "signed") == patterns(book).tolist()
    for absmax in (ONE, 0x3A37, 0x41FF):
        scale = torch.tensor(absmax).to(torch.int16).view(torch.bfloat16)
        expected = patterns(book.to(torch.bfloat16) * scale)
        found = blockwise_dequantize(
            torch.arange(256), absmax, BlockwiseDequantizeConfig(code=code)
        )
        assert torch.equal(found, expected)
