"""What the catalogue entries of units for whole rows share: rows, what comes of them, and when."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.rows import RowConfig
from consilico.sim.traffic.score_traffic import normal_codes, score_traffic, synthetic_traffic
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic
from consilico.sim.units.accepted import Accepted, Results
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.stimulus import Kind

__all__ = [
    "COVERAGE",
    "Rows",
    "Timing",
    "add_row",
    "add_rows",
    "in_beats",
    "model_rows",
    "of_scores",
    "real_bf16",
    "row_cycles",
    "row_exempt",
    "row_hits",
    "row_results",
    "row_shapes",
    "rows_of",
    "shape_hits",
    "traffic_rows",
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
_MODEL_HEADS = 4  # heads a traffic sample is taken from, spread over the layers
DRAWN_SCALE = 8 / 127  # natural units a code, of drawn scores


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Cycles of a unit for rows, as :class:`consilico.hw.attention.rows.TwoPasses` has them."""

    gather: int  # stages of pass 1
    deliver: int  # stages of pass 2
    holds: int = 1  # stages of pass 2 that read what is prepared
    prepares: int = 0  # cycles that preparation takes beyond one
    survey: int = 0  # beats of the longest row, if preparation begins with all of a row's
    constants: bool = False  # whether the unit has constants, which a reset makes it apply again
    drains: int = 0  # stages of pass 2 that constants wait for, where they wait and rows do not

    @property
    def latency(self) -> int:
        """Return the cycles from the last score of a row to its first result, nothing stalling.

        If that depends on the row, it is one that is as long as the buffer.
        """
        return self.gather + 1 + self.survey + self.prepares + 1 + self.deliver


class Rows(NamedTuple):
    """Where the rows are in the beats of data, in order."""

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
) -> Results:
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
    return Results(beats=beats, completes=completes)


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


