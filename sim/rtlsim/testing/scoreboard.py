"""A scoreboard: what a design delivered against what a golden model says of what it accepted.

The golden model sees what the design really accepted, in the order in which it did, so a test may
offer data, configuration and resets in any order and at any time. It is asked once for all that
was accepted, since it works on arrays; each result keeps its time, so a wrong one is found in a
waveform.
"""

from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.task import Task, current_task
from cocotb.triggers import Event, NullTrigger
from cocotb.utils import get_sim_time
from numpy.typing import NDArray

from consilico.sim.rtlsim.testing.monitor import Beat
from consilico.sim.rtlsim.testing.payloads import from_bf16
from consilico.sim.units.accepted import Expected
from consilico.sim.units.layout import Field, Layout, Layouts
from consilico.sim.units.stimulus import Kind

__all__ = ["Expect", "FieldMismatch", "Mismatch", "Scoreboard", "ScoreboardReport"]

_MESSAGES = 8  # the rest is only counted

# kinds and packed payloads of the items that were accepted, in order -> what must come of them
Expect = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Expected]


@dataclass(frozen=True, kw_only=True)
class FieldMismatch:
    """One field of a result that is wrong."""

    got: int | None  # None: a bit of it is unknown
    expected: int
    ulp: int | None  # got - expected in units in the last place
    format: str = "integer"  # "bf16" if both are bit patterns of bf16 numbers

    def __str__(self) -> str:
        if self.got is None:
            return f"is unknown, expected {self._shown(self.expected)}"
        got, expected = self._shown(self.got), self._shown(self.expected)
        return f"is {got}, expected {expected} ({self.ulp:+d} ulp)"

    def _shown(self, number: int) -> str:
        return f"{from_bf16(number):.6g} (0x{number:04x})" if self.format == "bf16" else str(number)


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One result that is wrong."""

    index: int  # of the result among all that were due, from 0
    time_ns: float
    bits: str  # as in a :class:`~consilico.sim.rtlsim.testing.monitor.Beat`
    expected: int  # payload
    fields: Mapping[str, FieldMismatch]  # the wrong fields by label, such as "lane3/code"

    def __str__(self) -> str:
        wrong = ", ".join(f"{label} {item}" for label, item in self.fields.items())
        return f"result {self.index} at {self.time_ns:g} ns: {wrong}"


@dataclass(frozen=True, kw_only=True)
class ScoreboardReport:
    """Results that came out of a design, compared with those that had to."""

    due: int  # results of all that was accepted
    checked: int  # results that were compared
    dropped: int  # results that a reset dropped, as it may
    missing: int  # due, not dropped, and not delivered so far
    mismatches: tuple[Mismatch, ...]
    unexpected: tuple[Beat, ...]  # delivered though no accepted input was due for it

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a line for each of the first results that are wrong or too many."""
        lines = [str(item) for item in self.mismatches[:_MESSAGES]]
        if more := len(self.mismatches) - _MESSAGES:
            lines += [f"and {more} more wrong results"] if more > 0 else []
        lines += [
            f"at {beat.time_ns:g} ns: a result without an accepted input"
            for beat in self.unexpected[:_MESSAGES]
        ]
        return tuple(lines)


