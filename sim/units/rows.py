"""Parts that the catalogue entries of units for whole rows share: rows, results, times."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.rows import RowConfig
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.builder import StimulusBuilder

__all__ = [
    "COVERAGE",
    "Rows",
    "add_row",
    "add_rows",
    "in_beats",
    "of_scores",
    "real_bf16",
    "row_exempt",
    "row_hits",
    "row_results",
    "row_shapes",
    "rows_of",
    "shape_hits",
    "widened",
]

Codes = NDArray[np.int64]
Masks = NDArray[np.bool_]
Reals = NDArray[np.float64]

COVERAGE = (
    "every_code",
    "least_score",
    "greatest_score",
    "masked",
    "all_masked",
    "first_masked",
    "greatest_masked",
    "length_one",
    "lengths_one_in_a_row",
    "longest",
    "too_long",
    "after_too_long",
    "greatest_first",
    "greatest_last",
    "short_last_beat",
    "model_row",
    "reset_in_row",
    "reset_in_results",
)


class Rows(NamedTuple):
    """Places of the rows in the beats of data, in order."""

    first: NDArray[np.int64]  # (rows,), number of its first beat
    beats: NDArray[np.int64]  # (rows,), beats that came of it
    complete: NDArray[np.bool_]  # (rows,), whether its last beat came


def rows_of(accepted: Accepted) -> Rows:
    """Return the rows that a unit accepted; a reset cuts one, and so does the end."""
    last = accepted.data["last"] == 1
    ends = np.flatnonzero(last | accepted.cut)
    first = np.append(0, ends + 1)[: len(ends)]
    return Rows(first, ends - first + 1, last[ends])


def row_results(
    config: RowConfig, accepted: Accepted, normalized: Callable[[Codes, Masks, Codes], Codes]
) -> GoldenResults:
    """Return what a unit for rows gives.

    Args:
        config: The unit.
        accepted: What it accepted.
        normalized: Results of rows, given their scores and masks, shape ``(rows, beats, lanes)``,
            and their places in :func:`rows_of`; rows that are shorter than others are filled up
            with masked beats.
    """
    score, mask = accepted.data["score"], accepted.data["mask"] == 1
    rows, most = rows_of(accepted), config.beats
    data = np.zeros_like(score)
    too_long = np.zeros(len(score), dtype=bool)
    completes = np.zeros(len(score), dtype=np.int64)
    for first, beats, complete in zip(*rows, strict=True):
        if beats > most or (beats == most and not complete):  # the buffer is full and it goes on
            too_long[first : first + beats] = True
            completes[first + most - 1] = most
            completes[first + most : first + beats] = 1
    whole = np.flatnonzero(rows.complete & (rows.beats <= most))
    completes[rows.first[whole] + rows.beats[whole] - 1] = rows.beats[whole]
    # rows of similar length together, so that little is filled up
    for part in np.array_split(whole[np.argsort(rows.beats[whole], kind="stable")], 8):
        if len(part):
            longest = int(rows.beats[part].max())
            inside = np.arange(longest) < rows.beats[part, None]
            place = np.where(inside, rows.first[part, None] + np.arange(longest), 0)
            hidden = mask[place] | ~inside[:, :, None]
            data[place[inside]] = normalized(score[place], hidden, part)[inside]
    delivered = too_long.copy()
    for row in whole:
        delivered[rows.first[row] : rows.first[row] + rows.beats[row]] = True
    # of a row that is too long and was cut, every beat from the first on has come
    beats = {
        "data": data[delivered],
        "last": accepted.data["last"][delivered],
        "too_long": too_long[delivered],
    }
    return GoldenResults(beats=beats, completes=completes)


def in_beats(score: Codes, mask: Masks, lanes: int) -> tuple[Codes, Masks]:
    """Return rows as beats of lanes, the last one filled up with masked scores.

    Args:
        score: Codes, shape ``(rows, scores)``.
        mask: Same shape.
        lanes: Scores of a beat.

    Returns:
        Codes and masks of shape ``(rows, beats, lanes)``.
    """
    rows, scores = score.shape
    if scores % lanes:
        more = (0, 0), (0, -scores % lanes)
        score, mask = np.pad(score, more), np.pad(mask, more, constant_values=True)
    return score.reshape(rows, -1, lanes), mask.reshape(rows, -1, lanes)


def of_scores(results: NDArray[np.integer], scores: int) -> NDArray[np.int64]:
    """Return results of beats, shape ``(rows, beats, lanes)``, as those of so many scores."""
    return results.reshape(len(results), -1)[:, :scores].astype(np.int64, copy=False)


def real_bf16(bits: NDArray[np.integer]) -> Reals:
    """Return the numbers that bf16 bit patterns stand for."""
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def add_row(
    builder: StimulusBuilder, lanes: int, score: Codes, mask: Masks, *, open_end: bool = False
) -> None:
    """Add one row of scores; the last beat is filled up with masked ones.

    Args:
        builder: What it is added to.
        lanes: Scores of a beat.
        score: Codes, shape ``(scores,)``.
        mask: The same shape.
        open_end: Leave out that the last beat is the last one.
    """
    beats = -(-len(score) // lanes)
    scores, masks = np.zeros(beats * lanes, dtype=np.int64), np.ones(beats * lanes, dtype=bool)
    scores[: len(score)], masks[: len(mask)] = score, mask
    if len(score) < len(scores):
        builder.coverage["short_last_beat"] += 1
    last = np.zeros(beats, dtype=np.int64)
    last[-1] = not open_end
    builder.data(
        {"score": scores.reshape(-1, lanes), "mask": masks.reshape(-1, lanes), "last": last},
        results=len(score),
    )


def widened(score: Codes, width: int) -> Codes:
    """Return INT8 codes spread over the codes of scores of so many bits, 8 or 16."""
    return score if width == 8 else score * 257 + 128


def row_shapes(longest: int, rng: np.random.Generator) -> Iterator[tuple[Codes, Masks]]:
    """Yield rows that methods break at, and rows that units may.

    Args:
        longest: Scores of the longest row.
        rng: Random generator.
    """

    def plain(score: NDArray[np.integer]) -> tuple[Codes, Masks]:
        return np.asarray(score, dtype=np.int64), np.zeros(len(score), dtype=bool)

    for length in (longest - 1, longest):
        yield plain(np.full(length, int(rng.integers(-128, 128))))
    for code in (-128, 127, 0, -127, 5):
        yield plain(np.array([code]))
    yield plain(np.array([3, 3]))
    ramp = np.arange(-128, 128)
    for score in (ramp, ramp[::-1], ramp[::15], ramp[::-15]):
        yield plain(score[:longest])
    for place in (0, -1):
        score = np.full(longest, -128)
        score[place] = 127
        yield plain(score)
    few = np.full(longest, -28)
    few[0] = 0
    yield plain(few)
    yield plain(np.full(min(longest, 9), -128))
    for hidden in (slice(None), slice(0, 1), slice(0, 5), slice(-1, None)):
        score, mask = plain(rng.integers(-128, 127, min(longest, 40)))
        if hidden != slice(None):
            score[hidden] = 127  # the greatest
        mask[hidden] = True
        yield score, mask
    for _ in range(12):
        score, mask = plain(rng.integers(-128, 128, int(rng.integers(1, min(longest, 300)))))
        yield score, rng.random(len(score)) < rng.choice((0.0, 0.2, 0.9))
    for _ in range(6):
        length = int(rng.integers(1, min(longest, 128)))
        center, width = rng.integers(-60, 60), rng.integers(1, 40)
        score, mask = plain(np.clip(rng.normal(center, width, length), -128, 127).astype(np.int64))
        yield score, mask


def add_rows(
    builder: StimulusBuilder,
    config: RowConfig,
    rng: np.random.Generator,
    model: Sequence[tuple[Codes, Masks]],
) -> None:
    """Add the rows that a unit for rows is verified with; resets and rows that are too long.

    Args:
        builder: What they are added to.
        config: The unit.
        rng: Random generator.
        model: Rows of a language model, which are cut where the buffer is shorter.
    """
    lanes, longest, width = config.lanes, config.row, config.score_width

    def add(score: Codes, mask: Masks, *, open_end: bool = False) -> None:
        add_row(builder, lanes, widened(score, width), mask, open_end=open_end)

    for score, mask in row_shapes(longest, rng):
        add(score, mask)
    for _ in range(2):  # every code in every lane, and rows as long as these make them
        codes = np.stack([rng.permutation(256) - 128 for _ in range(lanes)], axis=1)
        builder.coverage["every_code"] += 1
        for part in np.array_split(codes, -(-256 // config.beats)):
            add(part.reshape(-1), rng.random(part.size) < 0.1)
    for beyond in (1, lanes + 1, longest // 2):
        score = rng.integers(-128, 128, longest + beyond)
        add(score, rng.random(len(score)) < 0.1)
        for length in (3, longest):
            add(rng.integers(-128, 128, length), np.zeros(length, dtype=bool))
    for length in (longest // 2, longest + 2 * lanes):  # a row that a reset cuts
        cut = rng.integers(-128, 128, length)
        add(cut, np.zeros(length, dtype=bool), open_end=True)
        builder.reset()
        builder.coverage["reset_in_row"] += 1
        add(cut[:5], np.zeros(5, dtype=bool))
    builder.reset()  # before the results of the last row
    builder.coverage["reset_in_results"] += 1
    for score, mask in model:
        builder.coverage["model_row"] += 1
        add_row(builder, lanes, score[:longest], mask[:longest])


def row_exempt(config: RowConfig) -> dict[str, str]:
    """Return the coverage points that a unit for rows cannot hit, with the reason."""
    if config.lanes == 1:
        return {"short_last_beat": "a beat of one score is never short"}
    return {}


def row_hits(config: RowConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return how often rows hit the coverage points of a unit for rows."""
    return shape_hits(accepted, config.beats, config.score_width)


