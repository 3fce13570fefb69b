"""The bit-exact model of base2_scores next to real arithmetic."""

import math

import pytest
import torch

from consilico.golden.attention.base2_scores import (
    Base2ScoresConfig,
    base2_scores,
    scale_constant,
)
from consilico.golden.attention.consmax_base2 import Base2Config, base2_codes

CODES = torch.arange(-128, 128)[:, None]


@pytest.mark.parametrize("scale", [0.5 / 127, 8 / 127, 24 / 127])
def test_results_are_what_a_model_folds_into_its_projection(scale: float) -> None:
    found = base2_scores(CODES, scale_constant(scale), Base2ScoresConfig())
    folded = base2_codes(CODES * scale, Base2Config())
    assert (found - folded).abs().max() <= 1  # where k's rounding moves a score past a half
    assert (found != folded).sum() < 16


def test_the_constant_moves_no_score_by_more_than_a_sixteenth_of_a_step() -> None:
    for scale in (0.013, 0.063, 0.19):
        k = scale_constant(scale) / 2**12
        assert 4 * 128 * abs(k - scale / math.log(2)) <= 1 / 16


def test_results_saturate_at_their_ends() -> None:
    k = scale_constant(0.6)
    found = base2_scores(CODES, k, Base2ScoresConfig(score_integer=3))
    assert (int(found.min()), int(found.max())) == (-16, 15)
    wide = base2_scores(CODES, (1 << 12) - 1, Base2ScoresConfig(score_integer=8))
    assert (int(wide.min()), int(wide.max())) == (-512, 508)


@pytest.mark.parametrize("scale", [0.0, 0.7])
def test_a_scale_that_does_not_fit_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be above"):
        scale_constant(scale)
