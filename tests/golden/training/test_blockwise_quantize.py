"""8-bit codes of optimizer states: every bf16 number in [-1, 1], round trips, whole blocks."""

import pytest
import torch
from torch import Tensor

from consilico.golden.training.blockwise_dequantize import (
    BlockwiseDequantizeConfig,
    blockwise_dequantize,
)
from consilico.golden.training.blockwise_quantize import (
    BlockwiseQuantizeConfig,
    blockwise_quantize,
    normalize,
)
from consilico.golden.training.dynamic_code import (
    dynamic_code_book,
    nearest_code,
    values,
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
def test_every_number_in_the_unit_interval_gets_the_nearest_code(code: str) -> None:
    magnitude = torch.cat([torch.zeros(1).long(), torch.arange(0x80, ONE + 1)])
    state = torch.cat([magnitude, magnitude | 0x8000])
    signed = code == "signed"
    found = blockwise_quantize(state, ONE, BlockwiseQuantizeConfig(code=code))
    exact = torch.tensor([float(value) for value in values(signed=signed)], dtype=torch.float64)
    distance = (numbers(state)[:, None] - exact).abs()
    chosen = distance.gather(1, found[:, None])[:, 0]
    assert (chosen <= distance.min(1).values + 1e-16).all()  # ties, rounded to float64


def test_the_greatest_state_of_a_block_is_normalized_to_one() -> None:
    absmax = torch.arange(0x80, 0x7F80)
    ones = [int(normalize(bits[None], int(bits))) for bits in absmax[::97]]
    assert set(ones) == {ONE}
    assert {int(normalize(bits[None], int(bits))) for bits in absmax[0x3F00:0x3F80]} == {ONE}


def test_normalized_states_are_within_an_ulp_of_the_quotient() -> None:
    mantissa = torch.arange(128)
    for divisor in range(128):
        absmax = 0x4000 | divisor
        state = 0x3E80 | mantissa  # three binades below
        found = normalize(state, absmax)
        quotient = numbers(state) / numbers(torch.tensor(absmax))
        ulp = 2.0 ** (torch.frexp(quotient).exponent - 8)
        assert ((numbers(found) - quotient).abs() <= ulp).all()


@pytest.mark.parametrize("code", CODES)
def test_codes_survive_a_round_trip(code: str) -> None:
    codes = torch.arange(256)
    for absmax in (0x0F80, ONE, 0x7080):  # powers of two: no rounding in between
        states = blockwise_dequantize(codes, absmax, BlockwiseDequantizeConfig(code=code))
        assert torch.equal(
            blockwise_quantize(states, absmax, BlockwiseQuantizeConfig(code=code)), codes
        )


@pytest.mark.parametrize("code", CODES)
def test_whole_blocks_are_nearly_as_good_as_exact_division(code: str) -> None:
    generator = torch.Generator().manual_seed(4)
    moment = torch.randn(32, 2048, generator=generator) * 1e-3
    block = patterns(moment if code == "signed" else moment**2)
    exact, hardware, differ = 0.0, 0.0, 0
    book = dynamic_code_book(signed=code == "signed").double()
    for state in block:
        absmax = int((state & 0x7FFF).max())
        normal = numbers(state) / numbers(torch.tensor(absmax))
        ideal = nearest_code(normal, signed=code == "signed").long()
        found = blockwise_quantize(state, absmax, BlockwiseQuantizeConfig(code=code))
        assert (found - ideal).abs().max() <= 1
        differ += int((found != ideal).sum())
        exact += float((book[ideal] - normal).abs().sum())
        hardware += float((book[found] - normal).abs().sum())
    assert differ < 0.05 * block.numel()
    assert hardware < 1.025 * exact


@pytest.mark.parametrize(("code", "zero"), [("signed", 127), ("unsigned", 0)])
def test_a_block_of_zeros_has_codes_of_zero(code: str, zero: int) -> None:
    state = torch.tensor([0, 0x8000, 0x0080, 0xBF80])
    assert blockwise_quantize(state, 0, BlockwiseQuantizeConfig(code=code)).tolist() == [zero] * 4
    assert not blockwise_dequantize(
        torch.arange(256), 0, BlockwiseDequantizeConfig(code=code)
    ).any()


@pytest.mark.parametrize("code", CODES)
def test_the_code_is_at_most_one_from_that_of_the_exact_quotient(code: str) -> None:
    state = torch.arange(98 << 7, 128 << 7)[:, None]
    absmax = torch.arange(127 << 7, 128 << 7)[None, :]
    pairs = state <= absmax
    state, absmax = state.expand_as(pairs)[pairs], absmax.expand_as(pairs)[pairs]
    found = blockwise_quantize(state, absmax, BlockwiseQuantizeConfig(code=code))
    wanted = nearest_code(numbers(state) / numbers(absmax), signed=code == "signed").long()
    missed = (found - wanted).abs()
    assert int(missed.max()) == 1
    assert 0.005 < float(missed.double().mean()) < 0.02
