"""Measure how fast the ledger answers: ``python -m consilico.sim.memory.bench``."""

import time
from collections.abc import Callable

from consilico.sim.memory.answer import answer
from consilico.sim.memory.gpus import GpuMemory, find_gpu
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.sweep import sweep
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["main"]

_REPEATS = 9


def main() -> None:
    """Print the milliseconds of queries, and a sweep's rate.

    Those that are asked again are the best of several; a first one has nothing to remember.
    """
    card = find_gpu("rtx4060ti-16gb")
    model = find_model("llama-7b")
    fits = TrainingRun(model=model, method="q-galore", rank=1024, per_layer=True)
    too_large = TrainingRun(model=model, method="adamw", batch=8, sequence=2048)
    for label, run in (("fits", fits), ("does not fit, changes searched", too_large)):
        seconds = _best(lambda run=run: answer(run, GpuMemory.of(card), card))  # type: ignore[misc]
        print(f"query that {label}: {1e3 * seconds:.1f} ms")
    start = time.perf_counter()
    answer(TrainingRun(model=model, method="lora", rank=16), GpuMemory.of(card), card)
    print(f"first query of another method, LoRA: {1e3 * (time.perf_counter() - start):.1f} ms")
    methods = [name for name in METHODS if name != "inference"]
    lengths = [256 * n for n in range(1, 17)]
    start = time.perf_counter()
    found = sweep(TrainingRun(model=model), methods, range(1, 65), lengths, (64, 128, 256, 512))
    count = sum(item.count for item in found)
    print(f"sweep: {count:,} configurations in {time.perf_counter() - start:.2f} s")


def _best(ask: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several repetitions."""
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
