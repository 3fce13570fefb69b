"""An attention tile of the catalogue's units in Verilog, with a bench that counts its cycles.

Only control is driven: operands are 0, as they do not decide when they are taken.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from amaranth.lib.wiring import Component

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.golden.matmul.requant import RequantConfig
from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.attention.consmax_log2 import ConSmaxLog2
from consilico.hw.matmul.requant import Requant
from consilico.hw.matmul.systolic import Systolic
from consilico.hw.verilog import convert
from consilico.sim.system.tile import TileTiming
from consilico.sim.units.catalogue import find_unit

__all__ = ["TileVerilog", "unit_timing"]

Jobs = Sequence[tuple[int, int]]  # queries and key tiles of each

_CELLS = ("consilico_clock_gate", "consilico_latch")


def unit_timing(rows: int, columns: int, key_dim: int) -> TileTiming:
    """Return a tile of requantizer and consmax/log2 with results of 7 bits."""
    requant, log2 = find_unit("matmul/requant"), find_unit("consmax/log2")
    return TileTiming(
        scores=SystolicConfig(rows=rows, columns=columns, dataflow="output_stationary"),
        values=SystolicConfig(rows=columns, columns=min(key_dim, 64), block=rows),
        key_dim=key_dim,
        requantizer=requant.latency(RequantConfig(lanes=columns)),
        normalizer=log2.latency(_log2(columns)),
    )


def _log2(lanes: int) -> Log2Config:
    return Log2Config(lanes=lanes, output="fixed", fixed_width=7, fixed_fraction=7)


def _modules(component: Component, name: str) -> tuple[str, str]:
    """Return a unit's Verilog, its parts under names of their own, and the cells it has."""
    text = convert(component, name)
    first = min(text.find(f"module {cell}") for cell in _CELLS if f"module {cell}" in text)
    # a cell begins with its comment
    first = text.rfind("\n//", 0, first) if text.rfind("\n//", 0, first) > 0 else first
    text, cells = text[:first], text[first:]
    for part in re.findall(r"^module (\w+)", text, flags=re.MULTILINE):
        if part != name:
            text = re.sub(rf"\b{part}\b", f"{name}_{part}", text)
    return text, cells


class TileVerilog:
    """The units of a tile, converted once, for any jobs."""

    def __init__(self, timing: TileTiming, folder: Path) -> None:
        columns = timing.columns
        units: dict[str, Component] = {
            "qk": Systolic(timing.scores), "rq": Requant(RequantConfig(lanes=columns)),
            "cs": ConSmaxLog2(_log2(columns)), "pv": Systolic(timing.values),
        }  # fmt: skip
        texts = [_modules(component, name) for name, component in units.items()]
        cells = max((cells for _, cells in texts), key=len)
        self._timing, self._folder = timing, folder
        (folder / "units.v").write_text("\n".join([*(text for text, _ in texts), cells]))

    def cycles(self, jobs: Jobs) -> int:
        """Return the cycles from the first operands to the last result, simulated by Icarus."""
        bench, program = self._folder / "bench.v", self._folder / "tile.vvp"
        bench.write_text(_bench(self._timing, jobs))
        sources = (self._folder / "units.v", bench)
        subprocess.run(["iverilog", "-g2012", "-o", program, *sources], check=True)
        run = subprocess.run(["vvp", program], check=True, capture_output=True, text=True)
        found = re.search(r"cycles (\d+)", run.stdout)
        assert found, run.stdout[-300:]
        return int(found[1])


def _widths(unit: str, config: object) -> dict[str, int]:
    """Return the payload widths of the streams of a unit."""
    ports = find_unit(unit).ports(config)  # type: ignore[arg-type]
    return {"i": ports.i_width, "o": ports.o_width, "cfg": ports.cfg_width}


