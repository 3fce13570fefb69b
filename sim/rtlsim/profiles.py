"""Producers and consumers of all kinds, and streams that run free of each other.

A unit's stimulus comes as blocks: a load of configuration and the data that it is for. Here blocks
are taken from it and their items offered at the same time: configuration while the data of the
block before still flows, loads back to back, resets in the middle of it all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.acceptance import Expect
from consilico.sim.rtlsim.script import ALWAYS_READY, FREE, Consumer, Script, Way, stalled
from consilico.sim.units.stimulus import Kind, Stimulus

__all__ = ["LONG_STALL", "PROFILES", "Profile", "concurrent"]

LONG_STALL = 4200  # cycles, twice per run: more than a counter of 12 bits can count
# Cycles in which no data are offered; a reset may cut two of them. Both long stalls may fall into
# one, where results come late, and leave more than LONG_STALL_CYCLES of it.
_SLEEP, _SLEEPS = 14_000, 3
_BLOCK_BEATS = 64  # at least, then until results are complete: where no configuration ends a block
_OFTEN = 3  # items, at least, between loads of constants
_SHORT_LOAD = 4  # beats, at most, of loads that come so often
_LONGEST_BLOCK = 120  # items; a longer one is cut, but not before its first results if no other has
_LATE = 600  # items, at most, that a cut block may have before its first results where others do
_RESULTS, _BLOCKS = 40, 4  # at least, of a profile: the second block ends in a reset
_LOADS_TRIED = 16
_PHASE = 16  # items, of a producer that leaves single cycles out
_LEAD = 12  # beats of data, at most, by which a configuration runs ahead of its place

Rng = np.random.Generator


def _always_ready(rng: Rng) -> Consumer:
    return ALWAYS_READY


def _after_valid(rng: Rng) -> Consumer:
    """Become ready only once a result is offered, mostly at once."""
    delays = np.where(rng.random(512) < 0.7, 0, rng.integers(0, 6, 512))
    return Consumer(ways=np.full(512, Way.AFTER_VALID, np.uint8), delays=delays.astype(np.uint16))


def _one_by_one(rng: Rng) -> Consumer:
    """Drop ready right after each result, then raise it without waiting for valid."""
    return Consumer(ways=np.zeros(1, np.uint8), delays=np.ones(1, np.uint16))


def _stalling(rng: Rng) -> Consumer:
    """Stall at random, and twice for thousands of cycles."""
    delays = stalled(rng, 1024, 96)
    ways = np.where(rng.random(1024) < 0.25, Way.AFTER_VALID, Way.FREELY).astype(np.uint8)
    at = int(rng.integers(2, 5))
    for place in (at, at + 8):
        delays[place], ways[place] = LONG_STALL, Way.AFTER_VALID
    return Consumer(ways=ways, delays=delays, loop=at + 9)


def _pulsing(rng: Rng) -> Consumer:
    """Be ready for single cycles, needed or not."""
    delays = rng.integers(0, 5, 512).astype(np.uint16)
    return Consumer(ways=np.full(512, Way.PULSE, np.uint8), delays=delays)


def _bursts(rng: Rng) -> Consumer:
    """Take some results in a row, then none for a while."""
    delays = np.where(rng.random(512) < 0.08, rng.integers(10, 90, 512), 0)
    return Consumer(ways=np.zeros(512, np.uint8), delays=delays.astype(np.uint16))


def _continuous(rng: Rng, items: int) -> NDArray[np.uint16]:
    return np.zeros(items, dtype=np.uint16)


def _bursty(rng: Rng, items: int) -> NDArray[np.uint16]:
    """Offer some items in a row, then none for a while."""
    return np.where(rng.random(items) < 0.06, rng.integers(8, 100, items), 0).astype(np.uint16)


def _sparse(rng: Rng, items: int) -> NDArray[np.uint16]:
    """Leave a gap before each item, and now and then a long one."""
    long = rng.random(items) < 0.01
    return np.where(long, rng.integers(200, 400, items), rng.integers(1, 8, items)).astype(
        np.uint16
    )


def _stalled(rng: Rng, items: int) -> NDArray[np.uint16]:
    return stalled(rng, items, 64)


def _ragged(rng: Rng, after_end: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Leave single cycles out, by phases: nowhere, anywhere, or between results only.

    A unit that is held up stops with other stages occupied than where its data come without gaps:
    in some, only then does a configuration meet a beat that still needs the one before.

    Args:
        rng: Random generator.
        after_end: Which items follow one that completes a result, shape ``(items,)``.
    """
    items = len(after_end)
    phase = np.repeat(rng.integers(4, size=items // _PHASE + 1), _PHASE)[:items]
    single: NDArray[np.int64] = np.select(
        [phase == 1, phase > 1], [rng.random(items) < 0.25, after_end]
    ).astype(np.int64)
    return single


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A producer and a consumer."""

    name: str
    number: int  # of its random numbers, apart from those of other profiles
    producer: Callable[[Rng, int], NDArray[np.uint16]]  # gaps before items
    consumer: Callable[[Rng], Consumer]
    beats: int  # of data, about
    sleeps: bool = False  # now and then the producer offers nothing for thousands of cycles
    presses: bool = True  # the consumer keeps results waiting, for resets and loads to fall then


PROFILES = (
    Profile(
        name="continuous, ready after valid",
        number=1,
        producer=_continuous,
        consumer=_after_valid,
        beats=400,
    ),
    Profile(
        name="bursts, stalls and sleeps of thousands",
        number=2,
        producer=_bursty,
        consumer=_stalling,
        beats=300,
        sleeps=True,
    ),
    Profile(
        name="continuous, always ready",
        number=3,
        producer=_continuous,
        consumer=_always_ready,
        beats=400,
        presses=False,
    ),
    Profile(
        name="continuous, ready for bursts",
        number=4,
        producer=_continuous,
        consumer=_bursts,
        beats=300,
    ),
    Profile(
        name="long gaps, ready one by one",
        number=5,
        producer=_sparse,
        consumer=_one_by_one,
        beats=150,
        presses=False,
    ),
    Profile(
        name="random gaps, ready in pulses",
        number=6,
        producer=_stalled,
        consumer=_pulsing,
        beats=200,
    ),
)


def concurrent(stimulus: Stimulus, profile: Profile, seed: int, expect: Expect) -> Script:
    """Return blocks of a stimulus as streams that run free of each other.

    Args:
        stimulus: What the unit is verified with; its expected results are not used.
        profile: Producer and consumer, and how much to take.
        seed: Of the choice of blocks, of gaps and of resets.
        expect: The unit's golden model on its streams, which tells whether its configuration holds
            constants or shapes jobs.
    """
    rng = np.random.default_rng([seed, profile.number])
    blocks = _blocks(stimulus)
    loads = [load for load, _ in blocks if len(load)]
    jobs = _shapes_jobs(stimulus, blocks, expect)
    pieces = _Pieces(stimulus, rng)
    pieces.add(blocks[0][0])  # which makes the unit ready for data
    for index, (load, part, whole) in enumerate(_chosen(stimulus, blocks, profile.beats, rng)):
        if len(load) and index % 4 == 3:  # a reset in the middle of a load, or right after it
            pieces.add(load[: int(rng.integers(1, len(load) + 1))])
            pieces.reset(beats=0, whole=not jobs)
        if loads and not jobs and index % 2:
            pieces.add(loads[rng.integers(len(loads))])
        pieces.add(load)
        if len(load) and not jobs and index % 4 == 1:  # before anything has used what was loaded
            pieces.reset(beats=0, whole=True)
        if jobs or not 0 < max(map(len, loads), default=0) <= _SHORT_LOAD:
            pieces.add(part)
        else:  # constants, which may come at any time: often while a beat waits in every stage
            results = int(stimulus.completes[part].sum())
            often = max(_OFTEN, len(part) // max(1, results))
            for place, few in enumerate(np.array_split(part, max(1, len(part) // often))):
                pieces.add(few)
                # back to the data's own constants in between: under others, most of their results
                # are zero or saturated, and what was loaded too early or too late does not show
                other = place % 2 == 0 or not len(load)
                pieces.add(_another(stimulus, loads, load, rng) if other else load)
        beats = int((stimulus.kind[part] == Kind.DATA).sum())
        if _is_reset(index):
            pieces.reset(beats, whole=not jobs and index % 2 == 0)
        elif jobs and not whole:  # a job without its last data, which has given results
            pieces.reset(beats=0, whole=False)
    # Resets may have dropped every result so far, and data may be missing
    # where a configuration came too early for the last job.
    pieces.reset(beats=0, whole=False)
    pieces.add_in_order(*_last(stimulus, blocks, jobs, expect))
    return pieces.script(profile)


class _Pieces:
    """Collect items and resets in the order of the script."""

    def __init__(self, stimulus: Stimulus, rng: Rng) -> None:
        self._stimulus, self._rng = stimulus, rng
        self._items: list[int] = []  # indices of the stimulus; -1: a reset of our own
        self._leads: dict[int, tuple[int, int]] = {}  # of own resets: data, configuration
        self._in_order: list[int] = []  # places of loads after which data waits

    def add(self, items: NDArray[np.int64]) -> None:
        self._items += items.tolist()

    def add_in_order(self, load: NDArray[np.int64], part: NDArray[np.int64]) -> None:
        """Add a load, and data that is offered once the unit has accepted it."""
        self._in_order += range(len(self._items), len(self._items) + len(load))
        self.add(load)
        if len(load) and len(part):
            self._leads[len(self._items)] = FREE, 0
        self.add(part)

    def reset(self, beats: int, *, whole: bool) -> None:
        """Add a reset.

        Args:
            beats: Of data before it; it comes when up to three quarters of them are missing.
            whole: Whether it waits for all configuration before it.
        """
        early = int(self._rng.integers(beats // 4, 3 * beats // 4 + 1))
        self._leads[len(self._items)] = early, 0 if whole else FREE
        self._items.append(-1)

    def script(self, profile: Profile) -> Script:
        stimulus, rng = self._stimulus, self._rng
        items = np.array(self._items, dtype=np.int64)
        count, own = len(items), items < 0
        kind = np.where(own, np.uint8(Kind.RESET), stimulus.kind[items]).astype(np.uint8)
        bits = np.where(own[:, None], 0, stimulus.bits[items]).astype(np.uint8)
        loads, resets, data = (kind == each for each in (Kind.CONFIG, Kind.RESET, Kind.DATA))
        data_lead = rng.integers(0, _LEAD + 1, count)
        pressed = (rng.random(count) < 0.7 * resets + 0.8 * loads) & profile.presses
        # right after the load before; so that there is data to fill the unit with
        data_lead[loads & (pressed | (rng.random(count) < 0.2))] = FREE
        # nothing is promised for data before the first load is complete; then data runs free
        before = np.cumsum(loads)
        first = before[data][:1]
        config_lead = np.where(before > first, before - first, 0) if len(first) else 0 * before
        for place, (of_data, of_configuration) in self._leads.items():
            data_lead[place] = of_data if own[place] else data_lead[place]
            config_lead[place] = min(of_configuration, config_lead[place])
        gap = profile.producer(rng, count)
        if profile.presses:
            ends = np.append(0, np.where(own, 0, stimulus.completes[items])[:-1]) > 0
            gap = np.where(gap == 0, _ragged(rng, ends), gap).astype(np.uint16)
        gap[resets] = rng.integers(0, 30, int(resets.sum()))
        behind = _load_behind_load(loads, resets, rng)
        data_lead[behind], gap[behind], pressed[behind] = FREE, 0, False
        after = np.append(False, resets[:-1])
        gap[after & (rng.random(count) < 0.7)] = 0  # offered in the first cycle after a reset
        pressed[self._in_order] = False  # the unit gets no data to be full of
        if profile.sleeps:
            gap[_slept_before(data, resets, data_lead, rng)] = _SLEEP
        return Script(
            kind=kind,
            bits=bits,
            data_lead=data_lead,
            config_lead=config_lead,
            gap=gap,
            length=rng.choice([1, 1, 1, 2, 3], count).astype(np.uint8),
            pressed=pressed,
            consumer=profile.consumer(rng),
            scramble=True,
        )


def _slept_before(
    data: NDArray[np.bool_], resets: NDArray[np.bool_], data_lead: NDArray[np.int64], rng: Rng
) -> NDArray[np.int64]:
    """Return the places of the data before which the producer sleeps.

    One of them is such that no reset may drop it, which would end the sleep, and comes after the
    long stalls at the beginning, in which the consumer is not at rest; if there is such data.
    """
    places = np.flatnonzero(data)
    calm = np.arange(len(places)) >= len(places) // 2
    for place, before in zip(np.flatnonzero(resets), np.cumsum(data)[resets], strict=True):
        calm[max(0, before - int(data_lead[place])) : before] = False
    anywhere = rng.choice(places, min(_SLEEPS - 1, len(places)), False)
    return np.append(anywhere, rng.choice(places[calm], min(1, int(calm.sum())), False))


def _load_behind_load(
    loads: NDArray[np.bool_], resets: NDArray[np.bool_], rng: Rng
) -> NDArray[np.int64]:
    """Return the place of one load that follows another one, with no reset between them, if any."""
    streams = np.flatnonzero(loads | resets)
    follows = streams[1:][loads[streams[1:]] & loads[streams[:-1]]]
    return rng.choice(follows, min(1, len(follows)), replace=False)


def _blocks(stimulus: Stimulus) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the loads of a stimulus, each with what follows it: pairs of item indices."""
    kind = stimulus.kind
    items = np.arange(len(kind))
    loads = kind == Kind.CONFIG
    if loads.any():
        starts = np.flatnonzero(loads & ~np.append(False, loads[:-1]))
    else:
        ends = [0]
        for end in (np.flatnonzero(stimulus.completes) + 1).tolist():
            if end - ends[-1] >= _BLOCK_BEATS:
                ends.append(end)
        starts = np.array(ends)
    found = []
    for part in np.split(items, starts):
        size = int(loads[part].cumprod().sum())
        if len(part):
            found.append((part[:size], part[size:]))
    return found


def _another(
    stimulus: Stimulus, loads: list[NDArray[np.int64]], load: NDArray[np.int64], rng: Rng
) -> NDArray[np.int64]:
    """Return a load that is not the same as another, if there is one."""
    bits = stimulus.bits
    others = [other for other in loads if not np.array_equal(bits[other], bits[load])] or loads
    return others[rng.integers(len(others))]


def _is_reset(place: int) -> bool:
    """Tell whether the block in this place is cut by a reset, which may drop all its results."""
    return place % 3 == 1


def _chosen(
    stimulus: Stimulus,
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    beats: int,
    rng: Rng,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
    """Return blocks in their order, several times if they are few, the longer ones cut.

    They have so many beats, about, or more where beats complete few results: what comes before a
    reset does not count.

    Returns:
        Load, what follows it, and whether that is all that follows it.
    """
    longest = _longest(stimulus, blocks)
    chosen: list[tuple[int, int]] = []  # block and length of what follows its load
    rounds = (rng.permutation(len(blocks)).tolist() for _ in range(4 * beats))
    for index in chain.from_iterable(rounds):
        size = int(rng.integers(_LONGEST_BLOCK // 4, _LONGEST_BLOCK))
        completes = np.flatnonzero(stimulus.completes[blocks[index][1][: max(longest, _LATE)]])
        size = max(size, int(completes[0]) + 1 if len(completes) else 0)
        chosen.append((index, size))
        # a first block without a load would meet a unit that nothing has configured
        chosen.sort(key=lambda each: (len(blocks[each[0]][0]) == 0, each[0]))
        parts = [blocks[place][1][:length] for place, length in chosen]
        kept = [part for place, part in enumerate(parts) if not _is_reset(place)]
        results = sum(int(stimulus.completes[part].sum()) for part in kept)
        enough = results >= _RESULTS and sum(map(len, parts)) >= beats
        if (enough and len(chosen) >= _BLOCKS) or len(chosen) == 4 * beats:
            break
    return [
        (blocks[index][0], blocks[index][1][:size], size >= len(blocks[index][1]))
        for index, size in chosen
    ]


def _last(
    stimulus: Stimulus,
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    jobs: bool,
    expect: Expect,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the shortest load and data that have results by themselves, none dropped by a reset.

    Results of a block may be those of what came before it, such as a row that is too long.
    """
    configured = any(len(load) for load, _ in blocks)
    found = []
    for load, rest in blocks:
        resets = np.flatnonzero(stimulus.kind[rest] == Kind.RESET)
        after = int(resets[-1]) + 1 if len(resets) else 0
        ends = np.flatnonzero(stimulus.completes[rest[after:]])
        if len(ends) and (len(load) or not configured):
            # a job is whole: what it still waited for would keep its clocks ticking
            size = len(rest) if jobs else max(after + int(ends[0]) + 1, _LONGEST_BLOCK)
            found.append((load, rest[:size], after))
    for load, part, after in sorted(found, key=lambda block: len(block[0]) + len(block[1])):
        items = np.concatenate([blocks[0][0], load, part])
        completes, _, _ = expect(stimulus.kind[items], stimulus.bits[items])
        if completes[len(items) - len(part) + after :].any():
            return load, part
    return blocks[0][0], blocks[0][1]


def _longest(stimulus: Stimulus, blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> int:
    """Return after how many items a block is cut: late enough for one of them to have results."""
    first = (np.flatnonzero(stimulus.completes[rest])[:1] + 1 for _, rest in blocks)
    return max(_LONGEST_BLOCK, min((int(at[0]) for at in first if len(at)), default=0))


def _shapes_jobs(
    stimulus: Stimulus, blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]], expect: Expect
) -> bool:
    """Tell whether the configuration says how many beats belong together.

    Constants, in contrast, leave it as it is which beats of data complete results.
    """
    loads = [load for load, _ in blocks if len(load)][:_LOADS_TRIED]
    data = max((rest for _, rest in blocks), key=len)[: _longest(stimulus, blocks)]
    ends: set[bytes] = set()
    for load in loads:
        items = np.concatenate([blocks[0][0], load, data])
        completes, _, _ = expect(stimulus.kind[items], stimulus.bits[items])
        ends.add(completes[-len(data) :].tobytes())
    return len(ends) > 1
