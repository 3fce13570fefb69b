"""Training with ConSmax: gradients, checkpoints and settings, on models of kilobytes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from consilico.golden.attention.consmax_module import ConSmax
from consilico.golden.training.method import METHODS
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cache_dir, cache_entries
from consilico.sim.traffic.gpt_training import Gpt, GptConfig, GptTraining, split_works
from consilico.sim.training.consmax_gpt import KINDS, NormalizedGpt, NormalizedModel, Normalizer
from consilico.sim.training.consmax_run import (
    ConsmaxTraining,
    Stopped,
    find_device,
    held_out_loss,
    held_out_windows,
    train,
)

WORKS = {"A": "to be or not to be, that is the question. " * 100, "B": "whether tis nobler " * 60}
TEXT = split_works(WORKS)
MODEL = GptConfig(layers=2, heads=2, width=16, context=8)
GPT = GptTraining(
    method=METHODS["adamw"], lr=1e-2, fused=False, model=MODEL, steps=24, batch=4, warm_up=4
)


def normalizer(kind: str) -> Normalizer:
    """Return settings whose weights are about those of softmax in windows of 8 bytes."""
    return Normalizer(kind=kind, gamma=4.0 if kind == "consmax" else 1.0)


def model_of(kind: str) -> NormalizedGpt:
    """Return a model as it is drawn with seed 1."""
    torch.manual_seed(1)
    return NormalizedGpt(MODEL, normalizer(kind))


def training(kind: str = "consmax") -> ConsmaxTraining:
    """Return a training of 24 steps."""
    return ConsmaxTraining(gpt=GPT, normalizer=normalizer(kind))


def parameters(model: NormalizedModel) -> dict[str, Tensor]:
    """Return a model's parameters by name."""
    return {name: value.detach() for name, value in model.named_parameters()}


def test_with_softmax_it_is_the_gpt_of_the_other_trainings() -> None:
    torch.manual_seed(1)
    other, ours = Gpt(MODEL), model_of("softmax")
    tokens = torch.randint(256, (3, 8))
    assert torch.equal(ours(tokens), other(tokens))
    torch.testing.assert_close(ours(tokens, ours.weights), other(tokens))


def test_consmax_is_the_golden_module() -> None:
    model = model_of("consmax")
    module = next(iter(model.constants))
    assert isinstance(module, ConSmax)
    scores = torch.randn(3, 2, 8, 8, requires_grad=True)
    weight = torch.randn(3, 2, 8, 8)
    future = torch.ones(8, 8, dtype=torch.bool).triu(1)
    found = []
    for weights in (model.weights(0, scores), module(scores, future)):
        gradients = torch.autograd.grad(
            (weights * weight).sum(), (scores, module.beta, module.gamma)
        )
        found.append((weights, *gradients))
    for ours, golden in zip(*found, strict=True):
        torch.testing.assert_close(ours, golden)


def test_a_row_of_consmax_rows_is_divided_by_the_keys_that_it_sees() -> None:
    plain, rows = model_of("consmax_rows"), model_of("consmax_rows")
    scores = torch.randn(1, 2, 8, 8)
    module = next(iter(plain.constants))
    future = torch.ones(8, 8, dtype=torch.bool).triu(1)
    keys = torch.arange(1, 9)[:, None]
    torch.testing.assert_close(rows.weights(0, scores) * keys, module(scores, future))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    model = model_of(kind).double()
    scores = torch.randn(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    constants = [parameter for layer in model.constants for parameter in layer.parameters()][:2]

    def weights(scores: Tensor, *_: Tensor) -> Tensor:
        return model.weights(0, scores)

    assert torch.autograd.gradcheck(weights, (scores, *constants))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "whole"))
    whole = train(training(kind), TEXT, 1, "cpu")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "parts"))
    for _ in range(2):
        with pytest.raises(Stopped):
            train(training(kind), TEXT, 1, "cpu", every=8, stop=lambda: True)
    steps: list[int] = []
    parts = train(training(kind), TEXT, 1, "cpu", progress=lambda step, _: steps.append(step))
    assert parts.training_loss == whole.training_loss
    expected, found = parameters(whole.model), parameters(parts.model)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_what_was_trained_is_not_trained_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(training(), TEXT, 1, "cpu")
    monkeypatch.setattr(torch.optim.AdamW, "step", None)
    again = train(training(), TEXT, 1, "cpu")
    assert again.training_loss == first.training_loss
    name = "gpt.head.weight"
    assert torch.equal(parameters(again.model)[name], parameters(first.model)[name])


