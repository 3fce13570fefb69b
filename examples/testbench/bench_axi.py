"""cocotbext-axi on a unit with AXI-Stream ports; the golden model sees what its bus carries.

``consilico test bench_axi.py --unit consmax/log2 --set lanes=4 --ports axi`` runs it. Needs
``pip install cocotbext-axi``.
"""

from functools import partial
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from consilico.testing import ClockDomain, Monitor, Scoreboard, Stream, pack, unit_under_test


@cocotb.test()
async def streams_of_another_library(dut: Any) -> None:
    """Drive with cocotbext-axi; watch and compare with Consilico's parts."""
    unit, config = unit_under_test()
    layouts = unit.layouts(config)
    domain = ClockDomain.of(dut)
    board = Scoreboard(partial(unit.expect, config), layouts)
    board.guard()
    for name, layout, call, inputs in (
        ("s_axis", layouts.i, board.accept, True),
        ("s_axis_cfg", layouts.cfg, board.configure, True),
        ("m_axis", layouts.o, board.deliver, False),
    ):
        monitor = Monitor(Stream(dut, name, layout), domain, during_reset=inputs)
        monitor.callbacks.append(call)
        monitor.start()

    ends = {"reset": dut.aresetn, "reset_active_level": False}
    scores = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **ends)
    constants = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_cfg"), dut.aclk, **ends)
    results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **ends)
    domain.start()
    await domain.reset(4)

    await constants.send(_octets(pack(layouts.cfg, {"k": 11357, "b": 3000}), layouts.cfg.width))
    await constants.wait()
    for value in range(-20, 20):
        payload = pack(layouts.i, {"score": value, "mask": 0})
        await scores.send(_octets(payload, layouts.i.width))
    await scores.wait()
    while board.missing():
        await RisingEdge(dut.aclk)
    assert board.check().checked == 40
    assert not results.empty()


def _octets(payload: int, width: int) -> bytes:
    return payload.to_bytes(-(-width // 8), "little")
