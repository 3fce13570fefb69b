"""Facts of the training runs: from the cache alone, and None for what is not there."""

from pathlib import Path

import pytest

from consilico.reports.training import facts as training_facts
from consilico.reports.training.facts import MethodLosses
from consilico.reports.training.judgements import expectations
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cache_dir
from consilico.sim.traffic.gpt_training import GptTraining
from consilico.sim.training import loss as training_loss
from consilico.sim.training.loss import TrainingLoss, train_once
from consilico.sim.training.runs import METHOD_RUNS, ROUNDING_RUNS

HELD = {
    "weights": 100, "weight_codes": 50, "weight_constants": 8, "states": 200,
    "state_constants": 4, "projections": 30, "projection_constants": 2, "gradients": 10,
    "all_gradients": 110, "embedding_gradients": 20, "packing_saves": 30,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_training(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, a short text, and a loss that says which run it is of."""

    def train(run: GptTraining, text: object, seed: int, progress: object) -> TrainingLoss:
        loss = {0: 1.9, 24: 1.8}.get(run.method.random_bits, 2.2) if run.method.rank else 1.6
        return TrainingLoss(
            validation_loss=loss + seed / 100, training_loss=loss, held_bytes=HELD, seconds=1.0,
            decompositions=7 * seed, decompositions_without_lazy=480,
            trained_at="2026-01-01T00:00:00+00:00",
        )  # fmt: skip

    monkeypatch.setattr(training_loss, "train", train)
    monkeypatch.setattr(training_loss, "load_works", lambda: {"A": "to be or not to be"})


def _method(name: str) -> MethodLosses:
    return next(row for row in training_facts.training_facts().methods if row.name == name)


def test_nothing_trained_is_nothing_measured() -> None:
    facts = training_facts.training_facts()
    assert {row.name for row in facts.methods} == set(METHOD_RUNS)
    assert all(row.losses == (None, None, None) for row in facts.methods)
    assert all(row.mean_loss is row.held_bytes is None for row in facts.methods)
    assert [row.met for row in expectations(facts.against_adamw)] == [None, None]
    assert all(row.loss is row.against_float is None for row in facts.rounding)
    assert list(cache_dir("training").iterdir()) == []


def test_a_missing_text_is_nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise UserError("the text is not installed")

    monkeypatch.setattr(training_loss, "load_works", missing)
    assert all(row.losses == (None,) * 3 for row in training_facts.training_facts().methods)


def test_losses_stand_against_adamw_of_the_same_seed() -> None:
    train_once(METHOD_RUNS["adamw"], 2)
    for seed in (1, 2):
        train_once(METHOD_RUNS["qgalore_stochastic"], seed)
    row = _method("qgalore_stochastic")
    assert list(row.losses) == [pytest.approx(1.81), pytest.approx(1.82), None]
    assert list(row.against_adamw) == [None, pytest.approx(1.82 / 1.62 - 1), None]
    assert row.mean_loss == pytest.approx(1.815)
    assert row.decompositions == (7, 14)
    assert row.planned == (True,) * 3
    assert len(training_facts.training_facts().trained_at) == 3
    assert _method("galore").planned == (True, False, False)


def test_all_gradients_are_held_without_the_fused_update() -> None:
    train_once(METHOD_RUNS["adamw"], 1)
    train_once(METHOD_RUNS["qgalore_stochastic"], 1)
    assert _method("qgalore_stochastic").held_bytes == 404
    assert _method("adamw").held_bytes == 394 + 110


def test_random_bits_stand_against_float_weights() -> None:
    for name in ("float", "8", "0"):
        train_once(ROUNDING_RUNS[name], 1)
    rows = {row.name: row for row in training_facts.training_facts().rounding}
    assert (rows["float"].random_bits, rows["float"].against_float) == (None, 0.0)
    assert (rows["8"].random_bits, rows["0"].random_bits) == (8, 0)
    assert rows["8"].against_float == pytest.approx(2.21 / 1.81 - 1)
    assert rows["0"].loss == pytest.approx(1.91)
    assert rows["4"].loss is None


@pytest.mark.parametrize(
    ("stochastic", "nearest", "met"),
    [
        ([-0.02, 0.0, 0.01], [0.04, 0.05, 0.06], [True, True]),
        ([-0.02, 0.0, 0.011], [0.039, 0.05, 0.06], [False, False]),
        ([0.0, None, 0.0], [0.05, 0.05, None], [None, None]),
    ],
)
def test_expectations_are_judged_on_the_worst_seed(
    stochastic: list[float | None], nearest: list[float | None], met: list[bool | None]
) -> None:
    rows = expectations({"qgalore_stochastic": stochastic, "qgalore_nearest": nearest})
    assert [row.met for row in rows] == met
    assert [list(row.measured) for row in rows] == [stochastic, nearest]
