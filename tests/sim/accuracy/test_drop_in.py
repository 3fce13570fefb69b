"""What can take the place of softmax, and with which scores."""

import math

import numpy as np
import pytest
import torch

from consilico.golden.attention.softermax import SoftermaxConfig, softermax
from consilico.golden.attention.softmax import SoftmaxConfig, softmax, softmax_constant
from consilico.sim.accuracy.drop_in import drop_in, drop_in_names
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.scores import quantize_scores
from consilico.sim.units.catalogue import catalogue
from consilico.sim.units.rows import in_beats, real_bf16


def rows(scores: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn scores in natural units, and the masks of the last queries of a window."""
    rng = np.random.default_rng(3)
    score = rng.normal(0, 3, (20, scores)).astype(np.float32)
    return score, np.arange(scores) > np.arange(scores - 20, scores)[:, None]


def test_softmax_gets_int8_scores_of_its_head_and_is_the_golden_model() -> None:
    score, mask = rows(150)
    found = drop_in("softmax", "bf16", 150)
    scale = found.scale(10.0)
    assert scale == 10 / 127
    code = quantize_scores(score, scale).astype(np.int64)
    assert (code.min(), code.max()) == (-127, 127)
    beats, hidden = (torch.from_numpy(each) for each in in_beats(code, mask, 64))
    config = SoftmaxConfig(lanes=64, row=256, buffer="sram")
    expected = softmax(beats, hidden, softmax_constant(scale), config)
    result = found.weights(scale, code, mask)
    np.testing.assert_array_equal(result, real_bf16(expected.numpy()).reshape(20, -1)[:, :150])


def test_scores_of_a_format_of_their_own_are_rounded_once() -> None:
    score, mask = rows(130)
    found = drop_in("softermax:lanes=16", "bf16", 130)
    scale = found.scale(10.0)
    assert scale == math.log(2) / 4
    code = quantize_scores(score, scale).astype(np.int64)
    np.testing.assert_array_equal(code, np.rint(score / scale))
    beats, hidden = (torch.from_numpy(each) for each in in_beats(code, mask, 16))
    expected = softermax(beats, hidden, SoftermaxConfig(lanes=16)).numpy() / 128
    result = found.weights(scale, code, mask)
    np.testing.assert_array_equal(result, expected.reshape(20, -1)[:, :130])


def test_every_drop_in_is_near_softmax_on_scores_that_its_format_holds() -> None:
    score, mask = rows(40)
    score = np.clip(score, -2.5, 2.5)
    shown = np.where(mask, -np.inf, score)
    exact = np.exp(shown) / np.exp(shown).sum(axis=1, keepdims=True)
    for name in drop_in_names():
        found = drop_in(name, "2xint7", 40)
        scale = found.scale(2.5)
        code = quantize_scores(score, scale).astype(np.int64)
        result = found.weights(scale, code, mask)
        assert not result[mask].any(), name
        assert np.abs(result - exact).sum(axis=1).mean() < 0.5, name
        assert np.abs(result[:, ::-1] - exact).sum(axis=1).mean() > 0.9, name


def test_rows_are_as_long_as_the_tokens_ask_for() -> None:
    assert drop_in("softmax", "uint8", 300).config == SoftmaxConfig(
        lanes=64, row=1024, buffer="sram"
    )
    assert getattr(drop_in("online_softmax", "uint8", 300).config, "row", 0) == 300


@pytest.mark.parametrize("name", [name for name in catalogue() if name.startswith("consmax/")])
def test_consmax_is_refused_as_it_needs_training(name: str) -> None:
    with pytest.raises(UserError, match=f"^{name} is no drop-in: a model has to be trained"):
        drop_in(name, "2xint7", 256)


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        (
            "base2_scores",
            "uint8",
            "normaliser must be one of exact, .*softmax.*, not 'base2_scores'",
        ),
        ("nonsense", "uint8", "not 'nonsense'"),
        ("softmax", "fp8", "p_format must be one of"),
        ("softmax:row=64", "uint8", "row follows from the tokens"),
        ("softmax:colour=red", "uint8", "softmax: .*colour"),
        (
            "ita",
            "uint8-max",
            "uint8-max needs results in floating point, and those of ita are codes",
        ),
        (
            "online_softmax",
            "uint8-max",
            "relative to the greatest .* in every format; ask for uint8$",
        ),
    ],
)
def test_what_is_not_accepted_is_named(name: str, form: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        drop_in(name, form, 256)
