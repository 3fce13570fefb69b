"""Rows that a unit is driven with so that the lowest bits of their sums decide."""

import numpy as np
import pytest
import torch

from consilico.golden.attention.sole import SoleConfig, row_sum
from consilico.sim.units.rows import in_beats
from consilico.sim.units.sole import row_at_step


def decisive(total: int) -> tuple[int, int]:
    """Return what the quotient takes of a sum: where its leading one is, and its second bit."""
    place = total.bit_length() - 1
    return place, (total << 1 >> place) & 1


@pytest.mark.parametrize("config", [SoleConfig(row=16), SoleConfig(row=64, lanes=4)])
def test_one_more_or_less_changes_what_the_quotient_takes_of_the_sum(config: SoleConfig) -> None:
    rng = np.random.default_rng(1)
    below = 0
    for _ in range(100):
        score, mask = row_at_step(config, rng)
        assert len(score) <= config.row
        beats = in_beats(score[None], mask[None], config.lanes)
        total = int(row_sum(*map(torch.from_numpy, beats)).total[0])
        at, less, more = map(decisive, (total, total - 1, total + 1))
        assert at != less or at != more
        below += at != more
    assert 20 < below < 80
