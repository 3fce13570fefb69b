"""Does Q-GaLore train as AdamW does? ``python -m sim.workload.training_bench [--json PATH]``.

A byte-level GPT on Shakespeare, once for each method and seed. Each run takes minutes and is kept
in the result cache, so that a bench that was stopped goes on with the run that it was at. Runs use
one thread each, for losses that can be repeated; ``--jobs`` runs that many at a time.
"""

import argparse
import ast
import importlib
import inspect
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from golden.training.codebook import dynamic_code_book
from sim.errors import UserError
from sim.results import cached, digest, write_atomic
from sim.workload.text import load_works, works_provenance
from sim.workload.training import RUNS, Run, split_works, train

__all__ = ["SEEDS", "compare", "main", "run_once"]

SEEDS = (1, 2, 3)
_REFERENCE = "adamw"
_SOURCES = (
    *(f"golden.training.{name}" for name in ("affine", "int8_linear", "memory", "method")),
    *(f"golden.training.{name}" for name in ("moments", "qgalore", "subspace")),
    *(f"sim.workload.{name}" for name in ("gpt", "training")),
)


def compare(
    runs: dict[str, Run], seeds: Iterable[int], jobs: int = 1, quiet: bool = True
) -> dict[str, Any]:
    """Run every method with every seed, or take the result from the cache.

    Args:
        runs: Runs by name.
        seeds: The seeds.
        jobs: Processes.
        quiet: Leave out the training losses on standard error.

    Returns:
        ``runs``: for each method and seed, its configuration and what
        :func:`sim.workload.training.train` returns; ``summary``: for each method the mean
        validation loss and, if AdamW is among the methods, ``worse_than_adamw_percent`` for each
        seed; ``about``: text, versions of Python and torch, processor.

    Raises:
        UserError: If the text is missing.
    """
    tasks = [(name, run, seed) for seed in seeds for name, run in runs.items()]
    once = partial(run_once, quiet=quiet)
    if jobs == 1:
        results = [once(task) for task in tasks]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(once, tasks))
    return {
        "about": _about(load_works()),
        "runs": [
            {"name": name, "seed": seed, "configuration": run.to_json(), **result}
            for (name, run, seed), result in zip(tasks, results, strict=True)
        ],
        "summary": _summary([(name, seed) for name, _, seed in tasks], results),
    }


def run_once(task: tuple[str, Run, int], quiet: bool = True) -> dict[str, Any]:
    """Train with one method and seed, unless the cache has it."""
    name, run, seed = task
    works = load_works()

    def progress(step: int, loss: float) -> None:
        if not quiet:
            print(f"{name} seed {seed}: step {step}, loss {loss:.3f}", file=sys.stderr)

    def compute() -> dict[str, Any]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return train(run, split_works(works), seed, progress)
        finally:
            torch.set_num_threads(threads)

    books = [dynamic_code_book(signed=signed).tolist() for signed in (True, False)]
    key = digest(run.to_json(), seed, _about(works), books, [_meaning(name) for name in _SOURCES])
    result: dict[str, Any] = cached("training", key, compute)
    return result


def _about(works: dict[str, str]) -> dict[str, Any]:
    return {
        "text": works_provenance(works),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


@cache  # of the code that was loaded, even if the file changes during a run
def _meaning(module: str) -> str:
    """A module's code without comments and docstrings: what a run of minutes depends on."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [item for item in node.body if not _is_text(item)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _summary(
    tasks: Sequence[tuple[str, int]], results: Sequence[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    loss = {task: result["validation_loss"] for task, result in zip(tasks, results, strict=True)}
    summary: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for name, _ in tasks):
        seeds = [seed for other, seed in tasks if other == name]
        summary[name] = {"validation_loss": mean(loss[name, seed] for seed in seeds)}
        if (_REFERENCE, seeds[0]) in loss and name != _REFERENCE:
            summary[name]["worse_than_adamw_percent"] = [
                100 * (loss[name, seed] / loss[_REFERENCE, seed] - 1) for seed in seeds
            ]
    return summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module; returns the exit status."""
    parser = argparse.ArgumentParser(description="Q-GaLore against AdamW on a small model")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(arguments)
    try:
        result = compare(RUNS, options.seeds, options.jobs, quiet=False)
        if options.json:
            write_atomic(options.json, json.dumps(result, indent=2) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for run in result["runs"]:
        print(
            f"{run['name']:<20} seed {run['seed']}  validation loss {run['validation_loss']:.4f}  "
            f"{run['decompositions']:>4} of {run['decompositions_without_lazy']} decompositions  "
            f"{run['seconds']:.0f} s"
        )
    for name, row in result["summary"].items():
        worse = ", ".join(f"{value:+.2f} %" for value in row.get("worse_than_adamw_percent", []))
        print(
            f"{name:<20} mean    validation loss {row['validation_loss']:.4f}"
            + (f"  against AdamW: {worse}" if worse else "")
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
