"""A test that has to fail: the scoreboard is told of a score that was not sent."""

from typing import Any

import cocotb

from consilico.testing import Beat, Bench


@cocotb.test()
async def a_wrong_result_is_shown(dut: Any) -> None:
    """The message names result, time, lane and field."""
    bench = await Bench.start(dut)
    await bench.configure(k=11357, b=3000)
    bench.monitors["i"].callbacks[0] = lambda beat: bench.scoreboard.accept(_other(bench, beat))
    await bench.send(score=[1, 2, 3, 4], mask=0)
    await bench.finish()


def _other(bench: Bench, beat: Beat) -> Beat:
    stream = bench.i.stream
    payload = stream.pack(score=[1, 2, 3, 5], mask=0)
    return Beat(step=beat.step, time_ns=beat.time_ns, bits=format(payload, f"0{stream.width}b"))
