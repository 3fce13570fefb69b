"""Distance of the results of a unit for rows of scores from exact softmax.

What a unit takes as scores (an integer base-2 format, say) is part of its error: exact softmax is
that of the INT8 scores that all units start from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.facts import Facts

__all__ = ["TRAPS", "RowErrors", "ScaledRows", "exact_softmax", "row_errors"]

Codes = NDArray[np.int64]
Masks = NDArray[np.bool_]
Reals = NDArray[np.float64]
ScaledRows = Sequence[tuple[float, Sequence[tuple[Codes, Masks]]]]  # scale; scores and masks
Normalize = Callable[[float, Codes, Masks], Reals]

_RAMP = np.arange(-128, 128)
TRAPS: dict[str, Codes] = {  # rows that methods break at; published ones are named in the document
    **{f"{n:,} equal scores": np.zeros(n, dtype=np.int64) for n in (255, 256, 257, 1024, 4096)},
    "rising by 1": _RAMP,
    "falling by 1": _RAMP[::-1],
    "rising by 15": _RAMP[::15],
    "falling by 15": _RAMP[::-15],
    "greatest first, rest least": np.append(127, np.full(255, -128)),
    "greatest last, rest least": np.append(np.full(255, -128), 127),
    "one 0, 255 of -28": np.append(0, np.full(255, -28)),
    "one score": np.zeros(1, dtype=np.int64),
    "two equal scores": np.full(2, 3),
    "256 of -128": np.full(256, -128),
}


@dataclass(frozen=True, kw_only=True)
class RowErrors(Facts):
    """Distance of results from exact softmax, over unmasked scores of some rows."""

    rows: int
    scores: int
    max_error: float  # absolute
    mean_error: float  # absolute, over all scores
    max_relative_error: float | None  # where exact softmax is at least 2 ** -10; None: nowhere
    least_row_sum: float
    greatest_row_sum: float
    zeros: float  # share of results that are 0
    argmax_flips: float  # share of rows whose greatest result is not at a greatest score


_LEAST = 2.0**-10


def exact_softmax(score: Codes, mask: Masks, scale: float) -> Reals:
    """Return softmax in double precision; rows that are all masked are 0.

    Args:
        score: Shape ``(rows, scores)``.
        mask: Same shape; True: the score takes no part.
        scale: Natural units per code.
    """
    shown = np.where(mask, -np.inf, score * scale)
    top = shown.max(axis=1, keepdims=True)
    powers = np.exp(shown - np.where(np.isfinite(top), top, 0))
    total = powers.sum(axis=1, keepdims=True)
    found: Reals = powers / np.where(total == 0, 1, total)
    return found


def row_errors(normalize: Normalize, rows: ScaledRows) -> RowErrors:
    """Compare what a unit makes of rows with exact softmax.

    Args:
        normalize: Scale, scores and masks of shape ``(rows, scores)`` -> results, same shape.
        rows: Those with an unmasked score count.

    Raises:
        ValueError: If there is none, or a scale is none for the unit.
    """
    errors, relative, sums, zeros, flips = [], [], [], 0, 0
    for scale, of_scale in rows:
        score, mask = _filled(of_scale)
        result, exact = normalize(scale, score, mask), exact_softmax(score, mask, scale)
        for each, hidden, found, right in zip(score, mask, result, exact, strict=True):
            if hidden.all():
                continue
            values, expected, codes = found[~hidden], right[~hidden], each[~hidden]
            error = np.abs(values - expected)
            large = expected >= _LEAST
            errors.append(error)
            relative.append(error[large] / expected[large])
            sums.append(float(values.sum()))
            zeros += int((values == 0).sum())
            flips += int(codes[values == values.max()].max() < codes.max())
    if not errors:
        raise ValueError("no row has a score that is not masked")
    every, parts = np.concatenate(errors), np.concatenate(relative)
    return RowErrors(
        rows=len(errors),
        scores=len(every),
        max_error=float(every.max()),
        mean_error=float(every.mean()),
        max_relative_error=float(parts.max()) if len(parts) else None,
        least_row_sum=min(sums),
        greatest_row_sum=max(sums),
        zeros=zeros / len(every),
        argmax_flips=flips / len(errors),
    )


def _filled(rows: Sequence[tuple[Codes, Masks]]) -> tuple[Codes, Masks]:
    """Return rows of the same length: shorter ones are filled up with masked scores."""
    longest = max(len(score) for score, _ in rows)
    score = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.ones((len(rows), longest), dtype=bool)
    for index, (own, hidden) in enumerate(rows):
        score[index, : len(own)], mask[index, : len(own)] = own, hidden
    return score, mask
