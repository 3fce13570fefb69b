"""Formats of a normalized score as an operand."""

import numpy as np
import pytest
import torch

from consilico.golden import bfloat16
from consilico.sim.accuracy.formats import P_FORMATS, find_p_format
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.quantized import bf16_round
from consilico.sim.units.rows import real_bf16
from consilico.sim.units.unit import Powers


@pytest.mark.parametrize("name", ["int7", "uint8", "uint12", "2xint7"])
def test_codes_of_all_results_up_to_2_are_those_of_the_hardware_model(name: str) -> None:
    form = P_FORMATS[name]
    bits = np.arange(0x4000)[None]
    expected = bfloat16.to_fixed(torch.from_numpy(bits), form.bits, form.bits).bits
    found = form.weights(real_bf16(bits)) * 2.0**form.bits
    np.testing.assert_array_equal(found, expected.numpy())


def test_bf16_rounds_to_nearest_even() -> None:
    value = np.random.default_rng(1).random((50, 40))
    expected = bf16_round(value.astype(np.float32))
    np.testing.assert_array_equal(P_FORMATS["bf16"].weights(value.copy()), expected)
    halves = np.array([[1 + 2.0**-8, 1 + 3 * 2.0**-8]])
    assert P_FORMATS["bf16"].weights(halves).tolist() == [[1, 1 + 2.0**-6]]


def test_shares_of_the_greatest_are_divided_by_their_sum() -> None:
    row = np.array([[0.5, 0.25, 0.001, 0.0009, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    found = P_FORMATS["uint8-max"].weights(row.copy())
    codes = np.array([255, 128, 1, 0, 0])
    np.testing.assert_allclose(found, [codes / codes.sum(), np.zeros(5)], rtol=1e-12)


def test_results_relative_to_a_maximum_are_shifted_and_divided_by_what_is_left() -> None:
    powers = Powers(
        value=np.array([[1.0, 1.5, 0.0]]), shift=np.array([[3, 0, 0]]), total=np.array([1.75]),
        top=1,
    )  # fmt: skip
    rounded = P_FORMATS["uint8"].relative_weights(powers)
    np.testing.assert_allclose(rounded, [[16 / 208, 192 / 208, 0]], rtol=1e-12)
    real = P_FORMATS["bf16"].relative_weights(powers)
    np.testing.assert_allclose(real, [[0.125 / 1.75, 1.5 / 1.75, 0]], rtol=1e-12)


def test_a_row_of_nothing_stays_nothing() -> None:
    powers = Powers(
        value=np.zeros((1, 4)), shift=np.zeros((1, 4), dtype=np.int64), total=np.zeros(1), top=1
    )
    for form in P_FORMATS.values():
        assert not form.weights(np.zeros((2, 4))).any()
        assert not form.relative_weights(powers).any()


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"must be one of bf16, int7, uint8, .*, not 'fp8'"):
        find_p_format("fp8")
