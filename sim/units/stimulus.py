"""Represent what is driven into a unit and what must come out, as packed bits."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "Ports", "Stimulus", "StimulusBuilder", "pack", "prefix", "repeat"]


class Kind(IntEnum):
    """Kind of an item of a stimulus."""

    DATA = 0  # a beat on the ``i`` stream
    CONFIG = 1  # a beat on the ``cfg`` stream, applied before every later DATA item
    RESET = 2  # one cycle of ``rst``: results accepted but not yet delivered are dropped


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Payload widths, in bits, of a unit's three streams (``cfg_width`` 0: no such port)."""

    i_width: int
    o_width: int
    cfg_width: int = 0


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """Items that are driven into a unit, and the results that must come out, in order.

    Rows are little-endian bytes: bit ``j`` of a payload is bit ``j % 8`` of byte ``j // 8``.
    """

    kind: NDArray[np.uint8]  # (items,), values of :class:`Kind`
    bits: NDArray[np.uint8]  # (items, bytes), wide enough for the wider of ``i`` and ``cfg``
    completes: NDArray[np.uint16]  # (items,), beats on ``o`` that come once the item is taken
    expected: NDArray[np.uint8]  # (beats on ``o``, bytes of ``o``)
    results: int  # results checked, all lanes counted (a beat of 16 lanes has 16)
    operations: int  # what the unit's energy is given for, such as multiply-accumulates
    coverage: dict[str, int] = field(default_factory=dict)  # coverage point: times hit

    def __post_init__(self) -> None:
        lengths = {len(self.kind), len(self.bits), len(self.completes)}
        beats = int(self.completes.sum())
        if len(lengths) != 1 or beats != len(self.expected):
            raise ValueError(
                f"kind has {len(self.kind)} items, bits {len(self.bits)}, completes "
                f"{len(self.completes)} for {beats} beats; expected has {len(self.expected)}"
            )

    def results_in(self, beats: int) -> int:
        """Return the results, all lanes counted, in so many of the beats on ``o``."""
        return self.results * beats // max(1, len(self.expected))


def prefix(stimulus: Stimulus, items: int) -> Stimulus:
    """Return the first items of a stimulus, without coverage, which counts the whole."""
    completes = stimulus.completes[:items]
    beats = int(completes.sum())
    return Stimulus(
        kind=stimulus.kind[:items],
        bits=stimulus.bits[:items],
        completes=completes,
        expected=stimulus.expected[:beats],
        results=stimulus.results_in(beats),
        operations=stimulus.operations * beats // max(1, len(stimulus.expected)),
    )


def repeat(stimulus: Stimulus, times: int) -> Stimulus:
    """Return a stimulus several times over.

    Raises:
        ValueError: If it relies on what was configured before it, so that the second round would
            see other constants than the first.
    """
    configures = bool((stimulus.kind == Kind.CONFIG).any())
    if configures and stimulus.kind[0] != Kind.CONFIG:
        raise ValueError("a stimulus is repeatable only if it begins with its configuration")
    return replace(
        stimulus,
        kind=np.tile(stimulus.kind, times),
        bits=np.tile(stimulus.bits, (times, 1)),
        completes=np.tile(stimulus.completes, times),
        expected=np.tile(stimulus.expected, (times, 1)),
        results=stimulus.results * times,
        operations=stimulus.operations * times,
        coverage={point: hits * times for point, hits in stimulus.coverage.items()},
    )


def pack(fields: Sequence[tuple[NDArray[np.int64] | NDArray[np.bool_], int]]) -> NDArray[np.uint8]:
    """Pack integer fields into payload rows, the first field in the lowest bits.

    Args:
        fields: Pairs of values, int64 shape ``(items,)`` or ``(items, lanes)`` (lane 0 lowest),
            and the width of one value in bits (at most 63). Negative values are two's complement.

    Returns:
        uint8, shape ``(items, bytes)``.
    """
    columns: list[NDArray[np.uint8]] = []
    for values, width in fields:
        array = np.asarray(values, dtype=np.int64)
        lanes = array.reshape(len(array), math.prod(array.shape[1:]))
        shifts = np.arange(width, dtype=np.int64)
        expanded = ((lanes[:, :, None] >> shifts) & 1).astype(np.uint8)
        columns.append(expanded.reshape(len(lanes), math.prod(expanded.shape[1:])))
    return np.packbits(np.concatenate(columns, axis=1), axis=1, bitorder="little")


class StimulusBuilder:
    """Build a stimulus from items added in driving order.

    Args:
        ports: Widths of the unit's payloads.
    """

    def __init__(self, ports: Ports) -> None:
        self._bytes = (max(ports.i_width, ports.cfg_width) + 7) // 8
        self._kinds: list[NDArray[np.uint8]] = []
        self._bits: list[NDArray[np.uint8]] = []
        self._completes: list[NDArray[np.uint16]] = []
        self._expected: list[NDArray[np.uint8]] = []
        self._results = 0
        self._operations = 0
        self.coverage: Counter[str] = Counter()

    def _add(
        self, kind: Kind, rows: NDArray[np.uint8], completes: NDArray[np.uint16] | int
    ) -> None:
        self._completes.append(np.broadcast_to(np.asarray(completes, np.uint16), len(rows)))
        self._kinds.append(np.full(len(rows), kind, dtype=np.uint8))
        self._bits.append(np.pad(rows, ((0, 0), (0, self._bytes - rows.shape[1]))))

    def configure(self, rows: NDArray[np.uint8]) -> None:
        """Add configuration beats on ``cfg``, packed bits of shape ``(beats, bytes)``."""
        self._add(Kind.CONFIG, rows, 0)

    def reset(self) -> None:
        """Add one cycle of reset, which drops what is in flight."""
        self._add(Kind.RESET, np.zeros((1, self._bytes), dtype=np.uint8), 0)

    def data(
        self,
        rows: NDArray[np.uint8],
        expected: NDArray[np.uint8],
        results: int,
        *,
        completes: NDArray[np.uint16] | int = 1,
        operations: int | None = None,
    ) -> None:
        """Add beats on ``i`` and what comes out.

        Args:
            rows: Payloads.
            expected: Beats on ``o``.
            results: Results checked in them.
            completes: Beats on ``o`` that come once a row is taken, for each row. A reset drops
                those not delivered, and what a unit has gathered for later ones.
            operations: Operations that energy is given for; the results if there is no other.
        """
        self._add(Kind.DATA, rows, completes)
        self._expected.append(expected)
        self._results += results
        self._operations += results if operations is None else operations

    def build(self) -> Stimulus:
        """Return the stimulus of everything added so far."""
        return Stimulus(
            kind=np.concatenate(self._kinds),
            bits=np.concatenate(self._bits),
            completes=np.concatenate(self._completes),
            expected=np.concatenate(self._expected),
            results=self._results,
            operations=self._operations,
            coverage=dict(self.coverage),
        )
