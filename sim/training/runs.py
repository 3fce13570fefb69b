"""The training runs whose losses the project states: methods, random bits, variants compared."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from consilico.golden.training.method import METHODS
from consilico.sim.traffic.gpt_training import GptTraining

__all__ = ["METHOD_RUNS", "ROUNDING_RUNS", "SEEDS", "VARIANT_RUNS", "LossRun", "loss_runs"]

SEEDS = (1, 2, 3)

_RANK, _GAP = 32, 50
_ADAMW = GptTraining(method=METHODS["adamw"], lr=3e-3, fused=False)
_QGALORE = GptTraining(
    method=replace(METHODS["qgalore"], rank=_RANK, gap=_GAP), lr=3e-2, fused=True
)


def _method(run: GptTraining, **fields: Any) -> GptTraining:
    """Return the run with another method."""
    return replace(run, method=replace(run.method, **fields))


def _bits(run: GptTraining, random_bits: int) -> GptTraining:
    """Return the run with another number of random bits."""
    return _method(run, random_bits=random_bits)


def _float(run: GptTraining) -> GptTraining:
    """Return the run with float32 weights."""
    return _method(run, weights=32)


METHOD_RUNS = {
    "adamw": _ADAMW,
    "qgalore_stochastic": _QGALORE,
    "qgalore_nearest": _bits(_QGALORE, 0),
    "qgalore_float": _float(_QGALORE),
    "galore": replace(_QGALORE, method=replace(METHODS["galore"], rank=_RANK, gap=_GAP)),
    "galore8bit": replace(_QGALORE, method=replace(METHODS["galore8bit"], rank=_RANK, gap=_GAP)),
    "adamw8bit": replace(_ADAMW, method=METHODS["adamw8bit"]),
}
"""Does Q-GaLore track AdamW, what does stochastic rounding do for it, and what each other part?"""

_EVERY_SEED = ("adamw", "qgalore_stochastic", "qgalore_nearest")  # the others: the first one

_SHORT = replace(_QGALORE, steps=300, warm_up=30)
ROUNDING_RUNS = {
    "float": _float(_SHORT),
    **{str(bits): _bits(_SHORT, bits) for bits in (16, 14, 12, 10, 8, 6, 4, 0)},
}
"""Q-GaLore by the random bits of its INT8 weights, 0 being to nearest; float: float32 weights."""

_SHORT_GALORE = replace(METHOD_RUNS["galore"], steps=300, warm_up=30)
VARIANT_RUNS = {
    "own": _SHORT,
    "published": _method(_SHORT, variant="published"),
    "clamped": _method(_SHORT, zero_point="clamped"),
    "clamped_constant_gap": _method(_SHORT, zero_point="clamped", lazy=False),
    "published_constant_gap": _method(_SHORT, variant="published", lazy=False),
    "galore": _SHORT_GALORE,
    "galore_published": _method(_SHORT_GALORE, variant="published"),
}
"""Q-GaLore and GaLore of our own and as published, and what is between them.

With a constant gap the variants differ in the zero point and in the groups of wide projections,
with a clamped zero point in the latter and in the cosine.
"""


@dataclass(frozen=True, kw_only=True)
class LossRun:
    """A training whose loss is stated: its name among the runs of its kind, and its seed."""

    kind: str  # "method", "rounding" or "variant"
    name: str
    seed: int
    run: GptTraining

    @property
    def label(self) -> str:
        """Return what the run is called in messages."""
        return f"{self.kind} {self.name}, seed {self.seed}"


def loss_runs(seeds: Iterable[int] = SEEDS) -> list[LossRun]:
    """Return everything that ``make bench`` trains, what matters most first."""
    first, *others = seeds
    methods = [(seed, name) for seed in (first, *others) for name in _EVERY_SEED]
    methods += [(first, name) for name in METHOD_RUNS if name not in _EVERY_SEED]
    return [
        *(
            LossRun(kind="method", name=name, seed=seed, run=METHOD_RUNS[name])
            for seed, name in methods
        ),
        *(
            LossRun(kind="rounding", name=name, seed=first, run=run)
            for name, run in ROUNDING_RUNS.items()
        ),
        *(
            LossRun(kind="variant", name=name, seed=first, run=run)
            for name, run in VARIANT_RUNS.items()
        ),
    ]
