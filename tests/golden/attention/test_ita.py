"""The bit-exact model of ita: where the method breaks, it breaks."""

import numpy as np
import pytest

from consilico.golden.attention.ita import ItaConfig, ita
from tests.golden.attention.rows import Row, exact, filled, shown

RAMP = np.arange(-128, 128)


def results(row: Row, fraction: int = 5) -> np.ndarray:
    return shown(ita(*filled([row]), ItaConfig(fraction=fraction)), [row])[0]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ([-128], {255}),
        ([7, 7], {127}),
        (np.full(255, 5), {1}),
        (np.full(256, 5), {0}),  # the quotient of 65280 and 65536 is 0
        (np.full(1024, 5), {0}),
        (np.full(2048, 5), {0}),  # the sum wraps to 0
        (np.full(2049, 5), {255}),  # and begins again
        (RAMP, {0}),  # no step of the maximum is great enough to rescale the sum
    ],
)
def test_rows_at_which_the_method_breaks(row: Row, found: set[int]) -> None:
    assert set(results(row).tolist()) == found


def test_a_ramp_in_great_steps_keeps_a_fifth_of_its_mass() -> None:
    assert results(RAMP[::15]).sum() / 256 == pytest.approx(0.2, abs=0.01)


def test_a_falling_ramp_is_near_to_exact_softmax() -> None:
    row = RAMP[::-8]
    assert np.abs(results(row) / 256 - exact(row, 1 / 32)).max() < 0.05


def test_without_fraction_bits_a_code_is_a_bit() -> None:
    assert results([0, -1, -2, -200], fraction=0).tolist() == [145, 72, 36, 0]


def test_masked_scores_take_no_part() -> None:
    found = ita(*filled([[127, 3, 3], [5, 5, 5]], [[1, 0, 0], [1, 1, 1]]), ItaConfig())
    assert found[:, :, 0].tolist() == [[0, 127, 127], [0, 0, 0]]
