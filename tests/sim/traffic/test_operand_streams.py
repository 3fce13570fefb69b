"""Operand streams: they are the dot products of the layers, beat by beat."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.sim.traffic.layer_traffic import q4_1
from consilico.sim.traffic.linear_layers import LayerTraffic, LinearLayer
from consilico.sim.traffic.operand_streams import (
    DotStream,
    SparseStream,
    layer_sparse_stream,
    layer_stream,
    random_codes,
    random_sparse_stream,
    random_stream,
    sparse_stream,
)
from consilico.sim.traffic.quantized import Format


def linear(part: str, tokens: int, outputs: int, inputs: int) -> LinearLayer:
    rng = np.random.default_rng(inputs)
    weight = q4_1(rng.normal(0, 0.1, (outputs, inputs)).astype(np.float32))
    x = rng.normal(0, 2, (tokens, inputs)).astype(np.float32)
    return LinearLayer(layer=0, part=part, weight=weight, x=x)


TRAFFIC = LayerTraffic(
    linears=[linear("attn_q", 5, 6, 192), linear("ffn_down", 5, 4, 256)],
    tokens=np.zeros((1, 5), dtype=np.int32),
    provenance={},
    source="by hand",
    synthetic=True,
)


def results(stream: DotStream) -> NDArray[np.float64]:
    """Output of each dot product: every beat's codes, less zero points, times the scales."""

    def spread(constants: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(constants, stream.w.shape[1] // constants.shape[1], axis=1)

    scale = spread(stream.x_scale).astype(np.float64) * spread(stream.w_scale)
    beats = (stream.x * (stream.w - spread(stream.w_zero)) * scale).sum(1)
    return np.add.reduceat(beats, np.flatnonzero(np.r_[True, stream.last[:-1]]))


def outputs(x_form: Format, w_form: Format, group: int | None) -> list[float]:
    """All outputs of the layers that groups divide, from the codes."""
    found: list[float] = []
    for item in TRAFFIC.linears:
        if item.inputs % (group or 1) == 0:
            x = item.quantize_x(x_form, group if x_form == "int4" else None).dequantize()
            w = item.quantize_weight(w_form, group).dequantize()
            found += (x.astype(np.float64) @ w.T.astype(np.float64)).ravel().tolist()
    return found


@pytest.mark.parametrize(
    ("x_form", "w_form", "group", "lanes"),
    [
        *product(("int8", "int4"), ("int8", "int4", "uint4"), (None,), (1, 16, 64)),
        *product(("int8", "int4"), ("int4", "uint4"), (64, 128), (8, 32)),
    ],
)
def test_stream_computes_outputs_of_the_layers(
    x_form: Format, w_form: Format, group: int | None, lanes: int
) -> None:
    stream = layer_stream(TRAFFIC, x_form, w_form, lanes, 40, group=group)
    assert len(stream.x) >= 40
    assert stream.last[-1]
    expected = np.array(outputs(x_form, w_form, group))
    off = np.abs(results(stream)[:, None] - expected).min(1)
    assert off.max() < 1e-4 * np.abs(expected).max() / len(expected)


def test_every_layer_takes_part() -> None:
    stream = layer_stream(TRAFFIC, "int8", "uint4", 16, 8 * 28)
    assert sorted(np.diff(np.flatnonzero(stream.last), prepend=-1).tolist()) == [12] * 8 + [16] * 8


@pytest.mark.parametrize("w_form", ["int8", "int4"])
def test_sparse_stream_computes_outputs_of_the_pruned_layers(w_form: Format) -> None:
    (item,) = TRAFFIC.linears[:1]
    pairs = item.take([0, 1, 2, 3], [5, 4, 3, 2])
    x, w = pairs.quantize_x("int8"), pairs.sparse_weight(w_form)
    stream = sparse_stream(x, w, 8)
    assert (stream.x.shape, stream.w.shape) == ((48, 16), (48, 8))
    inputs = stream.x.reshape(48, 4, 4)  # two lanes to four inputs
    met = np.take_along_axis(inputs, stream.index.reshape(48, 4, 2), axis=2)
    sums = (met * stream.w.reshape(48, 4, 2)).sum((1, 2))
    found = np.add.reduceat(sums, np.flatnonzero(np.r_[True, stream.last[:-1]]))
    dense = w.dense().codes.astype(np.int64)
    assert found.tolist() == (x.codes.astype(np.int64) * dense).sum(1).tolist()


def test_streams_follow_their_seed() -> None:
    def streams(seed: int) -> list[DotStream | SparseStream]:
        return [
            layer_stream(TRAFFIC, "int8", "int4", 16, 20, seed=seed),
            layer_sparse_stream(TRAFFIC, "int8", "int4", 16, 20, seed=seed),
            random_stream("normal", "int8", "int4", 16, 20, seed=seed),
            random_sparse_stream("normal", "int8", "int4", 16, 20, seed=seed),
        ]

    for first, again, other in zip(streams(1), streams(1), streams(2), strict=True):
        assert len(first.x) >= 20
        assert first.x.tolist() == again.x.tolist()
        assert first.w.tolist() == again.w.tolist()
        assert first.w.tolist() != other.w.tolist()


@pytest.mark.parametrize(
    ("form", "low", "high", "mean", "deviation"),
    [("int8", -128, 127, 0, 40), ("int4", -8, 7, 0, 3), ("uint4", 0, 15, 7.5, 3.6)],
)
def test_random_codes_have_the_stated_distribution(
    form: Format, low: int, high: int, mean: float, deviation: float
) -> None:
    rng = np.random.default_rng(1)
    uniform = random_codes("uniform", form, (200, 1536), rng)
    counts = np.bincount(uniform.codes.ravel().astype(int) - low)
    assert len(counts) == high - low + 1
    assert counts.min() > 0.8 * counts.mean()
    normal = random_codes("normal", form, (200, 1536), rng)
    assert (int(normal.codes.min()), int(normal.codes.max())) == (low, high)
    assert normal.codes.mean() == pytest.approx(mean, abs=0.02 * deviation)
    assert normal.codes.std() == pytest.approx(deviation, rel=0.04)
    assert normal.zero.any() == uniform.zero.any() == (form == "uint4")
    assert normal.group == (1536 if form == "int8" else 32)
    assert np.log(normal.scale).std() == pytest.approx(0.3, rel=0.2)


def test_what_cannot_be_cut_into_beats_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inputs of a layer \(192, 256\) must divide by 7 and"):
        layer_stream(TRAFFIC, "int8", "int8", 7, 10)
    with pytest.raises(ValueError, match=r"\(192, 256\) must divide by 16 and by 512"):
        layer_stream(TRAFFIC, "int8", "int4", 16, 10, group=512)
    with pytest.raises(ValueError, match=r"must divide by 16 and by 0"):
        layer_stream(TRAFFIC, "int8", "int4", 16, 10, group=0)
    with pytest.raises(ValueError, match="lanes must divide the group 32 or be a multiple"):
        layer_stream(TRAFFIC, "int8", "int4", 6, 10)
    with pytest.raises(ValueError, match="group must divide the 576 columns, not 128"):
        random_stream("normal", "int8", "int4", 16, 10, depth=576, group=128)
    with pytest.raises(ValueError, match="lanes must divide the 1536 codes of a row, not 7"):
        random_stream("normal", "int8", "int8", 7, 10)
