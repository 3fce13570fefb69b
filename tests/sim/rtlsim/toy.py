"""A small stream unit with a configuration stream, written so that single faults can be put in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.config import Config, integer
from consilico.hw.cells import CELL_SOURCES
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.stimulus import Ports, Stimulus
from consilico.sim.units.unit import Unit

PORTS = Ports(i_width=8, o_width=16, cfg_width=8)
TOP = "toy_multiply"
CLOCK_GATE = CELL_SOURCES["consilico_clock_gate"]
VERILOG = """\
module toy_multiply(
  input clk, input rst,
  input [7:0] i__payload, input i__valid, output i__ready,
  output [15:0] o__payload, output o__valid, input o__ready,
  input [7:0] cfg__payload, input cfg__valid, output cfg__ready
);
  reg [7:0] k;
  reg [15:0] product, result;
  reg full0, full1;
  wire free1 = o__ready | ~full1;
  wire free0 = free1 | ~full0;
  wire gated;
  consilico_clock_gate gate(.clk(clk), .enable(free0 & i__valid), .gclk(gated));
  assign i__ready = free0;
  assign cfg__ready = 1'b1;
  assign o__valid = full1;
  assign o__payload = result;
  always @(posedge gated) product <= i__payload * (cfg__valid ? cfg__payload : k);
  always @(posedge clk) begin
    if (cfg__valid) k <= cfg__payload;
    if (free0) full0 <= i__valid;
    if (free1) begin
      full1 <= full0;
      result <= product;
    end
    if (rst) begin
      full0 <= 1'b0;
      full1 <= 1'b0;
    end
  end
endmodule
"""
FLICKERING_VALID = """\
reg flip = 0;
  always @(posedge clk) flip <= ~flip;
  assign o__valid = full1 & (o__ready | flip)"""


def sources(old: str = "", new: str = "") -> list[str]:
    """Verilog of the unit and, in a second file, its clock gate; with ``old`` made ``new``."""
    if old:
        assert VERILOG.count(old) == 1, old
    return [VERILOG.replace(old, new) if old else VERILOG, CLOCK_GATE]


def stimulus(seed: int = 1, rounds: int = 12) -> Stimulus:
    """Rounds of one reload and 40 payloads, every third cut by a reset."""
    rng = np.random.default_rng(seed)
    builder = unit().builder(ToyConfig())
    for index in range(rounds):
        k = rng.integers(1, 256, size=1)
        x = rng.integers(0, 256, size=40)
        builder.configure({"payload": k})
        for part in (x[:25], x[25:]):
            builder.data({"payload": part}, len(part))
            if index % 3 == 0:
                builder.reset()
        builder.coverage.update({"odd_constant": int(k[0]) % 2, "zero": int((x == 0).sum()) + 1})
    return builder.build()


def golden(config: "ToyConfig", accepted: Accepted) -> GoldenResults:
    """Each payload times the constant in force."""
    return GoldenResults(beats={"payload": accepted.data["payload"] * accepted.in_force["payload"]})


@dataclass(frozen=True, kw_only=True)
class ToyConfig(Config):
    """One field, so that configurations differ."""

    rounds: int = integer(12, 1, 100, "rounds of the stimulus")


class Multiplier(wiring.Component):
    """The same unit in Amaranth, without the clock gate."""

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(16)),
                "cfg": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Two stages that stall together with ``o``."""
        m = Module()
        k = Signal(8, reset_less=True)
        product = Signal(16, reset_less=True)
        full = Signal()
        now = Mux(self.cfg.valid, self.cfg.payload, k)  # it holds for what comes along with it
        free = Signal()
        m.d.comb += [free.eq(self.o.ready | ~self.o.valid), self.i.ready.eq(free | ~full)]
        m.d.comb += self.cfg.ready.eq(1)
        with m.If(self.cfg.valid):
            m.d.sync += k.eq(self.cfg.payload)
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), product.eq(self.i.payload * now)]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(full), self.o.payload.eq(product)]
        return m


def unit(latency: int = 2, coverage: tuple[str, ...] = ("odd_constant", "zero")) -> Unit:
    """Catalogue entry of the toy."""
    return Unit(
        name="toy/multiply",
        summary="payload times a constant",
        config=ToyConfig,
        component=lambda config: Multiplier(),
        golden=golden,
        vectors=lambda config, seed: stimulus(seed, config.rounds),
        coverage=coverage,
        latency=lambda config: latency,
    )
