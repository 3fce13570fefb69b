"""Facts about the training runs, from the result cache alone: nothing is trained here."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from consilico.golden.training.held_bytes import HeldBytes
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.traffic.gpt_training import GptTraining
from consilico.sim.training.loss import TrainingLoss, stored_losses
from consilico.sim.training.runs import METHOD_RUNS, ROUNDING_RUNS, SEEDS, LossRun, loss_runs

__all__ = ["MethodLosses", "RoundingLoss", "TrainingLosses", "training_facts"]

_Results = dict[tuple[str, str, int], TrainingLoss | None]  # by kind, name and seed


@dataclass(frozen=True, kw_only=True)
class MethodLosses(Facts):
    """Losses of one method in nats per byte, by seed; None where a run was not done."""

    name: str
    weights: int  # bits, as are projection and states
    projection: int
    states: int
    rank: int  # 0: no projection
    random_bits: int  # of rounding
    lr: float
    steps: int
    planned: tuple[bool, ...]  # whether the run of that seed is one of the bench
    losses: tuple[float | None, ...]
    against_adamw: tuple[float | None, ...]  # ratio to AdamW's loss of the same seed, less 1
    mean_loss: float | None  # of the runs done
    decompositions: tuple[int, ...]  # of each run done
    decompositions_without_lazy: tuple[int, ...]
    held_bytes: int | None  # of the first run done


@dataclass(frozen=True, kw_only=True)
class RoundingLoss(Facts):
    """Loss of one run in nats per byte that rounds with some random bits."""

    name: str
    random_bits: int | None  # None: float weights, which are not rounded
    steps: int
    seed: int
    loss: float | None  # None: not measured
    against_float: float | None  # ratio to the loss with float weights, less 1


@dataclass(frozen=True, kw_only=True)
class TrainingLosses(Facts):
    """Losses of all small trainings that the cache holds."""

    trained_at: tuple[str, ...]  # ISO 8601, of each run done, ascending
    seeds: tuple[int, ...]
    methods: tuple[MethodLosses, ...]
    rounding: tuple[RoundingLoss, ...]

    @property
    def days(self) -> list[str]:
        """Return the days on which runs were done, ascending."""
        return sorted({time[:10] for time in self.trained_at})

    @property
    def against_adamw(self) -> dict[str, tuple[float | None, ...]]:
        """Return each method's losses against AdamW's, by seed."""
        return {row.name: row.against_adamw for row in self.methods}

    @property
    def rounding_by_bits(self) -> dict[int | None, RoundingLoss]:
        """Return the runs by their random bits; None stands for float weights."""
        return {row.random_bits: row for row in self.rounding}


def training_facts(held: str = "") -> TrainingLosses:
    """Gather losses by method and by random bits from the result cache.

    Args:
        held: Digest of the runs that the cache holds: other runs, other facts.
    """
    todo = loss_runs()
    results = _results(todo)
    methods = tuple(_method(name, results) for name in METHOD_RUNS)
    return TrainingLosses(
        trained_at=tuple(sorted(result.trained_at for result in results.values() if result)),
        seeds=tuple(SEEDS),
        methods=methods,
        rounding=tuple(_rounding(task, results) for task in todo if task.kind == "rounding"),
    )


def _results(todo: Sequence[LossRun]) -> _Results:
    try:
        found = stored_losses((task.run, task.seed) for task in todo)
    except UserError:  # without the text no run can have been done with it
        found = [None] * len(todo)
    keys = [(task.kind, task.name, task.seed) for task in todo]
    return dict(zip(keys, found, strict=True))


def _method(name: str, results: _Results) -> MethodLosses:
    run = METHOD_RUNS[name]
    found = [results.get(("method", name, seed)) for seed in SEEDS]
    adamw = [_loss(results.get(("method", "adamw", seed))) for seed in SEEDS]
    losses = tuple(_loss(result) for result in found)
    measured = [result for result in found if result is not None]
    return MethodLosses(
        name=name,
        weights=run.method.weights,
        projection=run.method.projection,
        states=run.method.states,
        rank=run.method.rank,
        random_bits=run.method.random_bits,
        lr=run.lr,
        steps=run.steps,
        planned=tuple(("method", name, seed) in results for seed in SEEDS),
        losses=losses,
        against_adamw=tuple(_above(*pair) for pair in zip(losses, adamw, strict=True)),
        mean_loss=mean(known) if (known := [x for x in losses if x is not None]) else None,
        decompositions=tuple(result.decompositions for result in measured),
        decompositions_without_lazy=tuple(
            result.decompositions_without_lazy for result in measured
        ),
        held_bytes=_held_bytes(run, measured[0]) if measured else None,
    )


def _held_bytes(run: GptTraining, result: TrainingLoss) -> int:
    """Return the bytes alive at once: without the fused update all gradients are."""
    held = HeldBytes(**result.held_bytes)
    return held.total if run.fused else held.total - held.gradients + held.all_gradients


def _rounding(task: LossRun, results: _Results) -> RoundingLoss:
    loss = _loss(results[task.kind, task.name, task.seed])
    reference = _loss(results[task.kind, next(iter(ROUNDING_RUNS)), task.seed])
    return RoundingLoss(
        name=task.name,
        random_bits=task.run.method.random_bits if task.run.method.weights == 8 else None,
        steps=task.run.steps,
        seed=task.seed,
        loss=loss,
        against_float=_above(loss, reference),
    )


def _loss(result: TrainingLoss | None) -> float | None:
    return None if result is None else result.validation_loss


def _above(loss: float | None, reference: float | None) -> float | None:
    return None if loss is None or reference is None else loss / reference - 1
