"""The hook: every row of every head through a normalizer, and what is counted of it."""

from typing import Any

import numpy as np
import pytest
import torch

from consilico.sim.accuracy.attention import HardwareAttention
from consilico.sim.accuracy.drop_in import DropIn, drop_in
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.scores import quantize_scores
from consilico.sim.traffic.transformer import causal_softmax

MOST = [[13.0, 15.0]]


def scores(windows: int, tokens: int) -> torch.Tensor:
    return 3 * torch.randn(windows, 2, tokens, tokens, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["softmax", "softermax", "ita", "sole", "online_softmax"])
def test_many_rows_at_once_are_each_row_alone(name: str) -> None:
    drawn = scores(2, 100)
    normalizer = drop_in(name, "2xint7", 100)
    found = HardwareAttention(normalizer, MOST)(0, drawn)
    for window, head, query in ((0, 0, 0), (0, 1, 63), (1, 0, 64), (1, 1, 99)):
        scale = normalizer.scale(MOST[0][head])
        row = drawn[window, head, query : query + 1, : query + 1].numpy()
        code = quantize_scores(row, scale).astype(np.int64)
        alone = normalizer.weights(scale, code, np.zeros(code.shape, dtype=bool))
        expected = alone[0].astype(np.float32)
        np.testing.assert_array_equal(found[window, head, query, : query + 1], expected)


def test_softmax_is_near_softmax_and_future_keys_have_no_weight() -> None:
    drawn = scores(1, 80)
    attention = HardwareAttention(drop_in("softmax", "2xint7", 80), MOST)
    found = attention(0, drawn)
    assert float((found - causal_softmax(0, drawn)).abs().max()) < 0.05
    assert not found[..., torch.ones(80, 80, dtype=torch.bool).triu(1)].any()
    (layer,) = attention.layers
    assert 0 < layer.moved < 0.05
    assert 0.99 < attention.row_sum.least <= attention.row_sum.mean <= 1
    assert attention.empty_rows == 0


class Wrong(DropIn):
    """Puts the weight of a row on its first key, or nothing anywhere on odd rows."""

    def weights(self, scale: float, code: Any, mask: Any) -> Any:
        found = np.zeros(code.shape)
        found[::2, 0] = 1.25
        return found


def test_what_is_wrong_is_counted() -> None:
    drawn = scores(1, 64)
    drawn[..., 0] = -5.0  # the first key is the greatest for the first query alone
    attention = HardwareAttention(
        Wrong(name="wrong", form=drop_in("softmax", "uint8", 64).form), MOST
    )
    attention(0, drawn)
    (layer,) = attention.layers
    assert layer.argmax_flips == 31 / 64
    assert attention.empty_rows == 0.5
    assert layer.row_sum_error == pytest.approx((0.25 + 1) / 2)
    assert (attention.row_sum.least, attention.row_sum.greatest) == (0, 1.25)
    assert layer.moved > 0.5


def test_saturated_scores_are_those_whose_code_is_a_limit() -> None:
    drawn = scores(1, 64)
    normalizer = drop_in("softmax", "uint8", 64)
    attention = HardwareAttention(normalizer, [[4.0, 4.0]])
    attention(0, drawn)
    causal = torch.ones(64, 64, dtype=torch.bool).tril().numpy()
    codes = quantize_scores(drawn[0].numpy(), 4 / 127)
    limits = (np.abs(codes) == 127) & causal
    assert attention.layers[0].saturated == limits.sum() / (2 * causal.sum())


def test_a_scale_that_is_none_for_the_unit_is_refused_with_its_head() -> None:
    with pytest.raises(UserError, match=r"^softmax in layer 0, head 1: scale must be above"):
        HardwareAttention(drop_in("softmax", "uint8", 64), [[13.0, 127.0]])(0, scores(1, 64))
