"""Adam's states in 8 bits: error of the code book, blocks, and Adam itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilico.golden.training.dynamic_code import dynamic_code_book, nearest_code
from consilico.golden.training.moments import BLOCK, Blockwise, Moments, quantize_blockwise

rows = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50)


@settings(max_examples=50)
@given(rows, st.booleans())
def test_error_is_half_the_gap_around_a_value(numbers: list[float], signed: bool) -> None:
    values = torch.tensor(numbers)
    values = values if signed else values.abs()
    book = dynamic_code_book(signed=signed)
    largest = values.abs().max()
    error = (quantize_blockwise(values, signed=signed).dequantize() - values).abs()
    best = (book[None] * largest - values[:, None]).abs().amin(1)
    assert bool((error <= best + largest * 1e-6).all())


def test_codes_are_those_of_the_code_book() -> None:
    values = torch.randn(BLOCK, generator=torch.Generator().manual_seed(1))
    values[0] = values.abs().max() * 2
    expected = nearest_code(values / values[0], signed=True)
    assert torch.equal(quantize_blockwise(values, signed=True).codes, expected)


def test_blocks_do_not_disturb_each_other() -> None:
    small = torch.full((BLOCK,), 1e-9)
    back = quantize_blockwise(torch.cat([small, small * 1e12, small[:5]]), signed=True)
    assert back.absmax.shape == (3, 1)
    torch.testing.assert_close(back.dequantize()[:BLOCK], small)
    torch.testing.assert_close(back.dequantize()[2 * BLOCK :], small[:5])


def test_zeros_stay_zeros() -> None:
    assert not quantize_blockwise(torch.zeros(3, 5), signed=False).dequantize().any()


@pytest.mark.parametrize(("value", "signed"), [(math.nan, True), (math.inf, False), (-1.0, False)])
def test_what_the_code_book_cannot_hold_is_refused(value: float, signed: bool) -> None:
    with pytest.raises(ValueError, match=r"^values must"):
        quantize_blockwise(torch.tensor([0.5, value]), signed=signed)


def test_eight_bit_states_take_a_byte_and_a_float_a_block() -> None:
    moments = Moments(torch.zeros(64, 128), bits=8)
    moments.direction(torch.randn(64, 128), (0.9, 0.999), 1e-8)
    for held in (moments.mean, moments.square):
        assert isinstance(held, Blockwise)
        assert held.codes.untyped_storage().nbytes() == 64 * 128
        assert held.absmax.numel() == 64 * 128 // BLOCK


def test_small_states_stay_float() -> None:
    assert isinstance(Moments(torch.zeros(4095), bits=8).mean, torch.Tensor)
    assert isinstance(Moments(torch.zeros(4096), bits=8).mean, Blockwise)


def test_eight_bit_adam_moves_almost_as_adam_does() -> None:
    generator = torch.Generator().manual_seed(4)
    exact, eight = (Moments(torch.zeros(4096), bits=bits) for bits in (32, 8))
    scale = torch.rand(4096, generator=generator) + 0.1
    for _ in range(30):
        gradient = (torch.randn(4096, generator=generator) + 0.5) * scale
        one = exact.direction(gradient, (0.9, 0.95), 1e-8)
        other = eight.direction(gradient, (0.9, 0.95), 1e-8)
    assert not torch.equal(one, other)
    assert (one - other).norm().item() < 0.05 * one.norm().item()
