"""The loss of small trainings by any of the golden methods, each kept in the result cache."""

import datetime
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from consilico.golden.training.held_bytes import held_bytes
from consilico.golden.training.subspace import Subspace
from consilico.sim.base.code import code_digest
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.results import digest, stored
from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.traffic.gpt_training import (
    GptTrainer,
    GptTraining,
    TrainingText,
    split_works,
    window_loss,
)
from consilico.sim.traffic.packages import load_works, works_provenance

__all__ = ["Surroundings", "TrainingLoss", "stored_losses", "surroundings", "train", "train_once"]

_REPORTED = 50  # steps between two reports of the training loss, and steps it is the mean of


@dataclass(frozen=True, kw_only=True)
class TrainingLoss(Facts):
    """Outcome of one training: its losses, what it held in memory, and the time it took."""

    validation_loss: float  # nats per byte, over all held-out bytes
    training_loss: float  # nats per byte, mean of the last steps
    decompositions: int  # subspaces that were renewed
    decompositions_without_lazy: int  # that would have been without the lazy update
    held_bytes: dict[str, int]  # fields of :class:`consilico.golden.training.held_bytes.HeldBytes`
    seconds: float
    trained_at: str  # ISO 8601, UTC


@dataclass(frozen=True, kw_only=True)
class Surroundings(Facts):
    """Text, versions and machine on which the loss of a training depends."""

    text: dict[str, str | int]
    python: str
    torch: str
    machine: str


def train(
    run: GptTraining,
    text: TrainingText,
    seed: int,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> TrainingLoss:
    """Train a model from scratch and return its losses.

    Args:
        run: How to train.
        text: The text; held-out bytes are all evaluated, in windows of the model's context.
        seed: Fixes initial weights, batches and stochastic rounding.
        progress: Called with the step and the training loss, every 50 steps.
    """
    start = time.perf_counter()
    trainer = GptTrainer(run, text.train, seed)
    model, optimizer = trainer.model, trainer.optimizer
    if run.fused:
        optimizer.fuse(run.clip)
    losses: list[float] = []
    for step in range(run.steps):
        losses.append(trainer.backward(step))
        if not run.fused:
            nn.utils.clip_grad_norm_(model.parameters(), run.clip)
            optimizer.step()
            optimizer.zero_grad()
        if (step + 1) % _REPORTED == 0:
            progress(step + 1, losses[-1])
    subspaces: list[Subspace] = [
        state["subspace"] for state in optimizer.state.values() if "subspace" in state
    ]
    last = losses[-_REPORTED:]
    return TrainingLoss(
        validation_loss=_validate(model, text.held_out, run),
        training_loss=sum(last) / len(last),
        decompositions=sum(subspace.renewals for subspace in subspaces),
        decompositions_without_lazy=len(subspaces) * -(-run.steps // run.method.gap),
        held_bytes=asdict(held_bytes(model, optimizer)),
        seconds=time.perf_counter() - start,
        trained_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


@torch.no_grad()
def _validate(model: nn.Module, held_out: Tensor, run: GptTraining) -> float:
    """Return the mean loss of all whole windows of the held-out bytes, one next to the other."""
    length = run.model.context + 1
    windows = held_out.unfold(0, length, run.model.context)
    total = 0.0
    for part in torch.split(windows, 4 * run.batch):
        total += window_loss(model, part).item() * len(part)
    return total / len(windows)


def train_once(
    run: GptTraining, seed: int, progress: Callable[[int, float], None] = lambda *_: None
) -> TrainingLoss:
    """Train, unless the cache has the result; on one thread, for losses that can be repeated.

    Raises:
        UserError: If the text is missing.
    """
    works = load_works()

    def compute() -> TrainingLoss:
        with one_torch_thread():
            return train(run, split_works(works), seed, progress)

    return cached_facts(TrainingLoss, "training", _key(run, seed, surroundings(works)), compute)


def stored_losses(runs: Iterable[tuple[GptTraining, int]]) -> list[TrainingLoss | None]:
    """Return the results that :func:`train_once` would take from the cache; None: it would train.

    Args:
        runs: Trainings, each with its seed.

    Raises:
        UserError: If the text is missing.
    """
    known = surroundings(load_works())
    found = [stored("training", _key(run, seed, known)) for run, seed in runs]
    return [None if result is None else TrainingLoss.from_json(result) for result in found]


def surroundings(works: dict[str, str]) -> Surroundings:
    """Return the text and the versions that a loss depends on."""
    return Surroundings(
        text=works_provenance(works),
        python=platform.python_version(),
        torch=torch.__version__,
        machine=platform.machine(),
    )


def _key(run: GptTraining, seed: int, known: Surroundings) -> str:
    """Return the key under which the cache has a result."""
    code = code_digest("consilico.sim.training.loss")
    return digest(run.to_json(), seed, known.to_json(), code)
