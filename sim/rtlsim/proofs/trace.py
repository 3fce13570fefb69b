"""Play a counterexample on the Verilog itself, in a simulator, and show it.

What a prover found is a list of what the neighbors of a unit do. A testbench that does the same
stands in one file together with the harness and the design: whoever has Icarus Verilog can run it.
That it breaks the promise there, too, is a check of all that lies between the Verilog and the
prover.
"""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from consilico.sim.base.facts import Facts
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.base.reach import Reach
from consilico.sim.rtlsim.proofs.harness import HARNESS, Around, choices, harness
from consilico.sim.rtlsim.proofs.promises import PROPERTIES, StreamPromises
from consilico.sim.rtlsim.proofs.slicing import Slice
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, find_simulator

__all__ = ["Played", "Trace", "play"]

_TOP = "consilico_trace"
_LIMITS = Limits(wall_s=600, cpu_s=60)
_WAVEFORM = "trace.vcd"
_ROW = "consilico"  # how a line with a row begins


@dataclass(frozen=True, kw_only=True)
class Trace(Facts):
    """A run that breaks a promise."""

    columns: tuple[str, ...]  # signals
    rows: tuple[tuple[str, ...], ...]  # their values at the end of each cycle, hexadecimal
    confirmed: bool  # the promise breaks in a simulation of the Verilog as well
    testbench: str  # file with design, harness and stimulus
    waveform: str  # file
    replay: str  # command

    def at(self, testbench: Path, waveform: Path) -> "Trace":
        """Return the trace with its files in these places."""
        program = testbench.with_suffix(".vvp")
        build = ["iverilog", ICARUS_LANGUAGE, "-s", _TOP, "-o", str(program), str(testbench)]
        replay = f"{shlex.join(build)} && {shlex.join(['vvp', str(program)])}"
        return replace(self, testbench=str(testbench), waveform=str(waveform), replay=replay)


@dataclass(frozen=True, kw_only=True)
class Played:
    """Simulation of a counterexample, with what it shows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    confirmed: bool
    testbench: str  # text
    waveform: bytes


def play(
    claim: StreamPromises, found: Slice, number: int, steps: Sequence[Mapping[str, int]]
) -> Played:
    """Simulate what the neighbors do in a counterexample.

    Args:
        claim: The Verilog, and what it promises.
        found: Its slice.
        number: Of the property in :data:`PROPERTIES` that breaks.
        steps: What the neighbors choose in each cycle, by the names of :func:`choices`.

    Raises:
        UserError: If Icarus Verilog is missing.
        ToolError: If it does not read the Verilog.
    """
    icarus = find_simulator("icarus")
    columns = _columns(claim)
    around = Around(module=claim.top, marked=False, ticks=False)
    testbench = "\n".join(
        [claim.text, harness(claim, found, around), _testbench(claim, found, columns, steps)]
    )
    with work_folder("trace") as folder:
        (folder / "trace.v").write_text(testbench)
        build = [str(icarus.executable), ICARUS_LANGUAGE, "-s", _TOP, "-o", "trace.vvp", "trace.v"]
        for command in (build, ["vvp", "-n", "trace.vvp"]):
            run = run_tool("icarus", command, _LIMITS, folder=folder, reach=Reach())
            run.check()
        waveform = (folder / _WAVEFORM).read_bytes()
    lines = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith(_ROW)]
    # a simulation starts with unknown values, so a bit may be x
    broken = [row[-1][len(PROPERTIES) - 1 - number] == "1" for row in lines]
    end = broken.index(True) + 1 if True in broken else len(lines)
    return Played(
        columns=("cycle", *columns),
        rows=tuple((str(cycle), *row[:-1]) for cycle, row in enumerate(lines[:end])),
        confirmed=any(broken),
        testbench=testbench,
        waveform=waveform,
    )


def _columns(claim: StreamPromises) -> tuple[str, ...]:
    cfg = ("cfg_valid", "cfg_ready", "cfg_payload") if claim.layouts.ports.cfg_width else ()
    return (
        "rst", "i_valid", "i_ready", "i_payload", *cfg, "o_valid", "o_ready", "o_payload",
    )  # fmt: skip


def _testbench(
    claim: StreamPromises, found: Slice, columns: Sequence[str], steps: Sequence[Mapping[str, int]]
) -> str:
    widths = choices(claim)
    total, count = sum(widths.values()), max(1, len(found.ticks))
    chosen = []
    for cycle, step in enumerate(steps):
        value = 0
        for name, width in widths.items():
            value = value << width | step.get(name, 0)
        chosen.append(f"    chosen[{cycle}] = {total}'h{value:x};")
    listed = ", ".join(widths)
    wires = "\n".join(f"  reg [{width - 1}:0] {name};" for name, width in widths.items())
    ports = ", ".join(f".{name}({name})" for name in widths)
    escaped = _escaped(claim.text)
    ticks = [_path(name, escaped) or "1'b0" for name in reversed(found.ticks)]
    moments = ", ".join(ticks) or "1'b0"
    stimulus = "\n".join(chosen)
    # unknown values would hide what a 0 shows
    unset = [path for name in found.unset if (path := _path(name, escaped))]
    unset += [path.replace(".unit.", ".other.", 1) for path in unset]
    words = [path for path in unset if path.endswith("]")]  # of memories
    others = [path for path in unset if not path.endswith("]")]
    cleared = "".join(f"    {path} = 0;\n" for path in words)
    cleared += "".join(f"    force {path} = 0;\n" for path in others)
    released = "".join(f"    release {path};\n" for path in others)
    shown = ", ".join(f"harness.{name}" for name in columns)
    form = " ".join(["%h"] * len(columns))
    return f"""
