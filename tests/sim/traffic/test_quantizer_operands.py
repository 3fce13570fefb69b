"""Traffic of the quantizers: sums and inputs of a model's layers."""

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
import torch

from consilico.golden.matmul.requant import RequantConfig, channel_scale, requant
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.layer_traffic import synthetic_layers
from consilico.sim.traffic.linear_layers import LayerTraffic
from consilico.sim.traffic.quantized import Format
from consilico.sim.traffic.quantizer_operands import layer_groups, layer_sums
from consilico.sim.units.catalogue import configure, find_unit

PASSAGES, TOKENS = 3, 8
FORMS: tuple[Format, Format] = ("int8", "int4")


@pytest.fixture(scope="module")
def layers() -> LayerTraffic:
    """Synthetic layers: they are there on every machine."""
    return synthetic_layers(PASSAGES, TOKENS, seed=1, reason="asked for")


def alone(layers: LayerTraffic, name: str) -> LayerTraffic:
    """Only one of the layers."""
    return replace(layers, linears=[layers[name]])


def test_sums_are_a_layers_products_of_integers(layers: LayerTraffic) -> None:
    one = alone(layers, "blk.9.attn_k")
    linear = one.linears[0]
    x = linear.quantize_x("int8").codes.astype(np.int64)
    for part, form in zip(islice(layer_sums(one, 5), 4), FORMS * 2, strict=True):
        weight = linear.quantize_weight(form, linear.inputs)
        products = (x @ weight.codes.astype(np.int64).T).reshape(PASSAGES, TOKENS, -1)
        outputs = products * weight.scale[:, 0]
        found = [
            (passage, first)
            for passage in range(PASSAGES)
            for first in range(products.shape[2] - 4)
            if np.array_equal(products[passage, :, first : first + 5], part.sums)
        ]
        assert len(found) == 1
        passage, first = found[0]
        assert part.scale.tolist() == weight.scale[first : first + 5, 0].tolist()
        assert part.least == pytest.approx(outputs[passage].min())
        assert part.greatest == pytest.approx(outputs[passage].max())


def test_groups_are_a_tokens_inputs_in_order(layers: LayerTraffic) -> None:
    x = layers["blk.0.ffn_down"].x
    groups = layer_groups(alone(layers, "blk.0.ffn_down"), 128, 24)
    rows = groups.reshape(-1, x.shape[1])
    bits = torch.from_numpy(x).bfloat16().view(torch.int16).numpy().astype(np.int64) & 0xFFFF
    assert all((bits == row).all(axis=1).any() for row in rows)


def test_layers_that_do_not_fit_are_told(layers: LayerTraffic) -> None:
    with pytest.raises(ValueError, match="lanes must be at most 192, the outputs of a layer"):
        next(layer_sums(alone(layers, "blk.0.attn_k"), 193))
    with pytest.raises(ValueError, match=r"inputs of a layer \(576\) must divide by the group 128"):
        layer_groups(alone(layers, "blk.0.attn_k"), 128, 1)


@pytest.mark.parametrize(
    "settings", [[], ["zero_point=true"], ["result=int4", "multiplier_width=8", "lanes=3"]]
)
def test_requantized_sums_fill_the_range(settings: list[str]) -> None:
    unit = find_unit("matmul/requant")
    stimulus = unit.traffic(configure(unit, settings), "model", 512)
    assert stimulus.results == 512 * unit.operations_per_beat(configure(unit, settings))
    assert stimulus.coverage["in_range"] > 0.99 * 512


def test_requantized_sums_are_the_layers_outputs(layers: LayerTraffic) -> None:
    config = RequantConfig()
    part = next(layer_sums(layers, 4))
    step = max(-part.least, part.greatest) / 127
    constants = [channel_scale(Fraction(scale / step), config) for scale in part.scale]
    multiplier, shift = (torch.tensor(column) for column in zip(*constants, strict=True))
    code = requant(torch.from_numpy(part.sums), multiplier, shift, 0, config).code.numpy()
    assert np.abs(code * step - part.sums * part.scale).max() <= 0.503 * step


@pytest.mark.parametrize("name", ["matmul/requant", "matmul/quantize"])
def test_unknown_traffic_is_refused(name: str) -> None:
    unit = find_unit(name)
    with pytest.raises(UserError, match="has no traffic 'text'; it has: model, normal"):
        unit.traffic(unit.config(), "text", 64)


def test_quantized_groups_are_as_many_as_asked_for() -> None:
    unit = find_unit("matmul/quantize")
    assert unit.traffic(unit.config(), "model", 64).results == 256
