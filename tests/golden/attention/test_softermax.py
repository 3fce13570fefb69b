"""The bit-exact model of softermax: where the method breaks, it breaks."""

import numpy as np
import pytest
import torch

from consilico.golden.attention.softermax import (
    POWERS,
    SUM_FRACTION,
    SoftermaxConfig,
    reciprocal,
    softermax,
)
from tests.golden.attention.rows import Row, exact, filled, shown


def results(row: Row) -> np.ndarray:
    return shown(softermax(*filled([row]), SoftermaxConfig()), [row])[0] / 128


def test_a_row_of_one_score_is_about_one() -> None:
    found = np.concatenate([results([code]) for code in range(-128, 128)]) * 128
    assert set(found) == {128, 130, 131}


@pytest.mark.parametrize(
    ("row", "total"),
    [
        (np.full(128, 9), 1.0),
        (np.full(256, 8), 2.0),  # 1 / 256 is rounded to 1 / 128
        (np.full(512, 8), 0.0),
        (np.full(4096, 8), 0.0),  # the sum saturates
        (np.append(0, np.full(255, -28)), 1 + 255 / 128),  # the sum has truncated 255 of them away
    ],
)
def test_row_sums_of_rows_at_which_the_method_breaks(row: np.ndarray, total: float) -> None:
    assert results(row).sum() == total


def test_the_truncation_of_a_beat_comes_after_its_sum() -> None:
    score = torch.tensor([0, *[-28] * 255]).reshape(1, -1, 4)
    wide = softermax(score, torch.zeros(score.shape, dtype=torch.bool), SoftermaxConfig(lanes=4))
    assert float(wide.sum()) / 128 < results(score.flatten().numpy()).sum()


def test_a_peak_is_near_to_exact_softmax() -> None:
    row = np.clip(np.random.default_rng(1).normal(0, 24, 64), -128, 127).astype(int)
    assert np.abs(results(row) - exact(row, 0.25)).max() < 0.03


def test_results_never_need_more_than_eight_bits() -> None:
    # the greatest score adds its power to the sum, and nothing takes it away again
    least = min(POWERS) >> 15 - SUM_FRACTION
    greatest = max(
        power * reciprocal((total << 7 >> total.bit_length() - 1) & 127)
        >> total.bit_length() - 1 + 9
        for power in POWERS
        for total in range(power >> 15 - SUM_FRACTION, 256)
    )
    assert least == 38
    assert greatest < 255


def test_masked_scores_take_no_part() -> None:
    rows = [[127, 3, 3], [5, 5, 5]]
    masks = [[1, 0, 0], [1, 1, 1]]
    found = softermax(*filled(rows, masks), SoftermaxConfig())[:, :, 0]
    assert found[0, 0] == 0
    assert found[0, 1] == found[0, 2] > 60
    assert not found[1].any()
