"""Training runs of minutes, each done once and kept in the result cache."""

import datetime
import platform
from collections.abc import Callable, Iterable
from typing import Any

import torch

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cached, digest, stored
from consilico.sim.traffic.text import load_works, works_provenance
from consilico.sim.traffic.training import Run, split_works, train

__all__ = ["about", "stored_runs", "train_once"]


def train_once(
    run: Run, seed: int, progress: Callable[[int, float], None] = lambda *_: None
) -> dict[str, Any]:
    """Train, unless the cache has it; on one thread, for losses that can be repeated.

    Returns:
        What :func:`consilico.sim.traffic.training.train` returns, and ``trained_at``.

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
    return digest(run.to_json(), seed, known, code_digest("consilico.sim.traffic.training"))
