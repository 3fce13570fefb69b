"""The testbench that the bulk testbench's speed is compared with: a plain cocotb loop.

It makes one Python step per cycle, without stalls, resets and protocol checks: the least that a
straight testbench does. It takes and writes the files of
:mod:`consilico.sim.rtlsim.cocotb_testbench`, and the seconds that its loop took.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from consilico.sim.units.stimulus import Kind

__all__ = ["plain_loop"]


@cocotb.test()
async def plain_loop(dut: Any) -> None:
    """Drive an item and compare a result every cycle."""
    folder = Path(os.environ["CONSILICO_BENCH"])
    data = np.load(folder / "stimulus.npz")
    kinds = data["kind"].tolist()
    payloads = [int.from_bytes(row.tobytes(), "little") for row in data["bits"]]
    expected = [int.from_bytes(row.tobytes(), "little") for row in data["expected"]]
    dut.rst.value, dut.i__valid.value, dut.cfg__valid.value, dut.o__ready.value = 1, 0, 0, 1
    Clock(dut.clk, 4, unit="ns").start()
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    checked = wrong = cycles = position = 0
    start = time.monotonic()
    while checked < len(expected) and cycles < 2 * len(kinds) + 1000:
        if position < len(kinds):
            configures = kinds[position] == Kind.CONFIG
            dut.cfg__valid.value, dut.i__valid.value = int(configures), int(not configures)
            payload = dut.cfg__payload if configures else dut.i__payload
            payload.value = payloads[position]
            position += 1  # the unit takes an item every cycle while nothing stalls
        else:
            dut.cfg__valid.value, dut.i__valid.value = 0, 0
        await RisingEdge(dut.clk)
        cycles += 1
        if dut.o__valid.value == 1:
            wrong += dut.o__payload.value != expected[checked]
            checked += 1
    report = {
        "checked": checked,
        "wrong": int(wrong),
        "cycles": cycles,
        "seconds": time.monotonic() - start,
    }
    (folder / "report.json").write_text(json.dumps(report))
    assert not wrong
