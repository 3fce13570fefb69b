"""The bench of training runs and its cache; training itself is replaced by a count."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from consilico.sim.base.code import modules_behind
from consilico.sim.base.results import cache_dir
from consilico.sim.traffic.gpt_training import GptTraining, TrainingText
from consilico.sim.traffic.packages import TEXT_PACKAGE, PackageMissing
from consilico.sim.training import bench as training_bench
from consilico.sim.training import loss as training_loss
from consilico.sim.training.loss import TrainingLoss, stored_losses, train_once
from consilico.sim.training.runs import METHOD_RUNS, loss_runs

WORKS = {"A": "to be or not to be, that is the question. " * 100, "B": "whether tis nobler " * 60}
ADAMW = METHOD_RUNS["adamw"]
Trained = list[tuple[GptTraining, int, int]]


@pytest.fixture
def trained(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Runs, seeds and bytes that were trained on; the cache is empty, the text is the above."""
    done: Trained = []

    def train(run: GptTraining, text: TrainingText, seed: int, progress: Any) -> TrainingLoss:
        done.append((run, seed, len(text.train)))
        return TrainingLoss(
            validation_loss=1.0 + seed / 8, training_loss=1.0, decompositions=0,
            decompositions_without_lazy=0, held_bytes={}, seconds=2.0, trained_at="today",
        )  # fmt: skip

    monkeypatch.setattr(training_loss, "train", train)
    for module in (training_bench, training_loss):
        monkeypatch.setattr(module, "load_works", lambda: WORKS)
    return done


def test_the_bench_prints_and_writes_what_it_ran(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "training.json"
    assert training_bench.main(["--json", str(path), "--seeds", "1", "2", "--jobs", "1"]) == 0
    result = json.loads(path.read_text())
    expected = loss_runs([1, 2])
    assert [(run["kind"], run["name"], run["seed"]) for run in result["runs"]] == [
        (task.kind, task.name, task.seed) for task in expected
    ]
    assert [(run, seed) for run, seed, _ in trained] == [(task.run, task.seed) for task in expected]
    assert result["about"]["torch"] == torch.__version__
    assert "method adamw, seed 2" in (text := capsys.readouterr().out)
    assert "1.2500" in text


def test_a_second_bench_runs_only_what_is_missing(trained: Trained) -> None:
    training_bench.run_all(loss_runs([1]))
    once = len(trained)
    training_bench.run_all(loss_runs([1, 2]))
    assert [seed for _, seed, _ in trained[once:]] == [2, 2, 2]


def test_what_was_not_trained_is_not_stored(trained: Trained) -> None:
    asked = [(ADAMW, 1), (ADAMW, 2), (replace(ADAMW, lr=1.0), 1)]
    assert stored_losses(asked) == [None, None, None]
    result = train_once(ADAMW, 1)
    assert stored_losses(asked) == [result, None, None]
    assert len(trained) == 1


def test_a_damaged_result_is_trained_again(trained: Trained) -> None:
    train_once(ADAMW, 1)
    (path,) = cache_dir("training").iterdir()
    path.write_text(path.read_text().replace("1.125", "1.025"))
    assert stored_losses([(ADAMW, 1)]) == [None]
    assert train_once(ADAMW, 1).validation_loss == 1.125
    assert len(trained) == 2


def test_another_text_or_another_code_is_another_run(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_once(ADAMW, 1)
    monkeypatch.setattr(training_loss, "load_works", lambda: WORKS | {"C": "more " * 40})
    train_once(ADAMW, 1)
    monkeypatch.setattr(training_loss, "code_digest", lambda module: f"other {module}")
    train_once(ADAMW, 1)
    assert len({size for _, _, size in trained}) == 2
    assert len(trained) == 3


def test_every_golden_module_of_a_run_is_part_of_its_key() -> None:
    named = modules_behind("consilico.sim.training.loss")
    assert {
        f"consilico.golden.training.{name}" for name in ("qgalore", "moments", "affine")
    } < named
    assert "consilico.sim.traffic.gpt_training" in named


def test_a_missing_text_ends_the_bench_with_its_remedy(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> dict[str, str]:
        raise PackageMissing(str(TEXT_PACKAGE.missing("is not installed")))

    monkeypatch.setattr(training_loss, "load_works", missing)
    assert training_bench.main(["--seeds", "1", "--jobs", "1"]) == 2
    assert "pip install" in capsys.readouterr().err