def test_another_seed_normalizer_or_text_is_another_training(cache: Path) -> None:
    other = split_works(WORKS | {"C": "more " * 40})
    short = replace(training(), gpt=replace(GPT, steps=1))
    rate = replace(short, normalizer=replace(short.normalizer, rate=2.0))
    for run, text, seed in ((short, TEXT, 1), (short, TEXT, 2), (short, other, 1), (rate, TEXT, 1)):
        train(run, text, seed, "cpu")
    assert len(list(cache_dir("consmax").iterdir())) == 4
    assert {entry.kind for entry in cache_entries()} == {"consmax"}  # the cache knows its own


def test_a_damaged_checkpoint_is_as_none(cache: Path) -> None:
    first = train(training(), TEXT, 1, "cpu")
    (path,) = cache_dir("consmax").iterdir()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    said: list[str] = []
    again = train(training(), TEXT, 1, "cpu", say=said.append)
    assert again.training_loss == first.training_loss
    assert said == [f"checkpoint {path} is damaged or another's: trained anew"]
    assert len(list(cache_dir("consmax").iterdir())) == 1


def test_the_checkpoint_of_another_training_is_not_taken(cache: Path) -> None:
    first = train(training(), TEXT, 1, "cpu")
    (own,) = cache_dir("consmax").iterdir()
    train(training(), TEXT, 2, "cpu")
    (other,) = set(cache_dir("consmax").iterdir()) - {own}
    _, _, content = other.name.partition("-")
    own.unlink()
    other.rename(own.with_name(f"{own.name.partition('-')[0]}-{content}"))
    said: list[str] = []
    again = train(training(), TEXT, 1, "cpu", say=said.append)
    assert again.training_loss == first.training_loss
    assert len(said) == 1


def test_there_is_one_checkpoint_of_a_training_at_a_time(cache: Path) -> None:
    train(training(), TEXT, 1, "cpu", every=8)
    assert len(list(cache_dir("consmax").iterdir())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns(kind: str, cache: Path) -> None:
    run = replace(training(kind), gpt=replace(GPT, steps=80))
    trained = train(run, TEXT, 1, "cpu")
    windows = held_out_windows(TEXT, 8)
    assert held_out_loss(trained.model, windows) < held_out_loss(model_of(kind), windows) - 2


def test_constants_learn_at_their_own_rate(cache: Path) -> None:
    def gamma(rate: float) -> Tensor:
        run = replace(training(), normalizer=replace(normalizer("consmax"), rate=rate))
        module = next(iter(train(run, TEXT, 1, "cpu").model.constants))
        assert isinstance(module, ConSmax)
        return module.gamma.detach()

    assert torch.equal(gamma(0.0), torch.full((2,), 4.0))
    assert (gamma(10.0) - 4).abs().max() > 2 * (gamma(1.0) - 4).abs().max() > 0


def test_a_loss_that_is_no_number_ends_a_training(cache: Path) -> None:
    run = replace(training(), normalizer=Normalizer(kind="consmax", gamma=1e-3, rate=1e3))
    with pytest.raises(UserError, match="no number"):
        train(run, TEXT, 1, "cpu")


def test_windows_that_are_left_out_lie_apart() -> None:
    windows = held_out_windows(TEXT, 8)
    few = held_out_windows(TEXT, 8, 5)
    assert few.shape == (5, 9)
    assert torch.equal(few[0], windows[0])
    assert torch.equal(few[4], windows[4 * len(windows) // 5])
    assert len(held_out_windows(TEXT, 8, 10**6)) == len(windows)


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="device must be one of auto, cpu, cuda, not 'gpu'"):
        find_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="needs a GPU"):
            find_device("cuda")
    assert find_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sparsemax"}, "kind"),
        ({"beta": (1.0, 0.5)}, "beta must be a range"),
        ({"gamma": 0.0}, "gamma must be positive"),
        ({"rate": -1.0}, "rate must not be negative"),
    ],
)
def test_a_normalizer_that_is_none_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Normalizer(**settings)  # type: ignore[arg-type]
