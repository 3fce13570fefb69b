"""Parts of a cocotb testbench for units, and for any design with such streams.

Inside a simulation (docs/your-own-testbench.md shows it at work)::

    import cocotb
    from consilico.testing import Bench, random_pauses

    @cocotb.test()
    async def results_are_right(dut):
        bench = await Bench.start(dut, sink_pauses=random_pauses(0.4))
        await bench.configure(k=16384, b=0)
        await bench.send(score=[1, 2, 3, 4], mask=0)
        await bench.finish()

``consilico test`` and the fixture ``simulate`` of the pytest plugin start one.
"""

from consilico.sim.rtlsim.testing.bench import Bench, Hang
from consilico.sim.rtlsim.testing.drivers import Sink, Source
from consilico.sim.rtlsim.testing.monitor import Beat, Monitor
from consilico.sim.rtlsim.testing.payloads import from_bf16, pack, to_bf16, unpack
from consilico.sim.rtlsim.testing.plan import unit_under_test
from consilico.sim.rtlsim.testing.scoreboard import (
    FieldMismatch,
    Mismatch,
    Scoreboard,
    ScoreboardReport,
)
from consilico.sim.rtlsim.testing.streams import ClockDomain, Stream, no_pauses, random_pauses
from consilico.sim.units.accepted import Expected
from consilico.sim.units.layout import Field, Layout, Layouts
from consilico.sim.units.stimulus import Kind

__all__ = [
    "Beat",
    "Bench",
    "ClockDomain",
    "Expected",
    "Field",
    "FieldMismatch",
    "Hang",
    "Kind",
    "Layout",
    "Layouts",
    "Mismatch",
    "Monitor",
    "Scoreboard",
    "ScoreboardReport",
    "Sink",
    "Source",
    "Stream",
    "from_bf16",
    "no_pauses",
    "pack",
    "random_pauses",
    "to_bf16",
    "unit_under_test",
    "unpack",
]
