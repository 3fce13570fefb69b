"""pyuvm around Consilico's parts: sequence, driver, monitor and scoreboard as UVM has them.

Needs ``pip install pyuvm``.
"""

import random
from typing import Any

import cocotb
from pyuvm import (
    ConfigDB,
    uvm_driver,
    uvm_env,
    uvm_root,
    uvm_sequence,
    uvm_sequence_item,
    uvm_sequencer,
    uvm_test,
)

from consilico.testing import Bench, random_pauses


class Scores(uvm_sequence_item):
    """The scores of one beat, one per lane."""

    def __init__(self, name: str, lanes: int) -> None:
        super().__init__(name)
        self.values = [random.randint(-128, 127) for _ in range(lanes)]


class RandomScores(uvm_sequence):
    """A hundred beats of random scores."""

    async def body(self) -> None:
        """Send them to the driver."""
        for number in range(100):
            item = Scores(f"scores{number}", lanes=4)
            await self.start_item(item)
            await self.finish_item(item)


class Driver(uvm_driver):
    """Gives what the sequencer has to Consilico's driver."""

    async def run_phase(self) -> None:
        """Send beats without end."""
        bench: Bench = ConfigDB().get(self, "", "BENCH")
        while True:
            item = await self.seq_item_port.get_next_item()
            await bench.send(score=item.values, mask=0)
            self.seq_item_port.item_done()


class Environment(uvm_env):
    """A sequencer and a driver; monitors and scoreboard are the bench's."""

    def build_phase(self) -> None:
        """Make both."""
        self.sequencer = uvm_sequencer("sequencer", self)
        self.driver = Driver("driver", self)

    def connect_phase(self) -> None:
        """Connect both."""
        self.driver.seq_item_port.connect(self.sequencer.seq_item_export)


class ConsmaxTest(uvm_test):
    """Random scores; the golden model says what must come of them."""

    def build_phase(self) -> None:
        """Make the environment."""
        self.environment = Environment("environment", self)

    async def run_phase(self) -> None:
        """Run the sequence and check everything."""
        self.raise_objection()
        bench: Bench = ConfigDB().get(self, "", "BENCH")
        await bench.configure(k=11357, b=3000)
        await RandomScores("random").start(self.environment.sequencer)
        compared = await bench.finish()
        assert compared.checked == 100
        self.drop_objection()


@cocotb.test()
async def uvm(dut: Any) -> None:
    """Start the UVM test once the design is out of reset."""
    bench = await Bench.start(dut, sink_pauses=random_pauses(0.3))
    ConfigDB().set(None, "*", "BENCH", bench)
    await uvm_root().run_test(ConsmaxTest, keep_set={ConfigDB})
