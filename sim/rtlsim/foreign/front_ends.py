"""Check whether a simulator and the front end that costs are taken from understand a text alike.

Where the language leaves a choice, or a tool departs from it, they may not: a variable that is
initialized from an input is x to one tool, a constant to another, and continuous to a third. Random
vectors are put on the ports of the text and of its elaborated form, both in Icarus, and what comes
out is compared.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.base.reach import Reach
from consilico.sim.base.results import digest
from consilico.sim.rtlsim.foreign.elaborate import Elaborated, Port
from consilico.sim.rtlsim.foreign.sources import Sources, check_tasks
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, Simulator, find_simulator

__all__ = ["FrontEndDifference", "FrontEnds", "active_high", "compare_front_ends", "is_reset"]

_CYCLES = 400
_RESET_CYCLES = 4  # at the beginning; later one cycle in 32
_SEED = 1
_COMPILE_LIMITS = Limits(wall_s=120, cpu_s=60, memory_bytes=1 << 30)
_RUN_LIMITS = Limits(wall_s=120, cpu_s=60, memory_bytes=1 << 30, file_bytes=256 << 20)
_RESET = re.compile(
    r"(?:.*_)?(?P<low_before>n_?)?(?:a|s|async_?|sync_?)?(?:rst|reset)"
    r"(?P<low_after>_?(?:n|ni|b|l|bar|low))?(?:_\w*)?",
    re.IGNORECASE,
)

_BENCH = """\
`timescale 1ns / 1ps
module consilico_bench;
  reg [{in_bits}-1:0] vectors [0:{cycles}-1];
  reg [{in_bits}-1:0] in;
  wire [{out_bits}-1:0] out;
  reg clock;
  integer cycle;
  {top} dut ({connections});
  initial begin
    $readmemh("vectors.hex", vectors);
    clock = 0;
    for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin
      in = vectors[cycle];
      #50;
      $display("%b", out);
      clock = 1;
      #50;
      clock = 0;
    end
    $finish;
  end
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class FrontEndDifference(Facts):
    """The first difference on one output port."""

    port: str
    cycle: int
    simulated: str  # what the simulator makes of the text; x where it knows no value
    elaborated: str  # what the elaborated form gives
    inputs: dict[str, str]  # values of the input ports in that cycle, but for clocks
    cycles: int  # cycles that differ on this port


@dataclass(frozen=True, kw_only=True)
class FrontEnds(Facts):
    """Findings of a comparison of a text with its elaborated form."""

    simulator: str  # that ran both
    reader: str  # front end that elaborated the text
    refused: str = ""  # what slang, the strictest of them, said where it refused the text
    cycles: int  # compared; 0 if it was not possible
    not_compared: str  # why; else empty
    differences: tuple[FrontEndDifference, ...]  # by port

    def lines(self) -> list[str]:
        """Say in a line each what was refused, what differs, or that nothing was compared."""
        said = [f"slang refuses this text: {self.refused}"] if self.refused else []
        if self.not_compared:
            what = f"{self.simulator} and {self.reader} were not compared"
            return [*said, f"{what}: {self.not_compared}"]
        return said + [
            f"{self.simulator} and {self.reader} understand this text differently: {each.port} is"
            f" {each.simulated} to {self.simulator} and {each.elaborated} to {self.reader}"
            f" in cycle {each.cycle}"
            f" ({', '.join(f'{name}={value}' for name, value in each.inputs.items())})"
            for each in self.differences
        ]


def is_reset(name: str) -> bool:
    """Tell whether a port's name says that it is a reset."""
    return _RESET.fullmatch(name) is not None


def active_high(design: Elaborated, name: str) -> bool:
    """Tell whether 1 resets, from the registers that a port resets, or else from its name."""
    found = _RESET.fullmatch(name)
    low = found is not None and (found["low_before"] or found["low_after"])
    return design.resets.get(name, not low)


def compare_front_ends(
    sources: Sources, design: Elaborated, parameters: Sequence[str]
) -> FrontEnds:
    """Simulate a text and its elaborated form on the same vectors.

    A difference is an output bit that the elaborated form knows and the text has otherwise. A bit
    that only the text knows is none: registers that nothing has set yet are x, and gates spread an
    x further than ``if`` does.

    Args:
        sources: The design as it was given.
        design: Its elaborated form.
        parameters: Names of parameters that were set when it was elaborated.
    """
    why = _obstacle(sources, design, parameters)
    if not why:
        icarus = find_simulator("icarus")
        key = digest(code_digest(__name__), icarus.version, sources.text, design.to_json())
        return cached_facts(
            FrontEnds, "front-ends", key, lambda: _compared(sources, design, icarus)
        )
    return _found(design, not_compared=why)


def _found(
    design: Elaborated,
    *,
    cycles: int = 0,
    not_compared: str = "",
    differences: tuple[FrontEndDifference, ...] = (),
) -> FrontEnds:
    return FrontEnds(
        simulator="icarus",
        reader=design.reader,
        refused=design.refused,
        cycles=cycles,
        not_compared=not_compared,
        differences=differences,
    )


def _obstacle(sources: Sources, design: Elaborated, parameters: Sequence[str]) -> str:
    """Say why a design cannot be compared; empty if it can."""
    if parameters:
        return "parameters are set, so only the elaborated form is simulated"
    if sources.beside:
        return "memories are loaded from files, so only the elaborated form is simulated"
    if any(port.direction == "inout" for port in design.ports):
        return "it has ports of both directions"
    if not all(_ports(design, direction) for direction in ("input", "output")):
        return "it has no inputs or no outputs"
    try:
        check_tasks(sources.text, "the text")
        find_simulator("icarus")
    except UserError as error:
        return str(error)
    return ""


def _ports(design: Elaborated, direction: str) -> list[Port]:
    """Return the ports of a direction; clocks are no inputs."""
    return [
        port
        for port in design.ports
        if port.direction == direction and port.name not in design.clocks
    ]


def _compared(sources: Sources, design: Elaborated, icarus: Simulator) -> FrontEnds:
    inputs, outputs = _ports(design, "input"), _ports(design, "output")
    vectors = _vectors(design, inputs)
    texts = {"text": sources.text, "elaborated": design.verilog}
    lines: dict[str, list[str]] = {}
    for name, text in texts.items():
        run = _simulated(icarus, design, text, vectors)
        if isinstance(run, str):
            return _found(design, not_compared=f"icarus does not run the {name} form: {run}")
        lines[name] = run
    if not len(lines["text"]) == len(lines["elaborated"]) == _CYCLES:
        return _found(design, not_compared="the design ended the simulation")
    differences = []
    low = 0
    for port in reversed(outputs):  # the last one has the lowest bits
        high = low + port.width
        pick = slice(len(lines["text"][0]) - high, len(lines["text"][0]) - low)
        pairs = [
            (a[pick], b[pick]) for a, b in zip(lines["text"], lines["elaborated"], strict=True)
        ]
        wrong = [cycle for cycle, pair in enumerate(pairs) if _differ(*pair)]
        if wrong:
            first = wrong[0]
            differences.append(
                FrontEndDifference(
                    port=port.name,
                    cycle=first,
                    simulated=_number(pairs[first][0]),
                    elaborated=_number(pairs[first][1]),
                    inputs=_values(inputs, vectors[first]),
                    cycles=len(wrong),
                )
            )
        low = high
    return _found(design, cycles=_CYCLES, differences=tuple(reversed(differences)))


def _differ(text: str, elaborated: str) -> bool:
    return any(b in "01" and a != b for a, b in zip(text, elaborated, strict=True))


def _number(bits: str) -> str:
    """Return a number in decimal, or its bits where some are not known."""
    if set(bits) <= {"0", "1"}:
        return str(int(bits, 2))
    return "x" if set(bits) == {"x"} else f"'b{bits}"


def _vectors(design: Elaborated, inputs: Sequence[Port]) -> list[int]:
    """Return values of all inputs, the last one's in the lowest bits."""
    rng = np.random.default_rng(_SEED)
    columns = []
    for port in inputs:
        raw = rng.integers(0, 256, (_CYCLES, -(-port.width // 8)), dtype=np.uint8)
        raw[rng.random(_CYCLES) < 0.05] = 0
        raw[rng.random(_CYCLES) < 0.05] = 255
        values = [int.from_bytes(row.tobytes(), "little") % (1 << port.width) for row in raw]
        if port.width == 1 and (is_reset(port.name) or port.name in design.resets):
            resets = rng.random(_CYCLES) < 1 / 32
            resets[:_RESET_CYCLES] = True
            values = (resets == active_high(design, port.name)).astype(int).tolist()
        columns.append((port.width, values))
    packed = [0] * _CYCLES
    for width, values in columns:
        packed = [done << width | value for done, value in zip(packed, values, strict=True)]
    return packed


def _values(inputs: Sequence[Port], vector: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for port in reversed(inputs):
        found[port.name] = str(vector % (1 << port.width))
        vector >>= port.width
    return dict(reversed(found.items()))


def _simulated(
    icarus: Simulator, design: Elaborated, text: str, vectors: Sequence[int]
) -> list[str] | str:
    """Return a line of output bits per cycle, or what went wrong."""
    inputs, outputs = _ports(design, "input"), _ports(design, "output")
    connections = [f".\\{name} (clock)" for name in design.clocks]
    for bus, ports in (("in", inputs), ("out", outputs)):
        low = 0
        for port in reversed(ports):
            connections.append(f".\\{port.name} ({bus}[{low} +: {port.width}])")
            low += port.width
    bench = _BENCH.format(
        in_bits=sum(port.width for port in inputs),
        out_bits=sum(port.width for port in outputs),
        cycles=_CYCLES,
        top=design.top,
        connections=", ".join(connections),
    )
    environment = icarus.environment()
    with work_folder("front-ends") as folder:
        (folder / "design.v").write_text(text)
        (folder / "bench.v").write_text(bench)
        (folder / "vectors.hex").write_text("".join(f"{vector:x}\n" for vector in vectors))
        compiler = [str(icarus.executable), ICARUS_LANGUAGE, "-s", "consilico_bench", "-o", "bench"]
        steps = (
            ([*compiler, "design.v", "bench.v"], _COMPILE_LIMITS),
            (["vvp", "-n", "bench"], _RUN_LIMITS),
        )
        for command, limits in steps:
            run = run_tool(
                "icarus", command, limits,
                folder=folder, environment=environment, reach=Reach(),
            )  # fmt: skip
            if not run.succeeded:
                return run.problem
    width = sum(port.width for port in outputs)
    return re.findall(rf"^[01xz]{{{width}}}$", run.stdout, re.MULTILINE)
