"""Script of the bulk testbench: the items of a stimulus, when each is offered, and a consumer.

The testbench has one source each for data, configuration and reset, and they run at the same time.
How much one waits for another is said item by item, so that one format holds a fixed order, in
which every item waits for all before it, and streams that run free of each other.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.units.stimulus import Kind, Ports, Stimulus

__all__ = ["ALWAYS_READY", "FREE", "Consumer", "Script", "Way", "in_order", "stalled"]

FREE = 0xFFFF_FFFF  # lead of an item that waits for no item of another stream
PHASE_CYCLES = 64  # for which a level of stalls is kept
_BLOCKED = 240  # level, in 256ths, of a phase that is nearly blocked
_MOST = 4096  # entries that the testbench keeps of a consumer


class Way(IntEnum):
    """Way in which a consumer becomes ready for a result."""

    FREELY = 0  # some cycles after it took the one before
    AFTER_VALID = 1  # some cycles after it saw that one is offered
    PULSE = 2  # for one cycle, some cycles after it took the one before or was ready in vain


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """Cycles in which ``o`` is ready: an entry per result, used round and round."""

    ways: NDArray[np.uint8]  # (entries,), values of :class:`Way`
    delays: NDArray[np.uint16]  # (entries,), cycles
    loop: int = 0  # entry that follows the last one

    def __post_init__(self) -> None:
        if not 0 <= self.loop < len(self.ways) == len(self.delays) <= _MOST:
            raise ValueError(f"a consumer has 1 to {_MOST} ways, as many delays, and loops in them")


ALWAYS_READY = Consumer(ways=np.zeros(1, dtype=np.uint8), delays=np.zeros(1, dtype=np.uint16))


@dataclass(frozen=True, kw_only=True)
class Script:
    """Items in the order of the stimulus, and when each is offered.

    A reset drops the items before it that the unit has not accepted by then; items after it wait
    for it. An item follows those of its own kind, and waits until all but ``data_lead`` of the
    beats of data and all but ``config_lead`` of the beats of configuration before it have passed,
    accepted or dropped; then it waits for ``gap`` cycles.
    """

    kind: NDArray[np.uint8]  # (items,), values of :class:`~consilico.sim.units.stimulus.Kind`
    bits: NDArray[np.uint8]  # (items, bytes), as a stimulus has them
    data_lead: NDArray[np.int64]  # (items,)
    config_lead: NDArray[np.int64]  # (items,)
    gap: NDArray[np.uint16]  # (items,), cycles
    length: NDArray[np.uint8]  # (items,): of a reset, the cycles that it lasts (1 to 255)
    # (items,): of a reset, whether it begins only while a result waits for the consumer; of a beat
    # of configuration, whether the consumer takes nothing until the unit is full and has seen it
    pressed: NDArray[np.bool_]
    consumer: Consumer = ALWAYS_READY
    scramble: bool = False  # payloads that are not valid are inverted every cycle

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def epoch(self) -> NDArray[np.int64]:
        """Return how many resets stand before each item, shape ``(items,)``."""
        resets = self.kind == Kind.RESET
        before: NDArray[np.int64] = np.cumsum(resets) - resets
        return before

    def select(self, kept: NDArray[Any]) -> "Script":
        """Return the script with some of its items only, given by index or mask."""
        parts = ("kind", "bits", "data_lead", "config_lead", "gap", "length", "pressed")
        return replace(self, **{name: getattr(self, name)[kept] for name in parts})

    def write(self, folder: Path, ports: Ports, completes: NDArray[np.uint16] | None) -> None:
        """Write the testbench's files, numbers in the order in which ``$fread`` takes them.

        Args:
            folder: Where ``data.bin``, ``config.bin``, ``resets.bin`` and ``consumer.bin`` go.
            ports: Widths of the payloads.
            completes: Shape ``(items,)``: beats on ``o`` that come once an item is taken, where the
                testbench shall judge them.
        """
        width = (max(ports.i_width, ports.cfg_width) + 7) // 8
        before = {kind: np.cumsum(self.kind == kind) for kind in (Kind.DATA, Kind.CONFIG)}
        own = np.where(self.kind == Kind.RESET, self.length.astype(np.int64) * 256, 0)
        own += np.where(self.kind == Kind.DATA, 0, self.pressed)
        if completes is not None:
            own = np.where(self.kind == Kind.DATA, completes, own)
        for kind, name in enumerate(("data", "config", "resets")):
            chosen = np.flatnonzero(self.kind == kind)
            rows = np.zeros((len(chosen), 14 + width), dtype=np.uint8)
            for other, lead, place in (
                (Kind.DATA, self.data_lead, 0),
                (Kind.CONFIG, self.config_lead, 4),
            ):
                after = np.maximum(before[other][chosen] - lead[chosen], 0) if kind != other else 0
                rows[:, place : place + 4] = _big_endian(after, len(chosen), ">u4")
            for part, place in ((self.epoch[chosen], 8), (self.gap[chosen], 10), (own[chosen], 12)):
                rows[:, place : place + 2] = _big_endian(part, len(chosen), ">u2")
            rows[:, 14:] = self.bits[chosen, :width][:, ::-1]
            rows.tofile(folder / f"{name}.bin")
        entries = self.consumer.ways.astype(">u4") << 24 | self.consumer.delays
        entries.astype(">u4").tofile(folder / "consumer.bin")


def _big_endian(values: Any, count: int, kind: str) -> NDArray[np.uint8]:
    numbers = np.ascontiguousarray(np.broadcast_to(values, count)).astype(kind)
    return numbers.view(np.uint8).reshape(count, numbers.itemsize)


def in_order(stimulus: Stimulus, *, stall_in: int = 0, stall_out: int = 0, seed: int = 1) -> Script:
    """Return the script that offers each item once all items before it have been accepted.

    Args:
        stimulus: What to drive.
        stall_in: Level of stalls before an item, see :func:`stalled`.
        stall_out: Likewise before the consumer is ready.
        seed: Of the stalls.
    """
    items = len(stimulus.kind)
    rng = np.random.default_rng([seed, 0x57A11])
    consumer = ALWAYS_READY
    if stall_out:
        ready = stalled(rng, _MOST, stall_out)
        consumer = Consumer(ways=np.zeros(_MOST, dtype=np.uint8), delays=ready)
    return Script(
        kind=stimulus.kind,
        bits=stimulus.bits,
        data_lead=np.zeros(items, dtype=np.int64),
        config_lead=np.zeros(items, dtype=np.int64),
        gap=stalled(rng, items, stall_in) if stall_in else np.zeros(items, dtype=np.uint16),
        length=np.ones(items, dtype=np.uint8),
        pressed=np.zeros(items, dtype=np.bool_),
        consumer=consumer,
        scramble=stall_in > 0,
    )


def stalled(rng: np.random.Generator, count: int, level: int) -> NDArray[np.uint16]:
    """Return the cycles for which each of a row of items stalls.

    A third of phases run freely, a third at the level asked for, a third nearly blocked:
    independent coin tosses alone would hardly ever fill or drain a deep pipeline.

    Args:
        rng: Random generator.
        count: Number of items.
        level: Probability that a cycle stalls, in 256ths, 1 to 255.
    """
    levels = np.array([0, level, _BLOCKED])
    stalls: list[NDArray[np.int64]] = []
    missing = count
    while missing > 0:
        chance = levels[rng.integers(3)] / 256
        # as many items as a phase of such a level lets through
        items = min(missing, max(1, round(PHASE_CYCLES * (1 - chance))))
        stalls.append(rng.geometric(1 - chance, size=items) - 1)
        missing -= items
    return np.concatenate(stalls)[:count].astype(np.uint16) if stalls else np.zeros(0, np.uint16)