class Scoreboard:
    """Collects what a design accepts and delivers, and compares it with a golden model.

    Connect it to monitors by their callbacks, as :class:`~consilico.sim.rtlsim.testing.bench.Bench`
    does, or call it from monitors of your own.

    Args:
        expect: The golden model: kinds and packed payloads of what was accepted from power-up on,
            in order, to what must come of it. ``functools.partial(unit.expect, config)`` is a
            unit's.
        layouts: Layouts of the design's streams.
    """

    def __init__(self, expect: Expect, layouts: Layouts) -> None:
        self._expect, self._layouts = expect, layouts
        ports = layouts.ports
        self._bytes = (max(ports.i_width, ports.cfg_width) + 7) // 8
        self._items: list[tuple[int, int, int]] = []  # step, kind, payload
        self._delivered: list[Beat] = []
        self._known: tuple[int, Expected] | None = None  # items that the answer is for
        self._beats = self._compared = 0  # noted, and of those the ones that compare() has seen

    def accept(self, beat: Beat) -> None:
        """Note a beat of data."""
        self._note(beat, Kind.DATA, self._layouts.i)

    def configure(self, beat: Beat) -> None:
        """Note a beat of configuration."""
        self._note(beat, Kind.CONFIG, self._layouts.cfg)

    def _note(self, beat: Beat, kind: Kind, layout: Layout) -> None:
        # what is unknown is taken as 0; bits beyond the fields, as AXI-Stream has them, are none
        known = int("".join(bit if bit == "1" else "0" for bit in beat.bits), 2)
        self._items.append((beat.step, kind, known & ((1 << layout.width) - 1)))
        self._beats += 1

    def reset(self) -> None:
        """Note that the current cycle is one of reset: what is in flight is dropped."""
        self._items.append((int(get_sim_time("step")), Kind.RESET, 0))

    def deliver(self, beat: Beat) -> None:
        """Note a result that came out of the design."""
        self._delivered.append(beat)
        self._beats += 1

    @property
    def delivered(self) -> int:
        """Return the number of results so far."""
        return len(self._delivered)

    @property
    def unchecked(self) -> int:
        """Return the number of beats, taken or delivered, that came after the last comparison."""
        return self._beats - self._compared

    def guard(self) -> None:
        """Fail the test that calls this if it ends without an error and with beats unchecked.

        Returns at once. A test that forgets to compare would pass whatever the design does.

        Raises:
            RuntimeError: If no test is running.
        """
        cocotb.start_soon(self._watch(current_task()))

    async def _watch(self, test: Task[Any]) -> None:
        try:
            await Event().wait()
        except CancelledError:  # the test is over
            ended = test.done() and not test.cancelled() and test.exception() is None
            if ended and self.unchecked:
                # cocotb hides what a task raises while it is cancelled, and what the last one does
                cocotb.start_soon(self._fail())
                cocotb.start_soon(_outlive())
            raise

    async def _fail(self) -> None:
        raise AssertionError(
            f"the test ended with {self.unchecked} beats that nothing was compared for: "
            "await bench.finish(), or call scoreboard.check()"
        )

    def compare(self) -> ScoreboardReport:
        """Compare everything so far.

        Raises:
            ValueError: If the golden model promises nothing for what was accepted, for example
                because data came before the first configuration.
        """
        items = self._in_order()
        expected = self._expected(items)
        self._compared = self._beats
        results, unexpected, dropped, missing = self._matched(items, expected)
        mismatches = []
        for index, beat in results:
            row = int.from_bytes(expected.expected[index].tobytes(), "little")
            if (item := self._mismatch(index, beat, row)) is not None:
                mismatches.append(item)
        return ScoreboardReport(
            due=len(expected.expected),
            checked=len(results),
            dropped=dropped,
            missing=missing,
            mismatches=tuple(mismatches),
            unexpected=tuple(unexpected),
        )

    def answered(self) -> int:
        """Return how many of the results so far were due."""
        items = self._in_order()
        return len(self._matched(items, self._expected(items))[0])

    def missing(self) -> int:
        """Return how many results are due that were neither delivered nor dropped by a reset."""
        items = self._in_order()
        return self._matched(items, self._expected(items))[3]

    def check(self) -> ScoreboardReport:
        """Compare everything so far, and fail unless something was compared and all is right.

        Raises:
            AssertionError: If a result is wrong, missing or too many, or there was none.
        """
        found = self.compare()
        lines = list(found.problems)
        if found.missing:
            lines.append(f"{found.missing} of {found.due} results never came")
        if not found.checked:
            lines.append("nothing was checked: no result came")
        if lines:
            raise AssertionError("\n".join(lines))
        return found

    def _in_order(self) -> list[tuple[int, int, int]]:
        """Return the items in order: of one cycle, configuration, then data, then reset."""
        rank = {Kind.CONFIG: 0, Kind.DATA: 1, Kind.RESET: 2}
        return sorted(self._items, key=lambda item: (item[0], rank[Kind(item[1])]))

    def _expected(self, items: list[tuple[int, int, int]]) -> Expected:
        if self._known is None or self._known[0] != len(items):
            kind = np.array([item[1] for item in items], dtype=np.uint8)
            packed = b"".join(item[2].to_bytes(self._bytes, "little") for item in items)
            bits = np.frombuffer(packed, dtype=np.uint8).reshape(len(items), self._bytes)
            self._known = len(items), self._expect(kind, bits)
        return self._known[1]

    def _matched(
        self, items: list[tuple[int, int, int]], expected: Expected
    ) -> tuple[list[tuple[int, Beat]], list[Beat], int, int]:
        """Return results with the index of what was due, those not due, and counts.

        The counts are those of results that resets dropped, and of those that are missing.
        """
        results: list[tuple[int, Beat]] = []
        unexpected: list[Beat] = []
        accepted = due = dropped = at = 0  # results of items so far; index of the next result
        for beat in self._delivered:
            while at < len(items) and items[at][0] <= beat.step:
                accepted += int(expected.completes[at])
                if items[at][1] == Kind.RESET:
                    dropped += accepted - due
                    due = accepted
                at += 1
            if due == accepted:
                unexpected.append(beat)
            else:
                results.append((due, beat))
                due += 1
        for (_, kind, _), completes in zip(items[at:], expected.completes[at:], strict=True):
            accepted += int(completes)
            if kind == Kind.RESET:
                dropped += accepted - due
                due = accepted
        return results, unexpected, dropped, accepted - due

    def _mismatch(self, index: int, beat: Beat, expected: int) -> Mismatch | None:
        layout = self._layouts.o
        bits = beat.bits[len(beat.bits) - layout.width :]
        if bits == format(expected, f"0{layout.width}b"):
            return None
        wrong = {}
        for item in layout.fields:
            low = layout.width - item.offset - item.width
            got = _value(item, bits[low : low + item.width])
            right = _value(item, format(expected >> item.offset, f"0{item.width}b")[-item.width :])
            assert right is not None
            if got != right:
                ulp = None if got is None else int(item.ulp(np.array(got), np.array(right)))
                wrong[item.label] = FieldMismatch(
                    got=got, expected=right, ulp=ulp, format=item.format
                )
        return Mismatch(
            index=index, time_ns=beat.time_ns, bits=bits, expected=expected, fields=wrong
        )


async def _outlive() -> None:
    await NullTrigger()


def _value(item: Field, bits: str) -> int | None:
    """Return the number that bits of a field are, or None if one is unknown."""
    if not set(bits) <= {"0", "1"}:
        return None
    number = int(bits, 2)
    return number - (1 << item.width) if item.signed and bits[0] == "1" else number
