"""Does low-bit training train? ``python -m consilico.sim.training.bench [--json PATH]``.

A byte-level GPT on Shakespeare: AdamW, GaLore and Q-GaLore, and Q-GaLore by its random bits. Each
run takes minutes and is kept in the result cache, so that a bench that was stopped goes on with
the run that it was at, and the report shows what has been run. ``--jobs`` runs that many at a time.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.results import write_atomic
from consilico.sim.traffic.text import load_works
from consilico.sim.training.cache import about, train_once
from consilico.sim.training.runs import SEEDS, Task, tasks

__all__ = ["main", "run_all"]


def run_all(todo: Sequence[Task], jobs: int = 1, quiet: bool = True) -> dict[str, Any]:
    """Do every task, or take its result from the cache.

    Args:
        todo: The tasks.
        jobs: Processes.
        quiet: Leave out the training losses on standard error.

    Returns:
        ``runs``: for each task ``kind``, ``name``, ``seed``, ``configuration`` and what
        :func:`consilico.sim.training.cache.train_once` returns; ``about``: text, versions of
        Python and torch, processor.

    Raises:
        UserError: If the text is missing.
    """
    results = in_parallel(partial(_do, quiet=quiet), todo, "training runs", jobs)
    return {
        "about": about(load_works()),
        "runs": [
            {"kind": task.kind, "name": task.name, "seed": task.seed}
            | {"configuration": task.run.to_json(), **result}
            for task, result in zip(todo, results, strict=True)
        ],
    }


def _do(task: Task, quiet: bool) -> dict[str, Any]:
    def progress(step: int, loss: float) -> None:
        if not quiet:
            print(f"{_label(task)}: step {step}, loss {loss:.3f}", file=sys.stderr)

    return train_once(task.run, task.seed, progress)


def _label(task: Task) -> str:
    return f"{task.kind} {task.name}, seed {task.seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module; returns the exit status."""
    parser = argparse.ArgumentParser(description="Q-GaLore against AdamW on a small model")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(arguments)
    todo = tasks(options.seeds)
    try:
        result = run_all(todo, options.jobs, quiet=False)
        if options.json:
            write_atomic(options.json, json.dumps(result, indent=2) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for task, run in zip(todo, result["runs"], strict=True):
        print(
            f"{_label(task):<34} validation loss {run['validation_loss']:.4f}  "
            f"{run['decompositions']:>4} of {run['decompositions_without_lazy']} decompositions  "
            f"{run['seconds']:.0f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
