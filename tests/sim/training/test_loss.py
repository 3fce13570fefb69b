"""The training loop, on a model and a text of kilobytes."""

from dataclasses import replace

import pytest
import torch

from consilico.golden.training.method import METHODS
from consilico.sim.traffic.gpt_training import (
    Gpt,
    GptConfig,
    TrainingText,
    learning_rate,
    split_works,
)
from consilico.sim.training.loss import train
from consilico.sim.training.runs import METHOD_RUNS, ROUNDING_RUNS, SEEDS, loss_runs

WORKS = {"A": "to be or not to be, that is the question. " * 100, "B": "whether tis nobler " * 60}
MODEL = GptConfig(layers=1, heads=2, width=32, context=16)
SMALL = {
    name: replace(run, model=MODEL, steps=30, batch=4, warm_up=5, method=method)
    for name, run in METHOD_RUNS.items()
    for method in [replace(run.method, rank=min(run.method.rank, 8), gap=5)]
}


def test_runs_are_those_of_the_evidence() -> None:
    adamw, stochastic, nearest = list(METHOD_RUNS.values())[:3]
    assert (adamw.steps, adamw.batch, adamw.warm_up, adamw.clip) == (1000, 16, 100, 1.0)
    assert (adamw.model.layers, adamw.model.heads, adamw.model.width) == (4, 4, 128)
    assert (adamw.lr, stochastic.lr, adamw.betas) == (3e-3, 3e-2, (0.9, 0.95))
    assert (stochastic.method.rank, stochastic.method.gap, stochastic.scale) == (32, 50, 0.25)
    assert replace(stochastic, method=nearest.method) == nearest
    assert replace(stochastic.method, random_bits=0) == nearest.method


def test_runs_by_random_bits_differ_in_nothing_else() -> None:
    short = replace(METHOD_RUNS["qgalore_stochastic"], steps=300, warm_up=30)
    for name, run in ROUNDING_RUNS.items():
        change = {"weights": 32} if name == "float" else {"random_bits": int(name)}
        assert run == replace(short, method=replace(short.method, **change))  # type: ignore[arg-type]


def test_every_seed_has_what_the_expectations_are_about() -> None:
    names = {
        seed: [task.name for task in loss_runs() if task.kind == "method" and task.seed == seed]
        for seed in SEEDS
    }
    assert set(names[1]) == set(METHOD_RUNS)
    assert names[2] == names[3] == ["adamw", "qgalore_stochastic", "qgalore_nearest"]
    assert [task.name for task in loss_runs() if task.kind == "rounding"] == list(ROUNDING_RUNS)


def test_the_end_of_each_work_is_held_out() -> None:
    text = split_works({"A": "a" * 95 + "b" * 5, "B": "c" * 190 + "d" * 10})
    assert bytes(text.train.tolist()) == b"a" * 95 + b"c" * 190
    assert bytes(text.held_out.tolist()) == b"b" * 5 + b"d" * 10


def test_the_learning_rate_warms_up_and_falls_to_a_tenth() -> None:
    run = METHOD_RUNS["adamw"]
    assert learning_rate(run, 0) == pytest.approx(3e-5)
    assert learning_rate(run, 99) == learning_rate(run, 100) == pytest.approx(3e-3)
    assert learning_rate(run, 550) == pytest.approx(0.55 * 3e-3)
    assert learning_rate(run, 999) == pytest.approx(3e-4, rel=1e-4)


def test_the_model_sees_no_later_byte() -> None:
    torch.manual_seed(1)
    model = Gpt(MODEL)
    one = torch.randint(256, (2, 16))
    other = one.clone()
    other[:, 9:] = 7
    assert torch.equal(model(one)[:, :9], model(other)[:, :9])
    assert not torch.equal(model(one)[:, 9:], model(other)[:, 9:])


def test_an_untrained_model_knows_nothing() -> None:
    text = split_works(WORKS)
    result = train(replace(SMALL["adamw"], steps=1, lr=0.0), text, seed=1)
    assert result.validation_loss == pytest.approx(5.545, abs=0.1)  # ln 256


@pytest.mark.parametrize("name", SMALL)
def test_training_lowers_the_loss_of_held_out_text(name: str) -> None:
    assert train(SMALL[name], split_works(WORKS), seed=1).validation_loss < 4.0


def test_a_text_that_cannot_be_learnt_is_not() -> None:
    noise = torch.randint(256, (20_000,), generator=torch.Generator().manual_seed(1))
    text = TrainingText(train=noise[:10_000], held_out=noise[10_000:])
    assert train(SMALL["adamw"], text, seed=1).validation_loss > 5.4


def test_the_seed_decides_a_run() -> None:
    def loss(seed: int) -> float:
        value = train(SMALL["qgalore_stochastic"], split_works(WORKS), seed).validation_loss
        assert isinstance(value, float)
        return value

    assert loss(1) == loss(1) != loss(2)


def test_recomputing_activations_changes_nothing() -> None:
    run = SMALL["qgalore_stochastic"]
    again = replace(run, model=replace(MODEL, checkpoint=True))
    one, other = (train(item, split_works(WORKS), 1) for item in (run, again))
    assert one.validation_loss == other.validation_loss


def test_lazy_update_is_counted_against_a_constant_gap() -> None:
    eager = replace(SMALL["qgalore_stochastic"], method=replace(METHODS["galore"], rank=8, gap=7))
    result = train(eager, split_works(WORKS), 1)
    layers = 6  # linear layers of one block
    assert result.decompositions == result.decompositions_without_lazy == layers * 5
