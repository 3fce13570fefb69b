"""Measure perplexities: ``python -m consilico.sim.accuracy.measure [--minutes N]``.

Writes ``measured.json`` after each measurement, so that a run goes on where it stopped: what the
table has is not measured again. A passage of 2,048 tokens takes about a minute of processor time.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from consilico.sim.accuracy.accuracy import accuracy, provenance
from consilico.sim.accuracy.drop_in import EXACT
from consilico.sim.accuracy.table import (
    TABLE,
    MeasuredAccuracies,
    MeasuredAccuracy,
    measured_accuracies,
)
from consilico.sim.accuracy.texts import TEXTS
from consilico.sim.base.files import write_atomic
from consilico.sim.units.catalogue import own_units

__all__ = ["PerplexityCase", "main", "study", "todo"]

_FORMS = ("uint8", "2xint7", "int7", "uint8-max")  # of softmax, first of all
_MORE_FORMS = ("bf16", "uint12", "int7-max")
_OF_ALL = "2xint7"  # P that is exact enough to show what a normalizer does
_OPTIONS = ("ita:fraction=0", "softmax:exponential=vexp")


@dataclass(frozen=True, kw_only=True)
class PerplexityCase:
    """A normalizer with a format of P, on windows of a text."""

    text: str
    tokens: int
    normaliser: str
    p_format: str

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Return the key that its row of the table has."""
        return (self.text, self.tokens, self.normaliser, self.p_format)


def study() -> list[PerplexityCase]:
    """Return what is measured, in this order: what most depends on comes first."""
    passes = [
        *((text, tokens, _first()) for text in TEXTS for tokens in (256, 2048)),
        *((text, 1024, _first()) for text in TEXTS),
        *((text, tokens, _then()) for text in TEXTS for tokens in (256, 2048, 1024)),
    ]
    return [
        PerplexityCase(text=text, tokens=tokens, normaliser=name, p_format=form)
        for text, tokens, pairs in passes
        for name, form in pairs
    ]


def _first() -> Iterator[tuple[str, str]]:
    """Yield formats of P with softmax, and the normalizers with an exact one."""
    yield from (("softmax", form) for form in _FORMS)
    yield from ((name, _OF_ALL) for name in _names() if name != "softmax")
    yield ("online_softmax", "uint8")


def _then() -> Iterator[tuple[str, str]]:
    """Yield more formats, options of units, and what a chip may ask for in addition."""
    yield from (("softmax", form) for form in _MORE_FORMS)
    yield from ((name, _OF_ALL) for name in (EXACT, *_OPTIONS))
    yield from ((name, "int7") for name in _names() if name != "softmax")


def _names() -> list[str]:
    return [name for name, unit in own_units().items() if unit.normalize is not None]


def todo(table: MeasuredAccuracies) -> list[PerplexityCase]:
    """Return the cases that a table lacks."""
    known = {row.key for row in table.rows}
    return [case for case in study() if case.key not in known]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is left to measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other then")
    end = time.monotonic() + 60 * parser.parse_args(argv).minutes
    cases = todo(measured_accuracies())
    for number, case in enumerate(cases, 1):
        if time.monotonic() > end:
            break
        print(f"{number} of {len(cases)}: {case}", flush=True)
        found = accuracy(case.normaliser, case.p_format, case.tokens, case.text)
        row = MeasuredAccuracy(
            found=found, date=date.today().isoformat(), tools=provenance()["tools"]
        )
        table = measured_accuracies().added(row)
        write_atomic(TABLE, json.dumps(table.to_json(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
