"""Does low-bit training train? ``python -m consilico.sim.training.bench [--json PATH]``.

It trains a byte-level GPT on Shakespeare by AdamW, GaLore and Q-GaLore, and by Q-GaLore with fewer
random bits. Each run takes minutes and is kept in the result cache, so that a bench that was
stopped goes on with the run that it was at, and the report shows what has been run. ``--jobs`` runs
that many at a time.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import in_parallel
from consilico.sim.traffic.packages import load_works
from consilico.sim.training.loss import TrainingLoss, surroundings, train_once
from consilico.sim.training.runs import SEEDS, LossRun, loss_runs

__all__ = ["main", "run_all"]


def run_all(
    todo: Sequence[LossRun], jobs: int | None = 1, quiet: bool = True
) -> list[TrainingLoss]:
    """Do every run, or take its result from the cache.

    Args:
        todo: The runs.
        jobs: Processes; as many as there are processors if None.
        quiet: Leave out the training losses on standard error.

    Returns:
        The result of each run, in their order.

    Raises:
        UserError: If the text is missing.
    """
    return in_parallel(partial(_do, quiet=quiet), todo, "training runs", jobs)


def _do(task: LossRun, quiet: bool) -> TrainingLoss:
    """Train once, and report the loss of each step unless it is to be quiet."""

    def progress(step: int, loss: float) -> None:
        if not quiet:
            print(f"{task.label}: step {step}, loss {loss:.3f}", file=sys.stderr)

    return train_once(task.run, task.seed, progress)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="Q-GaLore against AdamW on a small model")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--jobs", type=int, help="runs at a time; default: the processors")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(arguments)
    todo = loss_runs(options.seeds)
    try:
        results = run_all(todo, options.jobs, quiet=False)
        if options.json:
            write_atomic(options.json, json.dumps(_document(todo, results), indent=2) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for task, found in zip(todo, results, strict=True):
        print(
            f"{task.label:<34} validation loss {found.validation_loss:.4f}  "
            f"{found.decompositions:>4} of {found.decompositions_without_lazy} decompositions  "
            f"{found.seconds:.0f} s"
        )
    return 0


def _document(todo: Sequence[LossRun], results: Sequence[TrainingLoss]) -> dict[str, Any]:
    """Return plain data: what the losses depend on, and each run with its result."""
    return {
        "about": surroundings(load_works()).to_json(),
        "runs": [
            {"kind": task.kind, "name": task.name, "seed": task.seed}
            | {"configuration": task.run.to_json()}
            | found.to_json()
            for task, found in zip(todo, results, strict=True)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