def row_cycles(timing: Timing, config: RowConfig, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles that each item takes at full speed.

    A beat waits for a free word in the buffer, and the first beat of a row for the sum of the row
    before to be taken; that waits for what is prepared before it, and that for pass 2.
    """
    depth = config.beats
    last = (accepted.data["last"] == 1).tolist()
    cycles = np.ones(len(accepted.kind), dtype=np.int64)
    beat = 0
    state = _Times(0, constants=timing.constants)
    for item, kind in enumerate(accepted.kind.tolist()):
        if kind == Kind.RESET:
            state = _Times(state.now + 1, constants=timing.constants)
            continue
        if kind == Kind.CONFIG:
            state.configure(timing)
            continue
        before = state.now
        state.take(timing, depth, ends=last[beat])
        cycles[item] = state.now - before
        beat += 1
    return cycles


class _Times:
    """When a unit for rows took its beats, and used the words of its buffer, since a reset."""

    def __init__(self, now: int, *, constants: bool) -> None:
        self.now = now
        self._words: list[int] = []  # cycle in which each word was used
        self._taken: list[int] = []  # cycles in which the beats of the row were taken
        self._opened = 0  # cycle from which on the next row may begin
        # cycle in which constants were taken that no row has had yet
        self._configured: int | None = now if constants else None
        self._started = self._passed = 0  # of the last row
        self._late: list[int] = []  # cycles in which words of a row that is too long were used

    def take(self, timing: Timing, depth: int, *, ends: bool) -> None:
        """Take a beat as early as possible."""
        number = len(self._words) + len(self._taken)
        now = self.now + 1
        if not self._taken:
            now = max(now, self._opened)
            if self._configured is not None:
                used = self._words[-1] if self._words else 0
                now = max(now, max(self._configured, used) + 2)
                self._configured = None
        if len(self._taken) >= depth:
            self._use_too_long(depth)
        if number >= depth:
            now = max(now, self._used(number - depth) + 1)
        self.now = now
        self._taken.append(now)
        if not ends:
            return
        beats, complete = len(self._taken), now + timing.gather
        if beats > depth:
            self._use_too_long(depth)
            self._words += self._late
            self._opened = max(complete, self._late[-1] + 1)
            self._late = []
        else:
            self._opened = max(complete, self._started)
            ready, free = self._opened + 1 + timing.prepares, self._passed + timing.holds - 1
            # a survey begins when the buffer is free to be read
            surveyed = max(ready, free + timing.prepares) + beats
            self._started = surveyed if timing.survey else max(ready, free)
            self._words += range(self._started + 1, self._started + beats + 1)
            self._passed = self._started + beats
        self._taken = []

    def configure(self, timing: Timing) -> None:
        """Take constants.

        The next row waits until the results of all rows before are on their way, or they do.
        """
        self.now += 1
        if timing.constants:
            self._configured = self.now
        elif self._words:
            self.now = max(self.now, self._opened + 1, self._words[-1] + timing.drains + 1)

    def _use_too_long(self, depth: int) -> None:
        """Use the words of a row that has filled the buffer, as far as they have come."""
        if not self._late:
            self._late = [self._taken[depth - 1] + 2]
        for taken in self._taken[len(self._late) :]:
            self._late.append(max(self._late[-1], taken) + 1)

    def _used(self, word: int) -> int:
        """Return the cycle in which a word was used."""
        if word < len(self._words):
            return self._words[word]
        return self._late[word - len(self._words)]


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


def traffic_rows(
    source: str, longest: int, scores: int
) -> list[tuple[float, list[tuple[Codes, Masks]]]]:
    """Return rows to measure activity with, by head.

    Args:
        source: ``"model"``: of a language model, with its masks (from a synthetic trace where the
            model is not installed); ``"synthetic"``: of that synthetic trace; ``"normal"``: rows as
            long as possible of a clipped normal, mean -20, deviation 35, nothing masked.
        longest: Scores of the longest row.
        scores: How many scores in all, about.

    Returns:
        For each head its scale, natural units per code, and its rows of INT8 scores and masks.

    Raises:
        ValueError: If the source has longer rows.
    """
    if source == "normal":
        codes = normal_codes(max(1, scores // longest) * longest, 1).astype(np.int64)
        rows = codes.reshape(-1, longest)
        return [(DRAWN_SCALE, [(row, np.zeros(longest, dtype=bool)) for row in rows])]
    sampling = ScoreSampling()
    traffic = (
        synthetic_traffic(sampling, reason="asked for")
        if source == "synthetic"
        else score_traffic(sampling=sampling)
    )
    if longest < sampling.window:
        raise ValueError(f"row must be at least {sampling.window}, not {longest}")
    return model_rows(traffic, sampling, _MODEL_HEADS, scores)


def model_rows(
    traffic: ScoreTraffic, sampling: ScoreSampling, heads: int, scores: int
) -> list[tuple[float, list[tuple[Codes, Masks]]]]:
    """Return rows of a few heads, evenly spread over the model, each whole, in drawn order.

    Args:
        traffic: Collected with ``sampling``.
        sampling: Tells where a row begins.
        heads: How many heads.
        scores: How many scores in all, about.
    """
    _, query_of = sampling.plan(len(traffic.heads))
    rng = np.random.default_rng(sampling.seed)
    found = []
    for index in np.linspace(0, len(traffic.heads) - 1, heads).astype(int):
        where = np.flatnonzero(traffic.head == index)
        lengths = np.repeat(query_of[index] + sampling.tile, sampling.tile)
        rows = np.split(where, np.cumsum(lengths)[:-1])
        taken, left = [], scores // heads
        for row in rng.permutation(len(rows)).tolist():
            if left <= 0:
                break
            taken.append((traffic.codes[rows[row]].astype(np.int64), traffic.mask[rows[row]]))
            left -= len(rows[row])
        found.append((traffic.heads[index].scale, taken))
    return found


def row_exempt(config: RowConfig) -> dict[str, str]:
    """Return the coverage points that a unit for rows cannot hit, with the reason."""
    if config.lanes == 1:
        return {"short_last_beat": "a beat of one score is never short"}
    return {}


def row_hits(config: RowConfig, accepted: Accepted, results: Results) -> dict[str, int]:
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
