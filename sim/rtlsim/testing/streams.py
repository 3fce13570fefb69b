"""The signals of a stream in a simulation, and the clock and reset that it belongs to."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from random import Random, getrandbits
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.utils import get_sim_time

from consilico.sim.rtlsim.testing.payloads import Value, pack, unpack
from consilico.sim.units.layout import PLAIN, Layout

__all__ = ["ClockDomain", "Stream", "no_pauses", "random_pauses"]

# suffixes of valid, ready and payload: as Amaranth names streams, and as AXI-Stream does
_CONVENTIONS = (("__valid", "__ready", "__payload"), ("_tvalid", "_tready", "_tdata"))
_CLOCKS = ("clk", "aclk", "clock")
_RESETS = (("rst", False), ("reset", False), ("aresetn", True), ("rst_n", True), ("resetn", True))


class ClockDomain:
    """A clock, and the synchronous reset that goes with it.

    Drivers change signals right after a rising edge, and everything is sampled at the falling
    edge, when it has settled to what the next rising edge will see.

    Args:
        clock: Handle of the clock.
        reset: Handle of the reset, or None.
        active_low: Whether the reset acts while it is 0.
    """

    def __init__(self, clock: Any, reset: Any = None, *, active_low: bool = False) -> None:
        self.clock, self.reset_signal, self._active_low = clock, reset, active_low
        self._edge_at = -1

    @classmethod
    def of(cls, dut: Any) -> "ClockDomain":
        """Return the domain of a design whose clock and reset have usual names.

        Raises:
            AttributeError: If it has no port ``clk``, ``aclk`` or ``clock``.
        """
        clock = next((getattr(dut, name) for name in _CLOCKS if hasattr(dut, name)), None)
        if clock is None:
            raise AttributeError(f"{dut._name} has no clock named {', '.join(_CLOCKS)}")
        for name, active_low in _RESETS:
            if hasattr(dut, name):
                return cls(clock, getattr(dut, name), active_low=active_low)
        return cls(clock)

    def start(self, period_ns: float = 4.0) -> None:
        """Start the clock, which then runs until the test ends."""
        Clock(self.clock, period_ns, unit="ns").start()

    async def edge(self) -> None:
        """Wait for the next rising edge."""
        await RisingEdge(self.clock)
        self._edge_at = int(get_sim_time("step"))

    async def settled(self) -> None:
        """Wait for the next falling edge, when signals are what the next rising edge will see."""
        await FallingEdge(self.clock)

    async def align(self) -> None:
        """Wait for a rising edge unless one is just past."""
        if self._edge_at != int(get_sim_time("step")):
            await self.edge()

    @property
    def in_reset(self) -> bool:
        """Tell whether the reset acts, or is unknown."""
        if self.reset_signal is None:
            return False
        return str(self.reset_signal.value) != ("1" if self._active_low else "0")

    def set_reset(self, active: bool) -> None:
        """Drive the reset; nothing happens in a domain that has none."""
        if self.reset_signal is not None:
            self.reset_signal.value = int(active != self._active_low)

    async def reset(self, cycles: int = 1) -> None:
        """Reset for so many cycles; starts and ends right after a rising edge."""
        await self.align()
        self.set_reset(True)
        for _ in range(cycles):
            await self.edge()
        self.set_reset(False)


class Stream:
    """Handles of a stream's valid, ready and payload, and the fields of its payload.

    Args:
        dut: The design, or a part of it, that has the ports.
        name: Name of the stream: of ``i__valid`` it is ``i``, of ``s_axis_tvalid`` it is
            ``s_axis``.
        layout: Fields of the payload; one number named ``payload`` if not given.

    Raises:
        AttributeError: If there are no such ports.
        ValueError: If the layout has more bits than the payload.
    """

    def __init__(self, dut: Any, name: str, layout: Layout | None = None) -> None:
        for suffixes in _CONVENTIONS:
            if all(hasattr(dut, name + suffix) for suffix in suffixes):
                break
        else:
            names = " or ".join(", ".join(name + part for part in each) for each in _CONVENTIONS)
            raise AttributeError(f"{dut._name} has no stream {name!r}: no ports {names}")
        self.name = name
        self.valid, self.ready, self.payload = (getattr(dut, name + part) for part in suffixes)
        self.width = len(self.payload)
        self.layout = layout or Layout.plain(self.width)
        if self.layout.width > self.width:
            raise ValueError(
                f"{self.payload._name} has {self.width} bits, its fields {self.layout.width}"
            )

    def pack(self, payload: int | None = None, /, **fields: Value) -> int:
        """Return the payload that is given as a whole, or by its fields.

        Raises:
            ValueError: As :func:`~consilico.sim.rtlsim.testing.payloads.pack`, or if both are
                given.
        """
        if payload is None:
            return pack(self.layout, fields)
        if fields:
            raise ValueError(f"{self.name}: give a whole payload or fields, not both")
        if not 0 <= payload < 1 << self.width:
            raise ValueError(f"{self.name}: {payload} does not fit {self.width} bits")
        return payload

    def unpack(self, payload: int) -> dict[str, int | list[int]]:
        """Return the numbers in a payload by field name, a list by lane where lanes have them."""
        return unpack(self.layout, payload)

    @property
    def plain(self) -> bool:
        """Tell whether the payload is one number."""
        return [*self.layout.by_name] == [PLAIN]


def stream_named(dut: Any, names: Sequence[str], layout: Layout | None) -> Stream | None:
    """Return the first stream of a design that has one of these names, or None."""
    for name in names:
        if any(hasattr(dut, name + suffixes[0]) for suffixes in _CONVENTIONS):
            return Stream(dut, name, layout)
    return None


def no_pauses() -> Iterator[bool]:
    """Yield False without end: a producer or consumer that never pauses."""
    return repeat(False)


def random_pauses(probability: float, seed: int | None = None) -> Iterator[bool]:
    """Yield without end whether to pause for a cycle.

    Args:
        probability: That a cycle is a pause, at least 0 and below 1.
        seed: Of the choices. If not given, it is drawn from ``random``, which cocotb seeds for each
            test, so that a run with the same seed pauses in the same cycles.
    """
    chosen = Random(getrandbits(64) if seed is None else seed)
    while True:
        yield chosen.random() < probability
