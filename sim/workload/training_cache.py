"""Training runs of minutes, each done once and kept in the result cache."""

import ast
import datetime
import importlib
import inspect
import platform
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch

from golden.training.codebook import dynamic_code_book
from sim.results import cached, digest, stored
from sim.workload.text import load_works, works_provenance
from sim.workload.training import Run, split_works, train

__all__ = ["about", "stored_runs", "train_once"]

_SOURCES = (
    *(f"golden.training.{name}" for name in ("affine", "int8_linear", "memory", "method")),
    *(f"golden.training.{name}" for name in ("moments", "qgalore", "stochastic_round")),
    "golden.training.subspace",
    *(f"sim.workload.{name}" for name in ("gpt", "training")),
)


def train_once(
    run: Run, seed: int, progress: Callable[[int, float], None] = lambda *_: None
) -> dict[str, Any]:
    """Train, unless the cache has it; on one thread, for losses that can be repeated.

    Returns:
        What :func:`sim.workload.training.train` returns, and ``trained_at``.

    Raises:
        UserError: If the text is missing.
    """
    works = load_works()

    def compute() -> dict[str, Any]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            result = train(run, split_works(works), seed, progress)
        finally:
            torch.set_num_threads(threads)
        now = datetime.datetime.now(datetime.UTC)
        return result | {"trained_at": now.isoformat(timespec="seconds")}

    result: dict[str, Any] = cached("training", _key(run, seed, about(works)), compute)
    return result


def stored_runs(runs: Iterable[tuple[Run, int]]) -> list[dict[str, Any] | None]:
    """The results that :func:`train_once` would take from the cache; None where it would train.

    Args:
        runs: Runs, each with its seed.

    Raises:
        UserError: If the text is missing.
    """
    known = about(load_works())
    return [stored("training", _key(run, seed, known)) for run, seed in runs]


def about(works: dict[str, str]) -> dict[str, Any]:
    """What the loss of a run depends on beside its configuration and this project's code."""
    return {
        "text": works_provenance(works),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def _key(run: Run, seed: int, known: dict[str, Any]) -> str:
    books = [dynamic_code_book(signed=signed).tolist() for signed in (True, False)]
    return digest(run.to_json(), seed, known, books, [_meaning(name) for name in _SOURCES])


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
