"""What is known of the training runs, from the result cache alone: nothing is trained here."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from consilico.golden.training.held_bytes import HeldBytes
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.gpt_training import GptTraining
from consilico.sim.training.loss import TrainingLoss, stored_losses
from consilico.sim.training.runs import METHOD_RUNS, ROUNDING_RUNS, SEEDS, LossRun, loss_runs

__all__ = ["training_facts"]

_Results = dict[tuple[str, str, int], TrainingLoss | None]  # by kind, name and seed


def training_facts(held: str = "") -> dict[str, Any]:
    """Gather losses by method and by random bits, in nats per byte; None where a run was not done.

    Args:
        held: Digest of the runs that the cache holds: other runs, other facts.

    Returns:
        ``trained_at`` of each run done, ascending; ``seeds``, and

        - ``methods``: for each its ``name``, bits of ``weights``, ``projection`` and ``states``,
          ``rank``, ``random_bits``, ``lr``, ``steps``; by seed whether that run is ``planned``,
          ``losses`` and ``against_adamw`` (ratio less 1); ``mean_loss``; of each run done
          ``decompositions`` and ``decompositions_without_lazy``; of the first ``held_bytes``.
        - ``rounding``: for each run by random bits its ``name``, ``random_bits`` (None for float
          weights), ``steps``, ``seed``, ``loss`` and ``against_float`` (ratio less 1).
    """
    todo = loss_runs()
    results = _results(todo)
    methods = [_method(name, results) for name in METHOD_RUNS]
    return {
        "trained_at": sorted(result.trained_at for result in results.values() if result),
        "seeds": list(SEEDS),
        "methods": methods,
        "rounding": [_rounding(task, results) for task in todo if task.kind == "rounding"],
    }


def _results(todo: Sequence[LossRun]) -> _Results:
    try:
        found = stored_losses((task.run, task.seed) for task in todo)
    except UserError:  # without the text no run can have been done with it
        found = [None] * len(todo)
    keys = [(task.kind, task.name, task.seed) for task in todo]
    return dict(zip(keys, found, strict=True))


def _method(name: str, results: _Results) -> dict[str, Any]:
    run = METHOD_RUNS[name]
    found = [results.get(("method", name, seed)) for seed in SEEDS]
    adamw = [_loss(results.get(("method", "adamw", seed))) for seed in SEEDS]
    losses = [_loss(result) for result in found]
    measured = [result for result in found if result is not None]
    return {
        "name": name,
        **{key: getattr(run.method, key) for key in ("weights", "projection", "states", "rank")},
        "random_bits": run.method.random_bits,
        "lr": run.lr,
        "steps": run.steps,
        "planned": [("method", name, seed) in results for seed in SEEDS],
        "losses": losses,
        "against_adamw": [_above(*pair) for pair in zip(losses, adamw, strict=True)],
        "mean_loss": mean(known) if (known := [x for x in losses if x is not None]) else None,
        "decompositions": [result.decompositions for result in measured],
        "decompositions_without_lazy": [result.decompositions_without_lazy for result in measured],
        "held_bytes": _held_bytes(run, measured[0]) if measured else None,
    }


def _held_bytes(run: GptTraining, result: TrainingLoss) -> int:
    """Bytes alive at once: without the fused update all gradients are."""
    held = HeldBytes(**result.held_bytes)
    return held.total if run.fused else held.total - held.gradients + held.all_gradients


def _rounding(task: LossRun, results: _Results) -> dict[str, Any]:
    loss = _loss(results[task.kind, task.name, task.seed])
    reference = _loss(results[task.kind, next(iter(ROUNDING_RUNS)), task.seed])
    return {
        "name": task.name,
        "random_bits": task.run.method.random_bits if task.run.method.weights == 8 else None,
        "steps": task.run.steps,
        "seed": task.seed,
        "loss": loss,
        "against_float": _above(loss, reference),
    }


def _loss(result: TrainingLoss | None) -> float | None:
    return None if result is None else result.validation_loss


def _above(loss: float | None, reference: float | None) -> float | None:
    return None if loss is None or reference is None else loss / reference - 1
