"""The bit-exact model of sole: where the method breaks, it breaks."""

import numpy as np
import pytest
import torch

from consilico.golden.attention.sole import SoleConfig, exponent_of, sole
from tests.golden.attention.rows import Row, filled, shown


def results(row: Row) -> np.ndarray:
    return shown(sole(*filled([row]), SoleConfig()), [row])[0] / 256


def test_exponents_are_within_three_quarters_of_a_bit_of_the_logarithm() -> None:
    excess = torch.arange(160)
    exact = excess.numpy() / 16 * np.log2(np.e)
    assert np.abs(exponent_of(excess).numpy() - exact).max() < 0.75
    assert exponent_of(torch.tensor(255)) == 15


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ([-128], [210]),  # 0.818 for 1
        ([127], [210]),
        ([7, 7], [105, 105]),
        ([7, 7, 7], [73, 73, 73]),  # the sum's second bit is 1
        (np.full(256, 5), [1] * 256),
        (np.full(512, 5), [0] * 512),
    ],
)
def test_rows_of_equal_scores(row: Row, found: list[int]) -> None:
    assert (results(row) * 256).tolist() == found


def test_a_drawn_row_is_as_near_as_a_power_of_two_is() -> None:
    row = np.clip(np.random.default_rng(1).normal(0, 24, 64), -128, 127).astype(int)
    powers = np.exp((row - row.max()) / 16)
    assert np.abs(results(row) - powers / powers.sum()).max() < 0.2


def test_masked_scores_take_no_part() -> None:
    found = sole(*filled([[127, 3, 3], [5, 5, 5]], [[1, 0, 0], [1, 1, 1]]), SoleConfig())
    assert found[:, :, 0].tolist() == [[0, 105, 105], [0, 0, 0]]


def test_exponents_that_are_kept_are_rounded_twice() -> None:
    kept = SoleConfig(stores="exponents")
    first, grows = [15, -15, 0], [0, -15, 15]
    by_score, by_exponent = (
        [shown(sole(*filled([row]), config), [row])[0].tolist() for row in (first, grows)]
        for config in (SoleConfig(), kept)
    )
    assert by_exponent[0] == by_score[0]  # the maximum comes first
    # 15 codes round to an exponent of 1, twice 15 to one of 3
    assert by_score[1] == [73, 18, 146]
    assert by_exponent[1] == [73, 36, 146]


def test_words_of_exponents_are_narrower_where_many_scores_come_at_a_time() -> None:
    def bits(lanes: int) -> list[int]:
        return [SoleConfig(lanes=lanes, stores=each).word_bits for each in ("scores", "exponents")]

    assert (bits(1), bits(16)) == ([9, 12], [144, 72])