module {_TOP};
  reg clk = 0;
{wires}
  wire [{len(PROPERTIES) - 1}:0] violated;
  reg [{len(PROPERTIES) - 3}:0] broken;
  wire [{count - 1}:0] resting, masked;
  reg [{count - 1}:0] must_rest, must_hold, ticks;
  reg [{total - 1}:0] chosen [0:{max(1, len(steps)) - 1}];
  integer cycle;
  {HARNESS} harness(.clk(clk), {ports},
    .violated(violated), .resting(resting), .masked(masked));
  initial begin
{cleared}{released}{stimulus}
    $dumpfile("{_WAVEFORM}");
    $dumpvars(0, {_TOP});
    for (cycle = 0; cycle < {len(steps)}; cycle = cycle + 1) begin
      {{{listed}}} = chosen[cycle];
      #4;
      must_rest = resting;
      must_hold = masked;
      ticks = {{{moments}}};  // latches that are open
      $write("{_ROW} {form}", {shown});
      broken = violated[{len(PROPERTIES) - 3}:0];
      clk = 1;
      #1 ticks = ticks | {{{moments}}};  // clocks that rose
      $display(" %b", {{|(must_hold & ticks), |(must_rest & ticks), broken}});
      #4 clk = 0;
      #1;
    end
    $finish(0);
  end
endmodule
"""


def _path(name: str, escaped: Collection[str]) -> str:
    """Return the hierarchical name of a net of the unit; ``""`` if it has none in the source.

    Yosys joins names of instances, generate blocks and nets with dots, which an escaped name may
    hold as well: the source says where one begins.

    Args:
        name: Of the flat design; a word of a memory has its number in brackets.
        escaped: The escaped names of the source (:func:`_escaped`).
    """
    written = _written(name, escaped)
    return ".".join(["harness", "unit", *written]) if written else ""


def _written(name: str, escaped: Collection[str]) -> tuple[str, ...]:
    """Return the parts of a hierarchical name as Verilog has them; none if the source has none."""
    word = re.fullmatch(r"(.*)(\[\d+\])", name)
    if name in escaped:
        return (f"\\{name} ",)
    if word and word[1] in escaped:
        return (f"\\{word[1]} {word[2]}",)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*(\[\d+\])?", name):
        return (name,)
    for dot in reversed([at for at, letter in enumerate(name) if letter == "."]):
        before, after = (_written(part, escaped) for part in (name[:dot], name[dot + 1 :]))
        if before and after:
            return (*before, *after)
    return ()


def _escaped(text: str) -> set[str]:
    """Return the names in Verilog that begin with a backslash and end at a space, without both."""
    return set(re.findall(r"\\(\S+)\s", text))
