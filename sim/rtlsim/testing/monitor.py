"""A monitor: sees every beat of a stream, and checks the stream's protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.utils import get_sim_time

from consilico.sim.rtlsim.testing.streams import ClockDomain, Stream

__all__ = ["Beat", "Monitor"]

_MESSAGES = 8  # the rest is only counted


@dataclass(frozen=True, kw_only=True)
class Beat:
    """One handshake on a stream."""

    step: int  # simulation time in steps of the simulator, by which beats are ordered
    time_ns: float
    bits: str  # the payload as ``0`` and ``1``, highest bit first; other letters are unknown

    @property
    def payload(self) -> int:
        """Return the payload as an integer.

        Raises:
            ValueError: If a bit is unknown.
        """
        return int(self.bits, 2)


class Monitor:
    """Watches a stream; does not drive anything.

    In each cycle that is not one of reset, valid and ready must be 0 or 1, a beat that was on offer
    must stay on offer until it is taken, and its payload must stay what it is.

    Args:
        stream: The stream.
        domain: Its clock and reset.
        during_reset: Whether handshakes during a reset are beats, too. They are on the inputs of a
            unit: a configuration is kept over a reset.
    """

    def __init__(self, stream: Stream, domain: ClockDomain, *, during_reset: bool = False) -> None:
        self.stream, self._domain = stream, domain
        self._during_reset = during_reset
        self.beats: list[Beat] = []
        self.callbacks: list[Callable[[Beat], Any]] = []  # called for each beat
        self.violations = 0
        self.problems: list[str] = []  # a line for each of the first violations
        self._held: str | None = None  # payload that waits for ready

    def start(self) -> "Monitor":
        """Start to watch; returns at once."""
        cocotb.start_soon(self._run())
        return self

    def check(self) -> None:
        """Fail if the protocol was violated.

        Raises:
            AssertionError: With a line for each of the first violations.
        """
        if self.violations:
            raise AssertionError("\n".join(self.problems))

    async def _run(self) -> None:
        while True:
            await self._domain.settled()
            self._sample()

    def _sample(self) -> None:
        stream = self.stream
        valid, ready = str(stream.valid.value), str(stream.ready.value)
        resetting = self._domain.in_reset
        if resetting:
            self._held = None
        else:
            for signal, value in ((stream.valid, valid), (stream.ready, ready)):
                if value not in "01":
                    self._violate(f"{signal._name} is unknown")
        if valid != "1":
            if self._held is not None:
                self._violate(f"{stream.valid._name} dropped before {stream.ready._name}")
            self._held = None
            return
        if resetting and not self._during_reset:
            return
        bits = str(stream.payload.value)
        if self._held not in (None, bits):
            self._violate(f"{stream.payload._name} changed before {stream.ready._name}")
        if ready == "1":
            self._held = None
            beat = Beat(
                step=int(get_sim_time("step")), time_ns=float(get_sim_time("ns")), bits=bits
            )
            self.beats.append(beat)
            for call in self.callbacks:
                call(beat)
        elif not resetting:
            self._held = bits

    def _violate(self, text: str) -> None:
        self.violations += 1
        if len(self.problems) < _MESSAGES:
            self.problems.append(f"at {float(get_sim_time('ns')):g} ns: {text}")
