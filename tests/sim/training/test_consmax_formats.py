"""The bit-exact normalizer and formats of P in a trained GPT."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants
from consilico.golden.attention.consmax_module import ConSmax, head_constants
from consilico.golden.attention.softmax import SoftmaxConfig, softmax, softmax_constant
from consilico.sim.accuracy.formats import find_p_format
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.gpt_training import GptConfig
from consilico.sim.traffic.scores import quantize_scores
from consilico.sim.training.consmax_formats import (
    FORMATS,
    LEAST_BINADE,
    Calibration,
    HardwareWeights,
    UnitResults,
    calibrated,
    consmax_results,
    format_losses,
    formatted,
)
from consilico.sim.training.consmax_gpt import KINDS, NormalizedGpt, Normalizer
from consilico.sim.training.consmax_run import held_out_loss

TIME = 8
MODEL = GptConfig(layers=2, heads=2, width=16, context=TIME)
WINDOWS = torch.randint(256, (6, TIME + 1), generator=torch.Generator().manual_seed(1))
FUTURE = np.arange(TIME) > np.arange(TIME)[:, None]
SCORES = 3 * torch.randn(2, 2, TIME, TIME, generator=torch.Generator().manual_seed(2))
CALIBRATION = Calibration(score=((9.0, 7.5),) * 2, weight=((0.3, 0.9),) * 2)


def model_of(kind: str) -> NormalizedGpt:
    """Return a model as it is drawn."""
    torch.manual_seed(1)
    return NormalizedGpt(MODEL, Normalizer(kind=kind, gamma=4.0 if kind == "consmax" else 1.0))


def bf16(bits: Tensor) -> np.ndarray:
    """Return the numbers of bit patterns, by PyTorch's own bf16."""
    return bits.to(torch.int16).view(torch.bfloat16).double().numpy()


def golden(kind: str, model: NormalizedGpt, scores: Tensor, head: int) -> np.ndarray:
    """Return what the unit gives for one window of the first layer, score by score."""
    scale = CALIBRATION.score[0][head] / 127
    codes = torch.from_numpy(quantize_scores(scores.numpy(), scale).astype(np.int64))
    if kind == "softmax":
        config = SoftmaxConfig(lanes=64, row=256, buffer="sram")
        padded = torch.zeros(TIME, 64, dtype=torch.int64)
        padded[:, :TIME] = codes
        mask = torch.ones(TIME, 64, dtype=torch.bool)
        mask[:, :TIME] = torch.from_numpy(FUTURE)
        rows = softmax(padded[:, None], mask[:, None], softmax_constant(scale), config)
        return bf16(rows[:, 0, :TIME])
    layer = next(iter(model.constants))
    assert isinstance(layer, ConSmax)
    constants = head_constants(layer, torch.tensor([each / 127 for each in CALIBRATION.score[0]]))
    result = np.zeros((TIME, TIME))
    for t in range(TIME):
        log_c = constants[head].log_c - (math.log(t + 1) if kind == "consmax_rows" else 0.0)
        unit = Log2Config(lanes=TIME)
        registers = log2_constants(HeadConstants(scale=scale, log_c=log_c), unit)
        hidden = torch.from_numpy(FUTURE[t : t + 1])
        result[t] = bf16(consmax_log2(codes[t : t + 1], hidden, registers, unit).data)[0]
    return result


