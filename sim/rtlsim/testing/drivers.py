"""Drivers: a producer of a stream's beats, and a consumer that says when it is ready."""

from collections import deque
from collections.abc import Iterator

import cocotb
from cocotb.triggers import Event

from consilico.sim.rtlsim.testing.payloads import Value
from consilico.sim.rtlsim.testing.streams import ClockDomain, Stream, no_pauses

__all__ = ["Sink", "Source"]


class Source:
    """Offers beats on a stream that the design reads, one after the other, back to back.

    A beat stays on offer, unchanged, until it is taken; one that is on offer during a reset is
    taken after it.

    Args:
        stream: The stream.
        domain: Its clock and reset.
        pauses: For every cycle before a beat is offered, whether to wait another one. May be
            replaced at any time.
    """

    def __init__(
        self, stream: Stream, domain: ClockDomain, pauses: Iterator[bool] | None = None
    ) -> None:
        self.stream, self._domain = stream, domain
        self.pauses = pauses or no_pauses()
        self._queue: deque[tuple[int, Event]] = deque()
        self._filled = Event()
        self.taken = 0  # beats so far
        stream.valid.value, stream.payload.value = 0, 0

    def start(self) -> "Source":
        """Start to offer what is put; returns at once."""
        cocotb.start_soon(self._run())
        return self

    def put(self, payload: int | None = None, /, **fields: Value) -> Event:
        """Queue a beat, given as a whole payload or by its fields.

        Returns:
            An event that is set when the beat was taken.

        Raises:
            ValueError: If the payload or a field does not fit; the message names it.
        """
        taken = Event()
        self._queue.append((self.stream.pack(payload, **fields), taken))
        self._filled.set()
        return taken

    async def send(self, payload: int | None = None, /, **fields: Value) -> None:
        """Queue a beat and wait until it was taken.

        Raises:
            ValueError: If the payload or a field does not fit; the message names it.
        """
        await self.put(payload, **fields).wait()

    @property
    def waiting(self) -> int:
        """Return the number of beats that were not taken yet."""
        return len(self._queue)

    async def _run(self) -> None:
        stream, domain = self.stream, self._domain
        while True:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                await domain.align()
            while next(self.pauses):
                await domain.edge()
            payload, taken = self._queue[0]
            stream.valid.value, stream.payload.value = 1, payload
            await domain.settled()
            while stream.ready.value != 1 or domain.in_reset:  # X waits, too
                await domain.settled()
            await domain.edge()
            stream.valid.value = 0
            self._queue.popleft()
            self.taken += 1
            taken.set()


class Sink:
    """Drives ready of a stream that the design writes.

    Args:
        stream: The stream.
        domain: Its clock.
        pauses: For every cycle, whether not to be ready. May be replaced at any time.
        after_valid: Whether to be ready only in a cycle after one in which a beat was on offer, as
            consumers may.
    """

    def __init__(
        self,
        stream: Stream,
        domain: ClockDomain,
        pauses: Iterator[bool] | None = None,
        *,
        after_valid: bool = False,
    ) -> None:
        self.stream, self._domain = stream, domain
        self.pauses = pauses or no_pauses()
        self.after_valid = after_valid
        stream.ready.value = 0

    def start(self) -> "Sink":
        """Start to drive ready; returns at once."""
        cocotb.start_soon(self._run())
        return self

    async def _run(self) -> None:
        stream, domain = self.stream, self._domain
        offered = False  # a beat was on offer in the cycle before, and not taken
        while True:
            may = offered or not self.after_valid
            stream.ready.value = int(may and not next(self.pauses))
            if self.after_valid:
                await domain.settled()
                offered = stream.valid.value == 1 and stream.ready.value != 1
            await domain.edge()