def _bench(timing: TileTiming, jobs: Jobs) -> str:
    """Return a bench: what drives the arrays, and the wires between the units."""
    columns, key_dim = timing.columns, timing.key_dim
    extent, depth = timing.scores.extent.bit_length(), timing.scores.depth.bit_length()
    rows = "".join(f"{place}: rows = {job[0]};" for place, job in enumerate(jobs))
    tiles = "".join(f"{place}: tiles = {job[1]};" for place, job in enumerate(jobs))
    w = {
        "qk": _widths("matmul/systolic", timing.scores),
        "rq": _widths("matmul/requant", RequantConfig(lanes=columns)),
        "cs": _widths("consmax/log2", _log2(columns)),
        "pv": _widths("matmul/systolic", timing.values),
    }
    value = timing.values.columns
    results = sum(job[0] for job in jobs)
    return f"""
module tb;
  reg clk = 0, rst = 1;
  always #1 clk = ~clk;
  function integer rows(input integer job); case (job) {rows} default: rows = 0; endcase
  endfunction
  function integer tiles(input integer job); case (job) {tiles} default: tiles = 0; endcase
  endfunction
  integer cycle = 0, began = -1, left = 0;
  integer qj = 0, qbeat = 0, pj = 0, ppass = 0, pbeat = 0, out = 0;
  reg qsize = 1, psize = 1, heads = 1;
  wire qir, qov, qcr, rir, rov, rcr, cir, cov, ccr, pir, pov, pcr;
  wire [{w["qk"]["o"] - 1}:0] qo;
  wire [{w["rq"]["o"] - 1}:0] ro;
  wire [{w["cs"]["o"] - 1}:0] co;
  wire [{w["pv"]["o"] - 1}:0] po;
  wire more = !rst && qj < {len(jobs)}, pmore = !rst && pj < {len(jobs)};
  wire [{extent - 1}:0] qm = rows(qj), qn = tiles(qj) * {columns}, pm = rows(pj);
  wire [{depth - 1}:0] pk = tiles(pj) * {columns};
  qk qk(.clk(clk), .rst(rst), .i__payload({w["qk"]["i"]}'d0), .i__valid(more && !qsize),
    .i__ready(qir), .o__payload(qo), .o__valid(qov), .o__ready(rir),
    .cfg__payload({{qn, {depth}'d{key_dim}, qm}}), .cfg__valid(more && qsize), .cfg__ready(qcr));
  rq rq(.clk(clk), .rst(rst), .i__payload({w["rq"]["i"]}'d0), .i__valid(qov), .i__ready(rir),
    .o__payload(ro), .o__valid(rov), .o__ready(cir), .cfg__payload({w["rq"]["cfg"]}'d0),
    .cfg__valid(heads && !rst), .cfg__ready(rcr));
  cs cs(.clk(clk), .rst(rst), .i__payload({w["cs"]["i"]}'d0), .i__valid(rov), .i__ready(cir),
    .o__payload(co), .o__valid(cov), .o__ready(take), .cfg__payload({w["cs"]["cfg"]}'d0),
    .cfg__valid(heads && !rst), .cfg__ready(ccr));
  wire last = ppass == tiles(pj), computes = ppass != 0 && pbeat < rows(pj);
  wire offers = pmore && !psize && (!computes || cov);
  wire take = pmore && !psize && computes && pir;
  wire [31:0] beats = ppass == 0 ? {columns} : last ? rows(pj)
    : rows(pj) > {columns} ? rows(pj) : {columns};
  pv pv(.clk(clk), .rst(rst), .i__payload({w["pv"]["i"]}'d0), .i__valid(offers), .i__ready(pir),
    .o__payload(po), .o__valid(pov), .o__ready(1'b1),
    .cfg__payload({{{extent}'d{value}, pk, pm}}), .cfg__valid(pmore && psize), .cfg__ready(pcr));
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (cycle == 5) rst <= 0;
    if (!rst) begin
      heads <= 0;
      if (more && qsize && qcr) qsize <= 0;
      if (pmore && psize && pcr) psize <= 0;
      if (more && !qsize && qir) begin
        if (began < 0) began <= cycle;
        qbeat <= qbeat + 1;
        if (qbeat + 1 == tiles(qj) * {key_dim}) begin
          qbeat <= 0;
          qj <= qj + 1;
          qsize <= rows(qj) != rows(qj + 1) || tiles(qj) != tiles(qj + 1);
        end
      end
      if (offers && pir) begin
        pbeat <= pbeat + 1;
        if (pbeat + 1 == beats) begin
          pbeat <= 0;
          ppass <= last ? 0 : ppass + 1;
          if (last) begin
            pj <= pj + 1;
            psize <= rows(pj) != rows(pj + 1) || tiles(pj) != tiles(pj + 1);
          end
        end
      end
      if (pov) begin
        out <= out + 1;
        if (out + 1 == {results}) begin
          $display("cycles %0d", cycle - began + 1);
          $finish;
        end
      end
    end
    if (cycle > 100000) begin
      $display("hangs after %0d results", out);
      $finish;
    end
  end
endmodule
"""
