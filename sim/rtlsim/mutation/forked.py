"""Simulate all mutants of a design in one program, which runs itself once for each of them.

The netlist is compiled once, with Verilator; the compiled simulation forks before it begins
(``fork.cpp``). A mutant costs the simulation and a millisecond.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from consilico.sim.base.parallel import processors
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.rtlsim.bulk_replay import (
    Simulated,
    Transcript,
    build_bulk,
    read_transcript,
    script_settings,
    simulation_command,
)
from consilico.sim.rtlsim.mutation.mutants import SELECT, Mutants
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.stimulus import Ports

__all__ = ["ForkedSimulation"]

_FILES = ("data.bin", "config.bin", "resets.bin", "consumer.bin")
_WATCHED_CYCLES = 64  # of the time after everything has been taken, in which no clock may tick
_TICKS = "ticks.txt"
# Output of a clock gate of ours in the flat netlist
_GATED = re.compile(r"^  wire \\((?:\S+\.)?gate_\w+)\.gclk ;$", re.M)
_LATCH = re.compile(r"^  wire \\((?:\S+\.)?latch_\w+)\.enable ;$", re.M)  # likewise
_COUNTER = """\
  integer ticks{at} = 0, resting{at} = 0;
  always @(posedge unit.\\{gate}.gclk ) if (consilico_bench.running) begin
    ticks{at} = ticks{at} + 1;
    if (consilico_bench.resting) resting{at} = resting{at} + 1;
  end
"""
_PRINTED = """\
    $fdisplay(file, "ticks=%0d %0d consilico_bench.dut.{gate}", ticks{at}, resting{at});
"""
_OPENED = """\
    if (unit.\\{latch}.enable ) begin
      if (clk) high[{at}] = high[{at}] + 1;
      else opens[{at}] = opens[{at}] + 1;
      if (consilico_bench.resting) at_rest[{at}] = at_rest[{at}] + 1;
    end
"""
_PRINTED_LATCH = """\
    $fdisplay(file, "opens=%0d %0d %0d consilico_bench.dut.{latch}", opens[{at}], at_rest[{at}],
              high[{at}]);
"""
_LATCHES = """\
  integer opens[0:{last}], at_rest[0:{last}], high[0:{last}];
  initial for (integer at = 0; at <= {last}; at = at + 1) begin
    opens[at] = 0;
    at_rest[at] = 0;
    high[at] = 0;
  end
  always @(clk) begin
    #1;
    if (consilico_bench.running) begin
{opened}    end
  end
"""
_CPU_S = 60  # of one mutant: a combinational loop never reaches the next cycle


class ForkedSimulation:
    """Mutants that are compiled with the testbench.

    Args:
        mutants: The design with its faults.
        top: Name of the design's module.
        ports: Widths of its payloads.
        ready: When its streams must be ready, as a contract says it.

    Raises:
        UserError: If Verilator is missing or too old.
        BuildError: If it does not compile the mutants.
    """

    def __init__(
        self, mutants: Mutants, top: str, ports: Ports, ready: Mapping[str, str] = {}
    ) -> None:
        self._ports = ports
        self._simulator = find_simulator("verilator")
        plugin = resources.files(__package__).joinpath("fork.cpp").read_text()
        texts = [_wrapper(top, ports, mutants), mutants.verilog]
        self._build = build_bulk(self._simulator, texts, top, ports, plugin=plugin, ready=ready)

    def replay(
        self, script: Script, numbers: Sequence[int], *, hang_cycles: int, seed: int
    ) -> dict[int, Transcript]:
        """Replay a script on mutants, and return what happened, by number.

        Args:
            script: What to drive.
            numbers: Which mutants; 0 is the design without a fault.
            hang_cycles: Cycles without a handshake after which a mutant counts as hung, and for
                which it is watched after everything has been taken.
            seed: Of what registers hold before the reset.

        Raises:
            ToolError: If the program that runs them fails.
        """
        start = time.monotonic()
        settings = script_settings(script, hang_cycles=hang_cycles, quiet_cycles=hang_cycles)
        settings["rest_cycles"] = hang_cycles - _WATCHED_CYCLES
        with work_folder("mutants") as folder:
            script.write(folder, self._ports, None)
            for number in numbers:
                own = folder / str(number)
                own.mkdir()
                for name in _FILES:
                    (own / name).symlink_to(folder / name)
            environment = self._simulator.environment() | {
                "CONSILICO_MUTANTS": " ".join(map(str, numbers)),
                "CONSILICO_JOBS": str(processors()),
                "CONSILICO_CPU_S": str(_CPU_S),
            }
            command = simulation_command(self._simulator, self._build, settings, seed)
            limits = Limits(wall_s=600.0 + _CPU_S * len(numbers))
            run_tool(
                "the simulation of mutants", command, limits, folder=folder,
                environment=dict(os.environ) | environment,
            ).check()  # fmt: skip
            seconds = time.monotonic() - start
            return {
                number: _transcript(folder / str(number), self._ports, seconds)
                for number in numbers
            }


def _transcript(folder: Path, ports: Ports, seconds: float) -> Transcript:
    ticks = folder / _TICKS
    printed = ticks.read_text() if ticks.exists() else ""
    return read_transcript(folder, ports, Simulated(printed=printed), seconds)


def _wrapper(top: str, ports: Ports, mutants: Mutants) -> str:
    """Return a module with the design's name and ports, which asks which mutant it is.

    It counts what clock gates and latches do as those that count themselves do
    (:mod:`consilico.sim.rtlsim.clock_gates`), of which nothing is left in the flat netlist.
    """
    streams = [("i", "input", ports.i_width), ("o", "output", ports.o_width)]
    if ports.cfg_width:
        streams.append(("cfg", "input", ports.cfg_width))
    turned = {"input": "output", "output": "input"}
    declared = ["input clk", "input rst"]
    for name, forward, bits in streams:
        declared += [
            f"{forward} [{bits - 1}:0] {name}__payload",
            f"{forward} {name}__valid",
            f"{turned[forward]} {name}__ready",
        ]
    gates = dict.fromkeys(_GATED.findall(mutants.verilog))
    counters = "".join(_COUNTER.format(at=at, gate=gate) for at, gate in enumerate(gates))
    printed = "".join(_PRINTED.format(at=at, gate=gate) for at, gate in enumerate(gates))
    latches = list(dict.fromkeys(_LATCH.findall(mutants.verilog)))
    if latches:
        opened = "".join(_OPENED.format(at=at, latch=each) for at, each in enumerate(latches))
        counters += _LATCHES.format(last=len(latches) - 1, opened=opened)
        printed += "".join(
            _PRINTED_LATCH.format(at=at, latch=each) for at, each in enumerate(latches)
        )
    return f"""\
module {top}(
  {", ".join(declared)}
);
  import "DPI-C" function int consilico_mutant();
  reg [{mutants.width - 1}:0] {SELECT};
  initial {SELECT} = {mutants.width}'(consilico_mutant());
  {top}_mutants unit(.*);
{counters}  integer file;
  final begin
    file = $fopen("{_TICKS}", "w");
{printed}    $fclose(file);
  end
endmodule
"""
