"""Real linear layers: weights, inputs, cache, stand-in."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from consilico.sim.base.results import cache_dir
from consilico.sim.traffic import layer_traffic as traffic_module
from consilico.sim.traffic.layer_traffic import (
    LAYERS,
    LayerSampling,
    layer_traffic,
    q4_1,
    synthetic_layers,
)
from consilico.sim.traffic.linear_layers import INPUT_OF, LayerTraffic, LinearLayer
from consilico.sim.traffic.packages import Package, PackageMissing, load_works
from consilico.sim.traffic.quantized import Format, QuantizedMatrix
from consilico.sim.traffic.smollm import GgufModel, find_model_file, read_model

SMALL = LayerSampling(windows=2, window=8)


@pytest.fixture(scope="module")
def model() -> GgufModel:
    try:
        load_works()
        return read_model(*find_model_file())
    except PackageMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def loads(model: GgufModel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Empty cache; returns a function that tells how often the model was read since."""
    count = 0

    def read(path: Path, sha256: str) -> GgufModel:
        nonlocal count
        count += 1
        return model

    monkeypatch.setattr(traffic_module, "read_model", read)
    return lambda: count


@pytest.fixture(scope="module")
def real(model: GgufModel, tmp_path_factory: pytest.TempPathFactory) -> LayerTraffic:
    """The default traffic, as its cache file gives it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILICO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(traffic_module, "read_model", lambda path, sha256: model)
        layer_traffic()
        patch.setattr(traffic_module, "read_model", None)
        return layer_traffic()


def tiny() -> LinearLayer:
    """A layer made by hand."""
    rng = np.random.default_rng(11)
    weight = q4_1(rng.normal(0, 0.1, (6, 64)).astype(np.float32))
    x = rng.normal(0, 2, (5, 64)).astype(np.float32)
    return LinearLayer(layer=3, part="ffn_up", weight=weight, x=x)


def output(x: QuantizedMatrix, w: QuantizedMatrix) -> NDArray[np.float64]:
    """Outputs as hardware computes them: exact integer sums of 32 products, then the scales."""
    total = np.zeros((len(x.codes), len(w.codes)))
    for at in range(0, x.codes.shape[1], 32):
        xs, ws = (q.codes[:, at : at + 32].astype(np.int64) for q in (x, w))
        of_x, of_w = at // x.group, at // w.group
        sums = xs @ ws.T - xs.sum(1)[:, None] * w.zero[:, of_w].astype(np.int64)
        total += np.outer(x.scale[:, of_x], w.scale[:, of_w].astype(np.float64)) * sums
    return total


def test_weights_are_exactly_those_of_the_gguf_package(real: LayerTraffic) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    tensors = {tensor.name: tensor for tensor in GGUFReader(find_model_file()[0]).tensors}
    for index, part in enumerate(INPUT_OF):  # each part once, each block at least once
        linear = real[f"blk.{LAYERS[index % len(LAYERS)]}.{part}"]
        tensor = tensors[f"{linear.name}.weight"]
        expected = dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(linear.weight.dequantize(), expected)


def test_stored_codes_stay_as_they_are(real: LayerTraffic) -> None:
    for linear in real.linears:
        codes = linear.quantize_weight("uint4")
        assert codes.group == 32
        assert (codes.codes == linear.weight.nibbles).all()


def test_layers_are_spread_over_the_model(real: LayerTraffic) -> None:
    names = [f"blk.{layer}.{part}" for layer in LAYERS for part in INPUT_OF]
    assert [linear.name for linear in real.linears] == names
    assert {item.x.shape[0] for item in real.linears} == {real.tokens.size} == {256}
    assert real["blk.29.ffn_down"].weight.nibbles.shape == (576, 1536)
    with pytest.raises(KeyError, match=r"blk\.1\.attn_q; sampled are blk\.0\.attn_q, "):
        real["blk.1.attn_q"]


def test_first_layer_reads_the_normalized_embedding(real: LayerTraffic, model: GgufModel) -> None:
    x = model.weight("token_embd.weight")[real.tokens.ravel()].astype(np.float64)
    x = x / np.sqrt((x**2).mean(1, keepdims=True) + model.shape.norm_epsilon)
    expected = x * model.weight("blk.0.attn_norm.weight")
    np.testing.assert_allclose(real["blk.0.attn_k"].x, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_inputs_of_a_block_fit_each_other(real: LayerTraffic, layer: int) -> None:
    gate, up = (
        item.x.astype(np.float64) @ item.weight.dequantize().T.astype(np.float64)
        for item in (real[f"blk.{layer}.ffn_gate"], real[f"blk.{layer}.ffn_up"])
    )
    expected = gate / (1 + np.exp(-gate)) * up
    found = real[f"blk.{layer}.ffn_down"].x
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("x_form", ["int8", "int4"])
@pytest.mark.parametrize(
    ("w_form", "group", "step"),
    [
        ("int8", None, 0.5),
        ("int4", None, 0.5),
        ("int4", 64, 0.5),
        ("uint4", None, 0.5 + 15 * 2**-8),
        ("uint4", 64, 0.56),
    ],
)
def test_codes_give_the_output_within_their_error_bound(
    real: LayerTraffic, x_form: Format, w_form: Format, group: int | None, step: float
) -> None:
    for name in ("blk.0.attn_q", "blk.29.ffn_down"):
        linear = real[name].take(slice(0, 256, 16), slice(0, 64))
        x, w = linear.quantize_x(x_form), linear.quantize_weight(w_form, group)
        exact = linear.x.astype(np.float64) @ linear.weight.dequantize().T.astype(np.float64)
        # each product errs by the error of x times the quantized w, and x times the error of w
        error_x = 0.501 * np.repeat(x.scale, x.group, axis=1).astype(np.float64)
        error_w = (step + 1e-3) * np.repeat(w.scale, w.group, axis=1).astype(np.float64)
        bound = error_x @ np.abs(w.dequantize()).T + np.abs(linear.x) @ error_w.T
        error = np.abs(output(x, w) - exact)
        assert (error <= bound).all()
        assert error.max() > 1e-3 * bound.max()
        noise = float((error**2).sum() / (exact**2).sum()) ** 0.5
        assert noise < (0.05 if x_form == w_form == "int8" else 0.35)


def test_one_scale_a_token_keeps_what_the_first_token_would_drown(real: LayerTraffic) -> None:
    linear = real["blk.9.ffn_down"]
    by_tensor = linear.x.reshape(1, -1)
    top = np.abs(by_tensor).max()
    coarse = np.rint(linear.x / (top / 127)) * (top / 127)
    fine = linear.quantize_x("int8").dequantize()
    error = [((value - linear.x) ** 2).sum(1) / (linear.x**2).sum(1) for value in (coarse, fine)]
    assert np.median(error[0]) > 100 * np.median(error[1])


def test_cache_entry_is_small(real: LayerTraffic) -> None:
    assert len(real.to_bytes()) < 40e6


def test_collecting_anew_gives_the_same(
    loads: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = layer_traffic(SMALL).to_bytes()
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "other"))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        second = layer_traffic(SMALL).to_bytes()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert loads() == 2
    assert LayerTraffic.from_bytes(second).provenance == LayerTraffic.from_bytes(first).provenance
    assert second == first


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_cache_entry_is_recomputed(loads: Callable[[], int], damage: str) -> None:
    first = layer_traffic(SMALL).to_bytes()
    assert layer_traffic(SMALL).to_bytes() == first
    assert loads() == 1
    (entry,) = cache_dir("layers").iterdir()
    raw = bytearray(entry.read_bytes())
    raw[len(raw) // 2] ^= 1
    entry.write_bytes(raw[:5000] if damage == "cut" else raw)
    assert layer_traffic(SMALL).to_bytes() == first
    assert loads() == 2
    layer_traffic(SMALL)
    assert loads() == 2  # and mended


def test_archive_with_other_content_than_its_digest_is_refused(tmp_path: Path) -> None:
    traffic = LayerTraffic(
        linears=[tiny()],
        tokens=np.zeros((1, 5), dtype=np.int32),
        provenance={},
        source="by hand",
        synthetic=True,
    )
    path = tmp_path / "layers.npz"
    path.write_bytes(traffic.to_bytes())
    assert LayerTraffic.from_bytes(path.read_bytes()).to_bytes() == path.read_bytes()
    with np.load(path) as archive:
        arrays: dict[str, Any] = dict(archive)
    arrays["blk.3.ffn_up.scale"][0, 0] *= 2
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="does not match its SHA-256"):
        LayerTraffic.from_bytes(path.read_bytes())


def test_other_settings_have_an_entry_of_their_own(loads: Callable[[], int]) -> None:
    first = layer_traffic(SMALL)
    second = layer_traffic(LayerSampling(windows=2, window=8, seed=2))
    assert loads() == 2
    assert first.tokens.tolist() != second.tokens.tolist()
    with pytest.raises(ValueError, match="window must be at least 1, not 0"):
        LayerSampling(window=0)


def test_cached_layers_need_no_torch(loads: Callable[[], int]) -> None:
    layer_traffic(SMALL)
    program = """
