"""Train GPTs with ConSmax, and convert SmolLM2-135M: the command of the table.

``python -m consilico.sim.training.consmax_measure [--minutes N]`` writes the table after each
training, with what formats of P do to the trained model. A training that was stopped goes on from
its checkpoint, and what the table has is not trained again. On a GPU where there is one; ``--sizes
paper`` trains the paper's model and ``--sizes smollm2`` converts the pretrained one, which take
hours without.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from consilico.golden.attention.consmax_module import ConSmax
from consilico.golden.training.method import METHODS
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done
from consilico.sim.traffic.gpt_training import GptConfig, GptTraining, split_works
from consilico.sim.traffic.packages import load_works, works_provenance
from consilico.sim.traffic.smollm import model_provenance
from consilico.sim.training.consmax_convert import Conversion
from consilico.sim.training.consmax_formats import calibrated, format_losses
from consilico.sim.training.consmax_gpt import KINDS, NormalizedModel, Normalizer
from consilico.sim.training.consmax_run import (
    DEVICES,
    ConsmaxTraining,
    Stopped,
    find_device,
    held_out_loss,
    held_out_windows,
    train,
)
from consilico.sim.training.consmax_table import (
    TABLE,
    ConsmaxRun,
    ConversionRun,
    Spread,
    read_consmax_table,
)

__all__ = [
    "CONVERSIONS",
    "NORMALIZERS",
    "SEEDS",
    "SIZES",
    "Case",
    "conversions",
    "main",
    "study",
    "todo",
]

SEEDS = (1, 2, 3)

_SMALL = GptTraining(method=METHODS["adamw"], lr=3e-3, fused=False, steps=3000)
SIZES = {
    "quick": replace(
        _SMALL, model=GptConfig(layers=2, heads=4, width=64, context=128), steps=1000, batch=8
    ),
    "small": _SMALL,
    "small-512": replace(_SMALL, model=GptConfig(context=512), batch=4),  # as many bytes a step
    "search": replace(_SMALL, steps=1000),
    "paper": replace(
        _SMALL,
        model=GptConfig(layers=6, heads=6, width=384, context=256),
        steps=10_000,
        lr=1e-3,
    ),
}
"""Models and their trainings.

``quick`` is the least that shows a difference; ``search`` is a third of ``small`` and
compares where constants start. Of ``paper`` layers, heads, width, context and steps are the
paper's; batch and rate are ours.
"""

_SMOLLM2 = GptTraining(
    method=METHODS["adamw"],
    lr=3e-4,
    fused=False,
    model=GptConfig(layers=30, heads=9, width=576, context=512),
    steps=600,
    batch=16,
)
CONVERSIONS = {
    "smollm2": Conversion(gpt=_SMOLLM2),
    "smollm2-smoke": Conversion(
        gpt=replace(
            _SMOLLM2, model=replace(_SMOLLM2.model, context=128), steps=30, batch=2, warm_up=5
        ),
        passage=1024,
        held_out=16,
    ),
}
"""Conversions of SmolLM2-135M, whose text for training ``smollm2`` sees about three times.

``smollm2-smoke`` shows on a CPU that all parts work, and no more: it sees a two-hundredth of it.
"""

_CONSMAX = Normalizer(kind="consmax")
_ROWS = Normalizer(kind="consmax_rows", gamma=1.0)  # rows of 100 keys begin as with the paper's 100
_ALL = {"softmax": Normalizer(), "consmax": _CONSMAX, "consmax_rows": _ROWS}
_SEARCHED = {
    "consmax, gamma 10": replace(_CONSMAX, gamma=10.0),
    "consmax, rate x10": replace(_CONSMAX, rate=10.0),
    "consmax_rows, rate x10": replace(_ROWS, rate=10.0),
    "consmax, gamma 1000": replace(_CONSMAX, gamma=1000.0),
    "consmax, beta 0": replace(_CONSMAX, beta=(0.0, 0.0)),
    "consmax, not learned": replace(_CONSMAX, rate=0.0),
    "consmax_rows, beta 0": replace(_ROWS, beta=(0.0, 0.0)),
}
NORMALIZERS = _ALL | _SEARCHED
"""What normalizes scores, by name: as in the paper, and where else constants may start."""

_USUAL = ("quick", "small", "small-512", "search")
_PASSAGE = 1 << 14  # bytes that formats are measured on, and that scales are calibrated on


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training of the study."""

    size: str
    normalizer: str
    seed: int

    @property
    def training(self) -> ConsmaxTraining | Conversion:
        """Return the settings of the model, its normalizer and its training."""
        if self.size in CONVERSIONS:
            return replace(CONVERSIONS[self.size], kind=self.normalizer)
        return ConsmaxTraining(gpt=SIZES[self.size], normalizer=NORMALIZERS[self.normalizer])

    @property
    def key(self) -> tuple[str, str, int]:
        """Return the key of the case's row."""
        return (self.size, self.normalizer, self.seed)

    @property
    def label(self) -> str:
        """Return what the training is called in messages."""
        return f"{self.size}, {self.normalizer}, seed {self.seed}"


def study(sizes: Sequence[str] = tuple(SIZES)) -> list[Case]:
    """Return what is trained, in this order: what most depends on comes first."""
    first, *others = SEEDS
    cases = [
        *(("quick", name, first) for name in _ALL),
        *(("small", name, first) for name in _ALL),
        *(("small-512", name, first) for name in _ALL),
        *(("search", name, first) for name in NORMALIZERS),
        *((size, name, seed) for size in ("quick", "small") for seed in others for name in _ALL),
        *(("small-512", name, seed) for seed in others for name in _ALL),
        *(("paper", name, seed) for seed in SEEDS for name in _ALL),
    ]
    return [
        Case(size=size, normalizer=name, seed=seed) for size, name, seed in cases if size in sizes
    ]


