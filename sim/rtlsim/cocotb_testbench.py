"""cocotb testbench of any unit: driver, monitor and scoreboard, replaying a stimulus from a file.

Runs inside the simulator. The environment's ``CONSILICO_BENCH`` names a folder with ``plan.json``
(payload widths, stall probabilities, seed) and ``stimulus.npz``; the verdict is written there as
``report.json``. The code shares nothing with the bulk testbench on purpose: a mistake in one shows
in the other.

Inputs are driven after the rising edge and everything is sampled at the falling edge, when it has
settled to what the next rising edge will see. Unknown bits fail.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from numpy.typing import NDArray

from consilico.sim.units.stimulus import Kind

__all__ = ["Driver", "Monitor", "Scoreboard", "replays_stimulus"]

_RESET_CYCLES = 4
_TAIL_CYCLES = 64  # watched after the last result for one too many
_MESSAGES = 8  # the rest is only counted


class Scoreboard:
    """Compares results, in order, with the expected ones.

    Args:
        expected: Payload of each beat on ``o``, as an integer.
        width: Bits of a result.
    """

    def __init__(self, expected: list[int], width: int) -> None:
        self._expected = expected
        self._width = width
        self.accepted = 0
        self.due = 0  # index of the next result
        self.checked = 0
        self.wrong = 0
        self.dropped = 0
        self.violations = 0
        self.problems: list[str] = []
        self.first_mismatch: dict[str, Any] | None = None

    def reset(self) -> None:
        """Forget what was accepted but not delivered."""
        self.dropped += self.accepted - self.due
        self.due = self.accepted

    def deliver(self, bits: str) -> None:
        """Check a delivered payload, a string of ``0``, ``1`` and anything unknown."""
        if self.due == self.accepted:
            self.violate("a result without an accepted input")
            return
        expected = format(self._expected[self.due], f"0{self._width}b")
        self.checked += 1
        if bits != expected:
            self.wrong += 1
            if self.first_mismatch is None:
                self.first_mismatch = {
                    "index": self.due,
                    "got": _hex(bits),
                    "expected": _hex(expected),
                }
        self.due += 1

    def violate(self, text: str) -> None:
        """Note a violation of the stream protocol."""
        self.violations += 1
        if len(self.problems) < _MESSAGES:
            self.problems.append(f"result {self.due}: {text}")

    @property
    def outstanding(self) -> int:
        """Return the number of results accepted and not yet delivered."""
        return self.accepted - self.due


class Driver:
    """Offers one item after the other; idles before each with probability ``stall``."""

    def __init__(
        self, dut: Any, items: list[tuple[int, int, int]], stall: float, seed: int
    ) -> None:
        self._dut = dut
        self._items = items
        self._stall = stall
        self._random = random.Random(seed)
        self.position = 0
        self.completes = 0  # results that the item on offer brings
        self.done = False

    async def run(self) -> None:
        """Drive every item; starts and ends right after a rising edge."""
        dut = self._dut
        for position, (kind, payload, completes) in enumerate(self._items):
            self.position, self.completes = position, completes
            while self._random.random() < self._stall:
                await RisingEdge(dut.clk)
            if kind == Kind.RESET:
                dut.rst.value = 1
                await RisingEdge(dut.clk)
                dut.rst.value = 0
            elif kind == Kind.CONFIG:
                await self._offer(dut.cfg__valid, dut.cfg__payload, dut.cfg__ready, payload)
            else:
                await self._offer(dut.i__valid, dut.i__payload, dut.i__ready, payload)
        self.done = True

    async def _offer(self, valid: Any, bits: Any, ready: Any, payload: int) -> None:
        valid.value, bits.value = 1, payload
        await FallingEdge(self._dut.clk)
        while ready.value != 1:  # X waits too; `== 0` would let X through
            await FallingEdge(self._dut.clk)
        await RisingEdge(self._dut.clk)
        valid.value = 0


class Monitor:
    """Watches all streams, checks their protocol and feeds the scoreboard."""

    def __init__(
        self, dut: Any, scoreboard: Scoreboard, driver: Driver, stall: float, seed: int
    ) -> None:
        self._dut = dut
        self._driver = driver
        self._scoreboard = scoreboard
        self._stall = stall
        self._random = random.Random(seed)
        self._held: str | None = None  # payload that waits for ready
        self._configurable = hasattr(dut, "cfg__valid")
        self.cycles = 0
        self.idle = 0  # cycles since the last handshake

    async def receive(self) -> None:
        """Drive ``o.ready``; it drops with probability ``stall``."""
        while True:
            self._dut.o__ready.value = int(self._random.random() >= self._stall)
            await RisingEdge(self._dut.clk)

    async def watch(self) -> None:
        """Sample the unit's ports in every cycle, without end."""
        dut, scoreboard = self._dut, self._scoreboard
        while True:
            await FallingEdge(dut.clk)
            self.cycles += 1
            self.idle += 1
            if dut.rst.value == 1:
                scoreboard.reset()
                self._held = None
                self.idle = 0
                continue
            for ready_or_valid in (dut.i__ready, dut.o__valid):
                if str(ready_or_valid.value) not in "01":
                    scoreboard.violate(f"{ready_or_valid._name} is unknown")
            if dut.i__valid.value == 1 and dut.i__ready.value == 1:
                scoreboard.accepted += self._driver.completes
                self.idle = 0
            if self._configurable and dut.cfg__valid.value == 1 and dut.cfg__ready.value == 1:
                self.idle = 0
            self._watch_output()

    def _watch_output(self) -> None:
        dut, scoreboard = self._dut, self._scoreboard
        if dut.o__valid.value != 1:
            if self._held is not None:
                scoreboard.violate("o__valid dropped before o__ready")
            self._held = None
            return
        bits = str(dut.o__payload.value)
        if self._held not in (None, bits):
            scoreboard.violate("o__payload changed before o__ready")
        if dut.o__ready.value == 1:
            if scoreboard.outstanding:
                self.idle = 0  # only an expected result is progress
            scoreboard.deliver(bits)
            self._held = None
        else:
            self._held = bits


