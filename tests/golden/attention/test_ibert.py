"""The bit-exact model of ibert: what its authors' integers are, and where the method breaks."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from consilico.golden.attention.ibert import (
    IbertConfig,
    exponential,
    ibert,
    ibert_constants,
)
from tests.golden.attention.rows import Row, exact, filled, shown

WIDE, NARROW = IbertConfig(), IbertConfig(scores="int8")
STEP = {WIDE: 256, NARROW: 1}  # codes of an INT8 score
A, B = 0.35815147, 0.96963238


def results(row: Row, scale: float, config: IbertConfig) -> np.ndarray:
    """Return what becomes of INT8 scores that count ``scale`` each."""
    constants = ibert_constants(scale / STEP[config], config)
    score, mask = filled([np.asarray(row) * STEP[config]])
    return shown(ibert(score, mask, constants, config), [row])[0]


def published(excess: int, scale: float) -> int:
    """Return the exponential as IntSoftmax of transformers has it, in integers of any width."""
    x0, b = math.floor(-0.6931 / scale), math.floor(B / A / scale)
    c = math.floor(1 / A / scale**2)
    x = max(-excess, 30 * x0)
    q = math.floor(x / x0)
    r = x - x0 * q
    power = max(0, math.floor(((r + b) * r + c) * 2 ** (30 - q)))
    # requantized to steps of 1 / 32767 by a multiplier of 31 bits, half to even
    mantissa, exponent = math.frexp(A * scale**2 / 2**30 * 32767)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    return round(Fraction(power * multiplier, 1) / Fraction(2) ** (31 - exponent))


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["int16", "int8"])
@pytest.mark.parametrize("scale", [0.0066, 0.0217, 8 / 127, 24 / 127, 0.55, 1])
def test_exponentials_are_within_a_step_of_the_published_ones(
    config: IbertConfig, scale: float
) -> None:
    of_code = scale / STEP[config]
    far = min(1 << config.score_width, round(12 / of_code))
    excess = np.unique(np.random.default_rng(1).integers(0, far, 3000))
    constants = ibert_constants(of_code, config)
    found = exponential(torch.from_numpy(excess), constants, config)
    expected = np.array([published(int(each), of_code) for each in excess])
    assert np.abs(found.numpy() - expected).max() <= 1


def test_wide_scores_give_softmax_but_for_truncated_results() -> None:
    row = np.clip(np.random.default_rng(1).normal(-20, 35, 256), -128, 127).astype(int)
    error = results(row, 8 / 127, WIDE) / 256 - exact(row, 8 / 127 * np.log2(np.e))
    assert -1 / 256 - 0.001 < error.min() < -0.003
    assert error.max() < 0.001


def test_in_narrow_scores_ln_2_is_a_few_steps() -> None:
    row = [0, -11]  # of a scale of 8 / 127: 11 steps are ln 2, and 12 stand for it
    assert ibert_constants(8 / 127, NARROW).ln2 == 12
    wide, narrow = results(row, 8 / 127, WIDE), results(row, 8 / 127, NARROW)
    assert abs(wide[1] / wide[0] - 0.5) < 0.01
    assert narrow[1] / narrow[0] > 0.51


@pytest.mark.parametrize(
    ("count", "each"), [(1, 255), (2, 127), (255, 1), (256, 0), (257, 0), (1024, 0)]
)
def test_rows_of_equal_scores(count: int, each: int) -> None:
    assert results(np.full(count, 5), 8 / 127, WIDE).tolist() == [each] * count


def test_masked_scores_take_no_part() -> None:
    score, mask = filled([[30000, 300, 300], [5, 5, 5]], [[1, 0, 0], [1, 1, 1]])
    found = ibert(score, mask, ibert_constants(1 / 4096, WIDE), WIDE)
    assert found[:, :, 0].tolist() == [[0, 127, 127], [0, 0, 0]]


@pytest.mark.parametrize("config", [WIDE, NARROW], ids=["int16", "int8"])
def test_a_scale_whose_constants_do_not_fit_is_refused(config: IbertConfig) -> None:
    assert ibert_constants(config.least_scale * 1.00001, config).align == 0
    for scale in (config.least_scale * 0.99999, 0, -1, 1.0001):
        with pytest.raises(ValueError, match=f"scale must be above .* per code of {config.scores}"):
            ibert_constants(scale, config)


def test_scores_have_8_or_16_bits() -> None:
    with pytest.raises(ValueError, match="scores must be one of int16, int8, not 'int32'"):
        IbertConfig(scores="int32")