@pytest.mark.parametrize("p_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_golden_unit_s_in_the_format(kind: str, p_format: str) -> None:
    model = model_of(kind)
    found = HardwareWeights(UnitResults(model, kind, CALIBRATION, TIME), p_format)(0, SCORES)
    for window in range(2):
        for head in range(2):
            result = golden(kind, model, SCORES[window, head], head)
            top = 0.5 if p_format == "uint8-head" and head == 0 else 1.0
            if p_format == "uint8-max" and kind != "softmax":
                most = result.max(axis=1, keepdims=True)
                expected = np.floor(result * 255 / most + 0.5) * most / 255
            else:
                form = find_p_format("uint8" if p_format == "uint8-head" else p_format)
                expected = form.weights(result / top) * top
            np.testing.assert_allclose(
                found[window, head].double(), expected, rtol=1e-6, atol=1e-12
            )


def test_a_wrong_constant_is_seen() -> None:
    model = model_of("consmax")
    before = HardwareWeights(UnitResults(model, "consmax", CALIBRATION, TIME), "bf16")(0, SCORES)
    with torch.no_grad():
        for layer in model.constants:
            assert isinstance(layer, ConSmax)
            layer.gamma.mul_(1.02)
    after = HardwareWeights(UnitResults(model, "consmax", CALIBRATION, TIME), "bf16")(0, SCORES)
    assert not torch.equal(before, after)


def test_results_of_all_codes_are_c_times_the_exponential() -> None:
    head = HeadConstants(scale=0.05, log_c=-3.0)
    code = np.arange(-127, 128)
    plain = consmax_results(head, 4, per_row=False)
    assert plain.shape == (1, 255)
    np.testing.assert_allclose(plain[0], np.exp(0.05 * code - 3.0), rtol=6.5e-3)
    rows = consmax_results(head, 4, per_row=True)
    assert rows.shape == (4, 255)
    np.testing.assert_allclose(rows[2], np.exp(0.05 * code - 3.0) / 3, rtol=6.5e-3)


def test_constants_that_the_unit_cannot_have_are_refused() -> None:
    with pytest.raises(UserError, match="consmax/log2 cannot have the constants of a head: scale"):
        consmax_results(HeadConstants(scale=0.9, log_c=0.0), 4, per_row=False)


@pytest.mark.parametrize("kind", ["consmax", "consmax_rows"])
def test_scores_above_the_range_of_the_unit_saturate(kind: str) -> None:
    wide = Calibration(score=((200.0, 7.5),) * 2, weight=CALIBRATION.weight)
    unit = UnitResults(model_of(kind), kind, wide, TIME)
    greatest = 127 * math.log(2)
    rows = np.tile([[greatest, 200.0, 60.0, -200.0]], (4, 1))
    found = unit.results(0, 0, rows, np.zeros(rows.shape, bool))
    assert (found[:, 0] == found[:, 1]).all()
    assert (found[:, 1] > found[:, 2]).all()
    assert (found[:, 2] > found[:, 3]).all()


def test_relative_codes_of_consmax_keep_the_sum_of_a_row() -> None:
    result = np.array([[0.02, 0.01, 0.0], [0.0, 0.0, 0.0]])
    form = find_p_format("uint8-max")
    kept = formatted(result, form, sums_to_one=False)
    assert kept[0, 0] == pytest.approx(0.02)
    assert kept[0].sum() == pytest.approx(0.03, rel=4e-3)
    assert kept[1].tolist() == [0.0, 0.0, 0.0]
    assert formatted(result, form, sums_to_one=True)[0].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_fine_formats_are_those_of_the_model(kind: str) -> None:
    model = model_of(kind)
    calibration = calibrated(model, WINDOWS)
    losses, distribution = format_losses(model, kind, calibration, WINDOWS)
    assert [each.p_format for each in losses] == list(FORMATS)
    exact = held_out_loss(model, WINDOWS)
    by_name = {each.p_format: each for each in losses}
    assert by_name["2xint7"].loss == pytest.approx(exact, abs=2e-3)
    assert by_name["int7"].moved > by_name["2xint7"].moved >= 0
    assert sum(distribution.results) == pytest.approx(1)
    assert sum(distribution.weight) == pytest.approx(1)
    assert distribution.row_sum.least <= distribution.row_sum.mean <= distribution.row_sum.greatest
    if kind == "softmax":
        assert distribution.row_sum.mean == pytest.approx(1, abs=0.01)
        assert distribution.greatest == 1.0


def test_calibration_is_of_scores_that_are_not_masked() -> None:
    model = model_of("consmax")
    seen: list[Tensor] = []

    def noted(layer: int, scores: Tensor) -> Tensor:
        seen.append(scores)
        return model.weights(layer, scores)

    held_out_loss(model, WINDOWS, noted)
    calibration = calibrated(model, WINDOWS)
    shown = ~torch.from_numpy(FUTURE)
    for layer, scores in enumerate(seen):
        for head in range(2):
            most = scores[:, head][:, shown].abs().max().item()
            assert calibration.score[layer][head] == pytest.approx(most)


def test_binades_and_what_vanishes_are_counted() -> None:
    model = model_of("consmax")
    with torch.no_grad():
        for layer in model.constants:
            assert isinstance(layer, ConSmax)
            layer.beta.zero_()
            layer.gamma.fill_(2.0**9)
    weights = HardwareWeights(UnitResults(model, "consmax", CALIBRATION, TIME), "int7")
    assert weights(0, torch.zeros(1, 2, TIME, TIME)).max() == 0
    counts = weights.counts
    shown = 2 * (TIME * (TIME + 1) // 2)
    assert (counts.results, counts.vanished, counts.saturated) == (shown, shown, 0)
    distribution = counts.distribution()
    assert distribution.results[-9 - LEAST_BINADE] == 1.0
    assert distribution.below(-8) == (1.0, 1.0)
    assert distribution.below(-9) == (0.0, 0.0)
    assert distribution.row_sum.greatest == pytest.approx(TIME * 2.0**-9)
