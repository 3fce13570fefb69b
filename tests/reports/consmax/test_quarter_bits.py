"""Rounding scores to quarters of a bit: nothing changes where nothing is rounded."""

from dataclasses import replace

import numpy as np
import pytest

from consilico.golden.attention.consmax_base2 import Base2Config
from consilico.reports.consmax.quarter_bits import rounded_attention
from consilico.sim.traffic.score_traffic import synthetic_traffic
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic

SAMPLING = ScoreSampling(windows=2, window=64, tiles_per_head=1)


@pytest.fixture(scope="module")
def traffic() -> ScoreTraffic:
    return synthetic_traffic(SAMPLING, reason="test")


def scaled(traffic: ScoreTraffic, scale: float) -> ScoreTraffic:
    return replace(traffic, heads=[replace(head, scale=scale) for head in traffic.heads])


def test_scores_that_are_quarters_stay_as_they_are(traffic: ScoreTraffic) -> None:
    found = rounded_attention(scaled(traffic, np.log(2) / 4), SAMPLING, Base2Config())
    assert found.most_moved < 1e-6
    assert found.other_greatest == 0
    assert found.scores == int((~traffic.mask).sum())


def test_rounding_moves_at_most_what_half_a_step_allows(traffic: ScoreTraffic) -> None:
    found = rounded_attention(traffic, SAMPLING, Base2Config(score_integer=8))
    assert 0.001 < found.mean_moved < found.most_moved < (2 ** (1 / 4) - 1) / 2
    assert found.saturated == 0


def test_scores_that_saturate_are_counted(traffic: ScoreTraffic) -> None:
    found = rounded_attention(scaled(traffic, 1.0), SAMPLING, Base2Config(score_integer=3))
    assert 0.05 < found.saturated < 1
    assert found.most_moved > 0.2
