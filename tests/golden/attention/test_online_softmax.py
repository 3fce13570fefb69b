"""The bit-exact model of online_softmax: what is rescaled and added up is softmax."""

import numpy as np
import pytest
import torch

from consilico.golden.attention.online_softmax import OnlineSoftmaxConfig, online_softmax
from consilico.golden.attention.softmax import softmax_constant
from tests.golden.attention.rows import exact

K = softmax_constant(8 / 127)
RNG = np.random.default_rng(3)
ROWS = [
    np.arange(-128, 128),
    np.arange(127, -129, -1),
    np.full(256, -128),
    np.append(np.full(255, -128), 127),
    RNG.integers(-128, 128, 200),
]


def run(row: np.ndarray, slack: int) -> tuple[list[float], list[int], float]:
    """Return results, shifts, and the sum of a row of one lane."""
    config = OnlineSoftmaxConfig(slack=slack, row=256)
    score = torch.from_numpy(np.asarray(row, dtype=np.int64))[:, None]
    last = torch.arange(len(row)) == len(row) - 1
    found = online_softmax(score, torch.zeros_like(score, dtype=torch.bool), last, K, config)
    values = (found.data[:, 0].numpy().astype(np.uint32) << 16).view(np.float32)
    total = int(found.sum[-1]) / 2**config.sum_fraction
    return values.tolist(), found.rescale.tolist(), total


@pytest.mark.parametrize("slack", [0, 8])
@pytest.mark.parametrize("row", ROWS)
def test_rescaled_results_divided_by_the_sum_are_softmax(row: np.ndarray, slack: int) -> None:
    values, shifts, total = run(row, slack)
    # what a value that came with a score would be weighted with at the end of the row
    weights = []
    for place, value in enumerate(values):
        weights.append(value / 2.0 ** sum(shifts[place + 1 :]))
    found = np.array(weights) / total
    expected = exact(row, K / 2**17)
    assert np.abs(found / expected - 1)[expected > 1e-6].max() < 0.01


def test_lazy_rescaling_is_seldom() -> None:
    row = ROWS[0]
    often, seldom = (sum(shift > 0 for shift in run(row, slack)[1][1:]) for slack in (0, 8))
    assert seldom <= often // 8
    assert max(run(row, 8)[0]) < 2.0**9


def test_a_row_forgets_the_one_before() -> None:
    score = torch.tensor([[100], [-100], [-100]])
    none, last = torch.zeros_like(score, dtype=torch.bool), torch.tensor([True, False, True])
    found = online_softmax(score, none, last, K, OnlineSoftmaxConfig())
    assert found.data[1] == found.data[2]
    assert found.data[1] > 0x3F00
    assert int(found.sum[2]) == 2 * int(found.sum[1])


def test_masked_scores_take_no_part() -> None:
    score, mask = torch.tensor([[127, 3]]), torch.tensor([[True, False]])
    config = OnlineSoftmaxConfig(lanes=2)
    found = online_softmax(score, mask, torch.tensor([True]), K, config)
    assert found.data[0, 0] == 0
    alone = online_softmax(score[:, 1:], mask[:, 1:], torch.tensor([True]), K, config)
    assert torch.equal(found.sum, alone.sum)
