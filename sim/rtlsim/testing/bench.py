"""A testbench of any unit in a few lines: clock, reset, drivers, monitors and scoreboard."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Event, First
from numpy.typing import NDArray

from consilico.sim.rtlsim.testing.drivers import Sink, Source
from consilico.sim.rtlsim.testing.monitor import Monitor
from consilico.sim.rtlsim.testing.payloads import Value
from consilico.sim.rtlsim.testing.plan import unit_under_test
from consilico.sim.rtlsim.testing.scoreboard import Expect, Scoreboard, ScoreboardReport
from consilico.sim.rtlsim.testing.streams import ClockDomain, Stream, stream_named
from consilico.sim.units.layout import Layouts
from consilico.sim.units.stimulus import Kind

__all__ = ["Bench", "Hang"]

_RESET_CYCLES = 4
_TAIL_CYCLES = 64  # watched after the last result for one too many
_INPUTS = ("i", "s_axis")  # names of each stream: ours, and as `generate --ports axi` has them
_OUTPUTS = ("o", "m_axis")
_CONFIGURATIONS = ("cfg", "s_axis_cfg")


class Hang(AssertionError):
    """Nothing was taken or delivered for too many cycles while something had to be."""


class Bench:
    """Drivers, monitors and a scoreboard around a design with streams ``i``, ``o`` and ``cfg``.

    Use :meth:`start`, which also runs the clock and resets the design. The streams have the names
    that Consilico generates, with ``--ports axi`` or without.

    Attributes:
        domain: Clock and reset.
        i: Driver of data.
        cfg: Driver of configuration; None if the design has no such stream.
        o: Driver of ``ready`` of the results.
        monitors: Monitors of all streams by name: ``i``, ``o`` and, if there is one, ``cfg``.
        scoreboard: Compares with the golden model.

    Args:
        dut: The design.
        layouts: Layouts of its payloads.
        expect: Its golden model, see :class:`Scoreboard`.
        domain: Its clock and reset; found by their usual names if not given.
        source_pauses: Of the driver of data, see :class:`Source`.
        sink_pauses: Of the consumer, see :class:`Sink`.
        hang_cycles: Cycles without a handshake after which :class:`Hang` is raised, if something is
            waited for.
    """

    def __init__(
        self,
        dut: Any,
        layouts: Layouts,
        expect: Expect,
        *,
        domain: ClockDomain | None = None,
        source_pauses: Iterator[bool] | None = None,
        sink_pauses: Iterator[bool] | None = None,
        hang_cycles: int = 10_000,
    ) -> None:
        self.domain = domain or ClockDomain.of(dut)
        data, results = (
            stream_named(dut, _INPUTS, layouts.i) or Stream(dut, "i"),
            stream_named(dut, _OUTPUTS, layouts.o) or Stream(dut, "o"),
        )
        constants = stream_named(dut, _CONFIGURATIONS, layouts.cfg)
        self.i = Source(data, self.domain, source_pauses)
        self.o = Sink(results, self.domain, sink_pauses)
        self.cfg = None if constants is None else Source(constants, self.domain)
        self.monitors = {
            "i": Monitor(data, self.domain, during_reset=True),
            "o": Monitor(results, self.domain),
        }
        self.scoreboard = Scoreboard(expect, layouts)
        self.monitors["i"].callbacks.append(self.scoreboard.accept)
        self.monitors["o"].callbacks.append(self.scoreboard.deliver)
        if constants is not None:
            self.monitors["cfg"] = Monitor(constants, self.domain, during_reset=True)
            self.monitors["cfg"].callbacks.append(self.scoreboard.configure)
        for name in self.monitors.keys() - {"o"}:
            self.monitors[name].callbacks.append(self._progress)
        self.hang_cycles = hang_cycles
        self.cycles = 0  # since the start
        self._idle = 0  # cycles since the last progress
        self._answered = 0  # results that were due, of those delivered, when last looked
        self._hung = Event()

    @classmethod
    async def start(
        cls,
        dut: Any,
        *,
        period_ns: float = 4.0,
        source_pauses: Iterator[bool] | None = None,
        sink_pauses: Iterator[bool] | None = None,
        hang_cycles: int = 10_000,
    ) -> "Bench":
        """Return a running bench around the unit that the simulation was started for.

        Returns right after a rising edge, the reset over.

        Raises:
            RuntimeError: If the simulation was not started for a unit.
        """
        unit, config = unit_under_test()
        bench = cls(
            dut, unit.layouts(config), partial(unit.expect, config), source_pauses=source_pauses,
            sink_pauses=sink_pauses, hang_cycles=hang_cycles,
        )  # fmt: skip
        await bench.run(period_ns)
        return bench

    async def run(self, period_ns: float = 4.0) -> None:
        """Start the clock, reset the design, and start drivers and monitors.

        The test that calls this fails if it ends with beats that were not compared.
        """
        self.domain.start(period_ns)
        await self.domain.reset(_RESET_CYCLES)
        self.i.start()
        self.o.start()
        if self.cfg is not None:
            self.cfg.start()
        for monitor in self.monitors.values():
            monitor.start()
        cocotb.start_soon(self._watch())
        self.scoreboard.guard()

    async def send(self, payload: int | None = None, /, **fields: Value) -> None:
        """Offer a beat of data, after those put before, and wait until it was taken.

        Raises:
            ValueError: If the payload or a field does not fit; the message names it.
            Hang: If the design takes nothing and delivers nothing.
        """
        await self._taken(self.i.put(payload, **fields), f"beat {self.i.taken} of data")

    async def configure(self, payload: int | None = None, /, **fields: Value) -> None:
        """Offer a beat of configuration, and wait until it was taken.

        Raises:
            ValueError: If the payload or a field does not fit, or there is no such stream.
            Hang: If the design takes nothing and delivers nothing.
        """
        if self.cfg is None:
            raise ValueError("the design has no stream cfg")
        taken = self.cfg.put(payload, **fields)
        await self._taken(taken, f"beat {self.cfg.taken} of configuration")

    async def reset(self, cycles: int = 1) -> None:
        """Reset for so many cycles; what is in flight is dropped."""
        await self.domain.reset(cycles)

    async def replay(self, kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> None:
        """Drive items one after the other, as a :class:`~consilico.Stimulus` holds them.

        Raises:
            Hang: If the design takes nothing and delivers nothing.
        """
        for position, (item, row) in enumerate(zip(kind, bits, strict=True)):
            payload = int.from_bytes(row.tobytes(), "little")
            if item == Kind.RESET:
                await self.reset()
                continue
            source = self.i if item == Kind.DATA else self.cfg
            assert source is not None
            payload &= (1 << source.stream.layout.width) - 1
            await self._taken(source.put(payload), f"item {position}")

    async def drain(self) -> None:
        """Wait until everything put was taken and every result that is due has come.

        The design is watched for some cycles more, for a result too many.

        Raises:
            Hang: If nothing is taken or delivered any more; the message says what is missing.
            ValueError: If the golden model promises nothing for what was accepted.
        """
        for source in (self.cfg, self.i):
            while source is not None and source.waiting:
                await self._next_cycle("a beat is not taken")
        await self.domain.settled()  # what was taken last is seen by the monitors now
        while missing := self.scoreboard.missing():
            goal = self.scoreboard.delivered + missing
            while True:  # at least a cycle: a result that nothing was due for is delivered, too
                await self._next_cycle(f"no result comes (result {self.scoreboard.delivered})")
                if self.scoreboard.delivered >= goal:
                    break
        for _ in range(_TAIL_CYCLES):
            await self.domain.edge()

    async def finish(self) -> ScoreboardReport:
        """Drain, and check all results and the protocol of all streams.

        Raises:
            AssertionError: If anything was wrong, or nothing was checked.
        """
        await self.drain()
        for monitor in self.monitors.values():
            monitor.check()
        return self.scoreboard.check()

    async def _taken(self, taken: Event, what: str) -> None:
        self._progress()
        await First(taken.wait(), self._hung.wait())
        if not taken.is_set():
            raise Hang(f"hang: {what} is not taken")

    async def _next_cycle(self, problem: str) -> None:
        if self._hung.is_set():
            raise Hang(f"hang: {problem}")
        await self.domain.edge()

    def _progress(self, *_: Any) -> None:
        self._idle = 0
        self._hung.clear()

    async def _watch(self) -> None:
        while True:
            await self.domain.settled()
            self.cycles += 1
            if self.domain.in_reset:
                self.scoreboard.reset()
                self._progress()
            self._idle += 1
            if self._idle >= self.hang_cycles:
                # results are progress only if they are due, which the golden model has to say
                answered = self.scoreboard.answered()
                if answered > self._answered:
                    self._answered = answered
                    self._progress()
                else:
                    self._hung.set()
