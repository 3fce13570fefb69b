"""Draw short rows by the thousands, so that their sums and shares take all the values they have."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["drawn_rows"]

_LONGEST = 64  # beats of a row: most rows are a few
_SPREADS = 64  # codes by which scores are less than the greatest, in the mean, at most
_MASKED = 0.04


def drawn_rows(
    rng: np.random.Generator, lanes: int, longest: int, beats: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield rows of all lengths up to 64 beats, whose scores are close to the greatest or far.

    Sums of a few scores take every value, where those of long rows are all alike: so a bit of a
    quotient that only decides near a step decides somewhere.

    Args:
        rng: Random generator.
        lanes: Scores of a beat.
        longest: Beats of the longest row.
        beats: Of all rows together, about.

    Yields:
        Scores and whether each is masked, shape ``(scores,)``.
    """
    most, left = min(longest, _LONGEST) * lanes, beats
    while left > 0:
        length = int((most + 1) ** rng.uniform())
        below = rng.exponential(_SPREADS ** rng.uniform(), length).astype(np.int64)
        score = np.maximum(int(rng.integers(-100, 128)) - below, -128)
        yield score, rng.random(length) < _MASKED
        left -= -(-length // lanes)
