# amaranth: UnusedElaboratable=no
"""Verilog text: parts occur once, and it starts right in a SystemVerilog simulator."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth import Array, C, ClockSignal, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.hw.attention.consmax_log2 import ConSmaxLog2
from consilico.hw.parts import part_clock, place
from consilico.hw.verilog import convert


class Delay(wiring.Component):
    """A part: one register."""

    def __init__(self) -> None:
        super().__init__({"clk": In(1), "d": In(4), "q": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "sync", self.clk)
        m.d.sync += self.q.eq(self.d)
        return m


class Delays(wiring.Component):
    """Three of them in a row, then a table."""

    def __init__(self) -> None:
        self.parts: dict[str, wiring.Component] = {"test_delay": Delay()}
        super().__init__({"d": In(4), "q": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value: Any = self.d
        for index in range(3):
            (part,) = self.parts.items()
            value = place(m, f"delay{index}", *part, clk=ClockSignal(), d=value)["q"]
        table = Signal(8)
        m.d.comb += [table.eq(Array(C(16 * n + 5, 8) for n in range(16))[value]), self.q.eq(table)]
        return m


def test_a_part_is_written_once() -> None:
    text = convert(Delays(), "test_delays")
    assert text.count("module test_delay(") == 1
    assert text.count("  test_delay delay") == 3


def test_lanes_add_little_text() -> None:
    sizes = [len(convert(ConSmaxLog2(Log2Config(lanes=lanes)), "top")) for lanes in (1, 16)]
    assert sizes[1] < 2 * sizes[0]


def test_a_part_wants_all_its_inputs() -> None:
    with pytest.raises(TypeError, match=r"^test_delay has inputs \['clk', 'd'\], not \['clk'\]$"):
        place(Module(), "delay", "test_delay", Delay(), clk=Signal())


@pytest.mark.parametrize("language", ["-g2005", "-g2012"])
def test_combinational_logic_has_a_value_before_anything_changes(
    tmp_path: Path, language: str
) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    bench = """
module bench;
  wire [7:0] q;
  test_delays dut(.clk(1'b0), .rst(1'b0), .d(4'd0), .q(q));
  initial #1 $display("%d", q);
endmodule
"""
    source, program = tmp_path / "t.v", tmp_path / "t.vvp"
    source.write_text(convert(Delays(), "test_delays") + bench)
    command = ["iverilog", language, "-s", "bench", "-o", str(program), str(source)]
    subprocess.run(command, check=True)
    run = subprocess.run(["vvp", str(program)], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["5"]


class Repeated(wiring.Component):
    """One expression, written once for each of many outputs and of the bits of another."""

    def __init__(self) -> None:
        super().__init__({"a": In(4), "b": In(4), "each": Out(1).array(40), "bits": Out(12)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for output in self.each:
            m.d.comb += output.eq((self.a + self.b)[4])
        for bit in range(12):
            m.d.comb += self.bits[bit].eq(~((self.a & self.b).any()))
        return m


def test_an_expression_that_is_written_often_has_one_signal() -> None:
    text = convert(Repeated(), "repeated")
    assert text.count("a + b") == text.count("a & b") == 1
    assert text.count("assign \\$") == 4  # sum, and, any, not: nothing has a second name