def shape_hits(accepted: Accepted, most: int, width: int = 8) -> dict[str, int]:
    """Return how often rows have the shapes that methods and units may break at.

    Args:
        accepted: What a unit accepted.
        most: Beats of the longest row.
        width: Bits of a score.
    """
    score, mask = accepted.data["score"], accepted.data["mask"] == 1
    rows = rows_of(accepted)
    found = dict.fromkeys(
        ("all_masked", "first_masked", "greatest_masked", "length_one", "lengths_one_in_a_row",
         "longest", "too_long", "after_too_long", "greatest_first", "greatest_last"), 0,
    )  # fmt: skip
    before = 0
    for first, beats, complete in zip(*rows, strict=True):
        if not complete:
            before = 0
            continue
        found["after_too_long"] += before > most >= beats
        found["lengths_one_in_a_row"] += before == beats == 1
        found["length_one"] += beats == 1
        found["longest"] += beats == most
        found["too_long"] += beats > most
        before = int(beats)
        codes = score[first : first + beats].reshape(-1)
        hidden = mask[first : first + beats].reshape(-1)
        found["all_masked"] += bool(hidden.all())
        if hidden.all():
            continue
        shown = codes[~hidden]
        found["first_masked"] += bool(hidden[0])
        found["greatest_masked"] += codes.max() > shown.max()
        if len(shown) > 1:
            found["greatest_first"] += shown[0] > shown[1:].max()
            found["greatest_last"] += shown[-1] > shown[:-1].max()
    points = {
        "masked": mask,
        "least_score": (score == -(1 << width - 1)) & ~mask,
        "greatest_score": (score == (1 << width - 1) - 1) & ~mask,
    }
    counted = {name: int(times) for name, times in found.items()}
    return counted | {name: int(hit.sum()) for name, hit in points.items()}