def conversions(sizes: Sequence[str] = tuple(CONVERSIONS)) -> list[Case]:
    """Return what is converted, and trained as long with softmax, in this order."""
    return [
        Case(size=size, normalizer=kind, seed=SEEDS[0])
        for size in CONVERSIONS
        for kind in KINDS
        if size in sizes
    ]


def todo(sizes: Sequence[str] = (*SIZES, *CONVERSIONS), table: Path = TABLE) -> list[Case]:
    """Return the cases that a table lacks, or has with other settings."""
    known = read_consmax_table(table)
    rows = {row.key: row for row in (*known.rows, *known.conversions)}
    found = ((case, rows.get(case.key)) for case in (*study(sizes), *conversions(sizes)))
    return [case for case, row in found if row is None or row.settings != _settings(case)]


def measured(
    case: Case, device: str = "auto", end: float = float("inf")
) -> ConsmaxRun | ConversionRun | None:
    """Train, and measure the formats of P with the trained model.

    Args:
        case: What to train.
        device: Where: ``auto``, ``cpu`` or ``cuda``.
        end: Time since 1970 after which the training stops.

    Returns:
        The row of the table; None if the training was stopped.

    Raises:
        UserError: If a text or a model is missing, or the training fails.
    """
    run, works = case.training, load_works()
    text = split_works(works)
    conversion = run if isinstance(run, Conversion) else None
    if conversion is not None:
        text = conversion.tokens(text)

    def progress(step: int, loss: float) -> None:
        print(f"{case.label}: step {step:,} of {run.gpt.steps:,}, loss {loss:.3f}", flush=True)

    def say(what: str) -> None:
        print(f"{case.label}: {what}", flush=True)

    try:
        trained = train(
            run, text, case.seed, device, stop=lambda: time.time() > end, progress=progress, say=say
        )
    except Stopped:
        return None
    model, context = trained.model, run.gpt.model.context
    few = (_PASSAGE if conversion is None else conversion.passage) // context
    most = None if conversion is None else conversion.held_out or None
    passage, windows = (held_out_windows(text, context, count) for count in (few, most))
    learned = held_out_windows(replace(text, held_out=text.train), context, few)
    formats, distribution = format_losses(model, run.kind, calibrated(model, learned), passage)
    passage_loss, place = held_out_loss(model, passage), find_device(device)
    found: dict[str, Any] = {
        "size": case.size,
        "normalizer": case.normalizer,
        "seed": case.seed,
        "settings": _settings(case),
        "loss": held_out_loss(model.to(place), windows),
        "training_loss": trained.training_loss,
        "passage_loss": passage_loss,
        "formats": formats,
        "distribution": distribution,
        "beta": _spread(model, "beta"),
        "gamma": _spread(model, "gamma"),
        "seconds": trained.seconds,
        "machine": f"{platform.system()} {trained.device}",
        "date": datetime.now(UTC).date().isoformat(),
        "text": works_provenance(works),
    }
    if conversion is None:
        return ConsmaxRun(**found, versions=_versions(), passage_bytes=len(passage) * context)
    start = conversion.start(text.train).to(place)
    before = held_out_loss(start, windows)
    start.ceiling = NormalizedModel.ceiling
    unsaturated = held_out_loss(start, windows)
    return ConversionRun(
        **found,
        versions=_versions("gguf", "tokenizers"),
        before=before,
        unsaturated=unsaturated if math.isfinite(unsaturated) else None,
        held_out_tokens=len(windows) * context,
        passage_tokens=len(passage) * context,
        model=model_provenance(),
    )


def _versions(*others: str) -> dict[str, str]:
    """Return the versions of Python, NumPy, PyTorch and other distributions."""
    names = ("numpy", "torch", *others)
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def _settings(case: Case) -> dict[str, Any]:
    """Return the settings of a case as a table has them."""
    found: dict[str, Any] = json.loads(json.dumps(case.training.to_json()))
    return found


def _spread(model: NormalizedModel, name: str) -> Spread | None:
    """Return what ``beta`` or ``gamma`` became in all heads; None with softmax."""
    layers = cast(Iterable[ConSmax], model.constants)
    values = [value for layer in layers for value in getattr(layer, name).tolist()]
    if not values:
        return None
    return Spread(least=min(values), mean=sum(values) / len(values), greatest=max(values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Train GPTs with ConSmax and with softmax, or convert SmolLM2-135M"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=(*SIZES, *CONVERSIONS),
        default=_USUAL,
        help="default: all but the paper's and conversions",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop then")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--table", type=Path, default=TABLE, help="default: the project's")
    options = parser.parse_args(arguments)
    end = time.time() + 60 * options.minutes
    try:
        find_device(options.device)
        cases = todo(options.sizes, options.table)
        work = partial(measured, device=options.device, end=end)
        for index, row in as_done(work, cases, "trainings", options.jobs):
            if row is None:
                print(f"{cases[index].label}: stopped; it goes on from its checkpoint")
                break
            print(f"{cases[index].label}: {row.loss:.4f} nats, {row.seconds:.0f} s")
            table = read_consmax_table(options.table).added(row)
            write_atomic(options.table, json.dumps(table.to_json(), indent=1) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