@cocotb.test()
async def replays_stimulus(dut: Any) -> None:
    """Check that every result equals the expected one, in order, whatever stalls."""
    folder = Path(os.environ["CONSILICO_BENCH"])
    plan = json.loads((folder / "plan.json").read_text())
    data = np.load(folder / "stimulus.npz")
    widths = {Kind.DATA: plan["i_width"], Kind.CONFIG: plan["cfg_width"], Kind.RESET: 0}
    items = [
        (int(kind), value & ((1 << widths[Kind(kind)]) - 1), int(completes))
        for kind, value, completes in zip(
            data["kind"], _integers(data["bits"]), data["completes"], strict=True
        )
    ]
    scoreboard = Scoreboard(_integers(data["expected"]), plan["o_width"])
    driver = Driver(dut, items, plan["stall_in"], plan["seed"])
    monitor = Monitor(dut, scoreboard, driver, plan["stall_out"], plan["seed"] + 1)

    dut.rst.value, dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = 1, 0, 0, 0
    if plan["cfg_width"]:
        dut.cfg__valid.value, dut.cfg__payload.value = 0, 0
    Clock(dut.clk, 4, unit="ns").start()
    for _ in range(_RESET_CYCLES):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    cocotb.start_soon(driver.run())
    cocotb.start_soon(monitor.receive())
    cocotb.start_soon(monitor.watch())

    while monitor.idle < plan["hang_cycles"]:
        await RisingEdge(dut.clk)
        if driver.done and not scoreboard.outstanding and monitor.idle >= _TAIL_CYCLES:
            break
    else:
        waiting = "no result comes" if driver.done else f"item {driver.position} is not taken"
        scoreboard.problems.append(f"hang: {waiting} (result {scoreboard.due})")
    report = {
        "checked": scoreboard.checked,
        "wrong": scoreboard.wrong,
        "dropped": scoreboard.dropped,
        "violations": scoreboard.violations,
        "problems": scoreboard.problems,
        "first_mismatch": scoreboard.first_mismatch,
        "cycles": monitor.cycles,
    }
    (folder / "report.json").write_text(json.dumps(report))
    assert not scoreboard.problems, report
    assert not scoreboard.wrong, report


def _integers(rows: NDArray[np.uint8]) -> list[int]:
    """Return little-endian rows of bytes as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _hex(bits: str) -> str:
    """Return hexadecimal digits; four bits with an unknown one become ``x``, as in Verilog."""
    padded = bits.rjust(-(-len(bits) // 4) * 4, "0")
    groups = [padded[at : at + 4] for at in range(0, len(padded), 4)]
    return "".join(f"{int(group, 2):x}" if set(group) <= {"0", "1"} else "x" for group in groups)
