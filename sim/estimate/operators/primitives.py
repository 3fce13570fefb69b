"""Calibration primitives: single operators between registers, synthesized and measured alone."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from consilico.hw.cells import CELL_SOURCES
from consilico.hw.census import Census, table_size
from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.estimate.operators.measurements import EnergyRun, MeasuredDesign
from consilico.sim.estimate.operators.tables import design_samples

if TYPE_CHECKING:
    from consilico.sim.estimate.operators.fit import Sample
    from consilico.sim.estimate.operators.ordinary import OrdinaryDesign
    from consilico.sim.silicon.kits.kit import Kit

__all__ = [
    "PRIMITIVES",
    "TOP",
    "Primitive",
    "measure_primitive",
    "primitive_census",
    "primitive_operands",
    "primitive_samples",
]

TOP = "operator_between_registers"  # module that holds what is measured
_CYCLES = 400
_LIMITS = Limits(wall_s=600)  # a primitive simulates in a second
_PERIOD_NS = 10.0
_SEED = 5
_QUIET = 0.9  # correlation of successive operands in the second stimulus


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """One operator of a size, with registers at its operands and its result."""

    kind: str  # of operator, or of storage
    width: int  # bits of an operand
    result: int  # bits of the result
    bits: int  # as the census counts
    operands: tuple[int, ...]  # widths
    expression: str  # of a, b and c

    @property
    def name(self) -> str:
        """The kind of operator and its width, such as ``add/8``."""
        return f"{self.kind}/{self.width}"

    @property
    def verilog(self) -> str:
        """The module's text: the operator between registers."""
        names = "abc"[: len(self.operands)]
        pairs = list(zip(names, self.operands, strict=True))
        ports = ", ".join(f"input [{width - 1}:0] {name}_next" for name, width in pairs)
        lines = [
            f"module {TOP}(input clk, input rst, {ports}, output reg [{self.result - 1}:0] y);",
            *(f"  reg [{width - 1}:0] {name};" for name, width in pairs),
            "  always @(posedge clk) begin",
            *(f"    {name} <= {name}_next;" for name in names),
            "  end",
        ]
        if self.kind == "latch":
            lines += [
                f"  wire [{self.result - 1}:0] held;",
                f"  consilico_latch #(.WIDTH({self.result})) bank",
                "    (.enable(~clk), .d(a), .q(held));",
                "  always @(posedge clk) y <= held;",
            ]
        elif self.kind == "clock_gate":
            bits = self.result // self.bits
            for index in range(self.bits):
                part = f"[{(index + 1) * bits - 1}:{index * bits}]"
                lines += [
                    f"  wire clk{index};",
                    f"  consilico_clock_gate g{index}",
                    f"    (.clk(clk), .enable(b[{index}]), .gclk(clk{index}));",
                    f"  always @(posedge clk{index}) y{part} <= a{part};",
                ]
        else:
            lines.append(f"  always @(posedge clk) y <= {self.expression};")
        return "\n".join([*lines, "endmodule", *CELL_SOURCES.values(), ""])