import sys
from consilico.sim.traffic.layer_traffic import LayerSampling, layer_traffic
assert not layer_traffic(LayerSampling(windows=2, window=8)).synthetic
print(sorted({"torch", "gguf", "tokenizers"} & set(sys.modules)))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("name", ["smollm.MODEL_PACKAGE", "packages.TEXT_PACKAGE"])
def test_without_a_package_the_layers_are_synthetic(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = Package(name="not-installed", version="1", install="pip install not-installed")
    monkeypatch.setattr(f"consilico.sim.traffic.{name}", hidden)
    if name.startswith("packages"):  # on a machine without the model, the model would be the reason
        monkeypatch.setattr(traffic_module, "model_provenance", dict)
    traffic = layer_traffic(SMALL)
    assert traffic.synthetic
    assert traffic.source.startswith("synthetic: ")
    assert traffic.provenance["reason"].startswith("not-installed 1 is not installed")
    assert LayerTraffic.from_bytes(traffic.to_bytes()).synthetic
    if name.startswith("packages"):
        assert layer_traffic(SMALL).to_bytes() == traffic.to_bytes()


_FORMS: tuple[Format, Format] = ("int8", "int4")


def bits_turned(codes: NDArray[Any], width: int) -> float:
    """Share of the bits that turn from one code of a row to the code 16 inputs later."""
    turned = (codes[:, 16:].astype(int) ^ codes[:, :-16]) & (2**width - 1)
    return float(np.mean([turned >> bit & 1 for bit in range(width)]))


def test_synthetic_layers_are_like_the_real_ones(real: LayerTraffic) -> None:
    synthetic = synthetic_layers(4, 64, seed=1, reason="asked for")
    for drawn, linear in zip(synthetic.linears, real.linears, strict=True):
        assert drawn.name == linear.name
        assert drawn.x.shape == linear.x.shape
        x8, x4 = ([item.quantize_x(form).codes for item in (drawn, linear)] for form in _FORMS)
        w = [item.quantize_weight("uint4") for item in (drawn, linear)]
        assert x8[0].std() == pytest.approx(x8[1].std(), rel=0.35)
        assert bits_turned(x8[0], 8) == pytest.approx(bits_turned(x8[1], 8), abs=0.08)
        assert bits_turned(x4[0], 4) == pytest.approx(bits_turned(x4[1], 4), abs=0.06)
        histogram = [np.bincount(item.codes.ravel(), minlength=16) / item.codes.size for item in w]
        assert np.abs(histogram[0] - histogram[1]).max() < 0.01
        assert w[0].zero.std() == pytest.approx(w[1].zero.std(), rel=0.15)
        assert np.log(w[0].scale).std() == pytest.approx(np.log(w[1].scale).std(), abs=0.05)


def test_zero_point_forms_are_for_weights_alone() -> None:
    with pytest.raises(ValueError, match="form must be int8 or int4 here, not 'uint4'"):
        tiny().quantize_x("uint4")
    with pytest.raises(ValueError, match="form must be int8 or int4 here, not 'uint4'"):
        tiny().sparse_weight("uint4")


def test_take_cuts_tokens_and_outputs() -> None:
    linear = tiny()
    part = linear.take(np.array([4, 0]), np.array([2, 2, 1]))
    full = linear.quantize_x("int8").codes, linear.quantize_weight("int8").codes
    assert part.quantize_x("int8").codes.tolist() == full[0][[4, 0]].tolist()
    assert part.quantize_weight("int8").codes.tolist() == full[1][[2, 2, 1]].tolist()
