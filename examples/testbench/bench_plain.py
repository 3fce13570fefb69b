"""Plain cocotb: two tests of a ConSmax unit, with Consilico's drivers and golden model.

``consilico test bench_plain.py --unit consmax/log2 --set lanes=4`` runs them.
"""

import random
from typing import Any

import cocotb

from consilico.testing import Bench, random_pauses


@cocotb.test()
async def random_scores(dut: Any) -> None:
    """Results are right whatever the scores, for a producer and a consumer that pause."""
    bench = await Bench.start(dut, source_pauses=random_pauses(0.2), sink_pauses=random_pauses(0.4))
    await bench.configure(k=11357, b=3000)
    for _ in range(100):
        scores = [random.randint(-128, 127) for _ in range(4)]
        await bench.send(score=scores, mask=0)
    compared = await bench.finish()
    assert compared.checked == 100


@cocotb.test()
async def constants_change_while_scores_come(dut: Any) -> None:
    """New constants hold for the beats accepted after them, or with them."""
    bench = await Bench.start(dut)
    await bench.configure(k=11357, b=3000)
    assert bench.cfg is not None
    for value in range(-50, 50):
        bench.i.put(score=value, mask=[0, 1, 0, 1])  # every lane gets the value
        if value % 10 == 0:
            bench.cfg.put(k=20000, b=1000 + value)
    await bench.finish()