def _made() -> Iterator[Primitive]:
    rng = np.random.default_rng(_SEED)

    def one(
        kind: str, width: int, bits: int, operands: tuple[int, ...], text: str, result: int
    ) -> Primitive:
        return Primitive(
            kind=kind, width=width, result=result, bits=bits, operands=operands, expression=text
        )

    two: dict[str, tuple[str, Callable[[int], int]]] = {
        "and_or": ("a & b", lambda width: width),
        "xor": ("a ^ b", lambda width: width),
        "add": ("a + b", lambda width: width),
        "less": ("a < b", lambda width: 1),
        "equal": ("a == b", lambda width: 1),
    }
    for width in (4, 8, 16, 32):
        for kind, (text, result) in two.items():
            yield one(kind, width, width, (width, width), text, result(width))
        yield one("increment", width, width, (width, 1), "a + b", width)
        yield one("mux", width, width, (width, width, 1), "c ? a : b", width)
        places = max(2, width.bit_length() - 1)
        yield one("shift", width, width * places, (width, places), "a >> b", width)
        yield one("decode", width, width, (places,), f"{width}'d1 << a", width)
        yield one("flop", width, width, (width,), "a", width)
        yield one("latch", width, width, (width,), "", width)
        yield one("clock_gate", width, width // 4, (width, width // 4), "", width)
        rows = int(rng.integers(1 << (width - 1), 1 << width))
        yield one("lookup", width, width, (places,), f"{width}'d{rows} >> a", 1)
    for width in (4, 6, 8, 12):
        yield one("multiply", width, width * width, (width, width), "a * b", 2 * width)
    for words in (8, 16, 32, 64, 128):
        row = rng.integers(0, 256, words)
        text = "".join(f"a == {index} ? 8'd{value} : " for index, value in enumerate(row[:-1]))
        places = words.bit_length() - 1
        size = table_size(tuple(int(value) for value in row))
        yield one("table", words, size, (places,), f"{text}8'd{row[-1]}", 8)


PRIMITIVES = tuple(_made())


def primitive_census(primitive: Primitive) -> Census:
    """Return the operators of a primitive: its own, and the registers around it."""
    census = Census()
    names = ("a", "b", "c")[: len(primitive.operands)]
    census.add(primitive.kind, primitive.bits, names)
    for name, width in zip(names, primitive.operands, strict=True):
        census.add("flop", width, (name,))
    census.add("flop", primitive.result if primitive.kind != "flop" else 0, names)
    if primitive.kind == "flop":
        census.path()
    else:
        census.path((primitive.kind, primitive.width, 1))
    return census


def _stimulus(
    primitive: "Primitive | OrdinaryDesign", correlation: float
) -> list[NDArray[np.int64]]:
    """Return operands cycle by cycle: uniform, or each bit kept with a probability.

    Returns:
        Each operand's values, int64, shape ``(cycles,)``.
    """
    rng = np.random.default_rng(_SEED)
    values = []
    for width in primitive.operands:
        bits = rng.integers(0, 2, (_CYCLES, width))
        for cycle in range(1, _CYCLES):
            keep = rng.random(width) < correlation
            bits[cycle] = np.where(keep, bits[cycle - 1], bits[cycle])
        values.append((bits << np.arange(width)).sum(axis=1))
    return values


def primitive_operands(primitive: Primitive, correlation: float) -> dict[str, dict[str, float]]:
    """Return statistics of the operands, as ``operand_statistics`` does for units."""
    found = {}
    values = _stimulus(primitive, correlation)
    for name, column, width in zip("abc", values, primitive.operands, strict=False):
        bits = column[:, None] >> np.arange(width) & 1
        toggles = bits[1:] != bits[:-1]
        found[name] = {
            "toggle_rate": float(toggles.mean()),
            "sign_correlation": 1 - 2 * float(toggles[:, -1].mean()),
        }
    return found


def primitive_samples(rows: Sequence[MeasuredDesign], metric: str) -> list["Sample"]:
    """Return the samples of one metric of measured primitives; no path leads through a gate."""
    primitives = {item.name: item for item in PRIMITIVES}
    found = []
    for row in rows:
        primitive = primitives[row.name]
        if metric != "path_ns" or primitive.kind != "clock_gate":
            census = primitive_census(primitive)
            operands = partial(primitive_operands, primitive)
            found += design_samples(row, census, metric, operands)
    return found


def measure_primitive(
    primitive: "Primitive | OrdinaryDesign", kit: "Kit", clock_ns: float
) -> MeasuredDesign:
    """Measure area, longest path, leakage and energy per cycle of a primitive, on two stimuli."""
    from consilico.sim.silicon.power.analysis import analyze_power
    from consilico.sim.silicon.synthesis.synthesize import synthesize

    netlist = synthesize(primitive.verilog, TOP, kit, clock_ns)
    runs = []
    for correlation in (0.0, _QUIET):
        with work_folder("primitive") as work:
            vcd = _simulate(primitive, netlist, kit, correlation, work)
            report = analyze_power(
                netlist.netlist, TOP, kit.liberty, vcd, "bench/dut", "clk", _PERIOD_NS
            )
        dynamic = report.total.internal_w + report.total.switching_w
        runs.append(EnergyRun(correlation=correlation, energy_pj=dynamic * _PERIOD_NS * 1e3))
    return MeasuredDesign(
        name=primitive.name,
        area_um2=netlist.area_um2,
        path_ns=netlist.path_ns,
        leakage_w=report.total.leakage_w,
        runs=tuple(runs),
        verilog_sha256=hashlib.sha256(primitive.verilog.encode()).hexdigest(),
    )


def _simulate(
    primitive: "Primitive | OrdinaryDesign",
    netlist: Any,
    kit: "Kit",
    correlation: float,
    work: Path,
) -> Path:
    """Simulate the netlist under a stimulus with Icarus and return the waveform's path."""
    from consilico.sim.silicon.liberty.cellmodels import cell_models
    from consilico.sim.silicon.liberty.read import read_liberty

    library = read_liberty((kit.mapping_liberty,))
    (work / "cells.v").write_text(cell_models(library.cells, netlist.cells_by_type))
    (work / "dut.v").write_text(netlist.netlist.read_text())
    names = "abc"[: len(primitive.operands)]
    total = sum(primitive.operands)
    packed = np.zeros(_CYCLES, dtype=object)
    for values, width in zip(_stimulus(primitive, correlation), primitive.operands, strict=True):
        packed = (packed << width) | values.astype(object)
    (work / "in.hex").write_text("\n".join(f"{int(value):x}" for value in packed) + "\n")
    half = int(_PERIOD_NS / 2)
    ports = ", ".join(f".{name}_next({name})" for name in names)
    wires = "".join(
        f"  wire [{width - 1}:0] {name};\n"
        for name, width in zip(names, primitive.operands, strict=True)
    )
    (work / "bench.v").write_text(f"""`timescale 1ns/1ps
module bench;
  reg clk = 0;
  reg [{total - 1}:0] rows [0:{_CYCLES - 1}];
  reg [{total - 1}:0] row = 0;
{wires}  assign {{{", ".join(names)}}} = row;
  reg rst = 1;
  {TOP} dut (.clk(clk), .rst(rst), {ports}, .y());
  integer cycle;
  initial begin
    $readmemh("in.hex", rows);
    for (cycle = 0; cycle < {_CYCLES}; cycle = cycle + 1) begin
      row = rows[cycle];
      rst = cycle < 3;
      if (cycle == 4) begin $dumpfile("activity.vcd"); $dumpvars(0, dut); end
      #{half} clk = 1; #{half} clk = 0;
    end
    $finish;
  end
endmodule
""")
    files = ["bench.v", "dut.v", "cells.v"]
    for command in (["iverilog", "-g2005", "-o", "run", *files], ["vvp", "-n", "run"]):
        run = run_tool(command[0], command, _LIMITS, folder=work)
        if not run.succeeded:
            raise ToolError(f"{primitive.name}: {run.problem}")
    return work / "activity.vcd"
