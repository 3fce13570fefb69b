"""Static timing with OpenSTA: ideal clock, ideal wires."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.errors import UserError
from sim.silicon.pdk import Kit

__all__ = ["Timing", "longest_path"]

# The clock period is bisected until the worst slack is zero: the only way that is right for
# registers, half-cycle paths, clock gates and time-borrowing latches alike. Where all paths take a
# full cycle the first guess (period minus slack) is exact and ends the search.
SCRIPT = """
{read}
read_verilog {netlist}
link_design {top}
proc slack {{period}} {{
  create_clock -name clk -period $period [get_ports {clock}]
  set_input_delay 0 -clock clk $::inputs
  set_output_delay 0 -clock clk [all_outputs]
  return [worst_slack]
}}
set inputs {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] ne "{clock}"}} {{ lappend inputs $port }}
}}
set unit [expr {{1e-9 / [sta::unit_scale time]}}]
set high [expr {{{clock_ns} * $unit}}]
set low 0
while {{[slack $high] < 0}} {{
  set low $high
  set high [expr {{2 * $high}}]
}}
set guess [expr {{$high - [slack $high]}}]
puts "UNIT $unit"
puts "GUESS $guess"
"""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The longest path of a netlist."""

    path_ns: float
    cells: tuple[str, ...]


_REPORT = """
{read}
read_verilog {netlist}
link_design {top}
create_clock -name clk -period {period} [get_ports {clock}]
set inputs {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] ne "{clock}"}} {{ lappend inputs $port }}
}}
if {{[llength $inputs]}} {{ set_input_delay 0 -clock clk $inputs }}
set_output_delay 0 -clock clk [all_outputs]
report_checks -path_delay max -format full -digits 5
"""


def longest_path(netlist: Path, top: str, kit: Kit, clock: str, clock_ns: float) -> Timing:
    """Smallest clock period, in ns, at which no path of the netlist fails."""
    if shutil.which("sta") is None:
        raise UserError("OpenSTA is not installed; get it with: apt-get install opensta")
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "sta.tcl"
        script.write_text(
            _REPORT.format(
                read=f"read_liberty {kit.mapping_liberty}", netlist=netlist, top=top, clock=clock,
                period=clock_ns,
            )
        )
        run = subprocess.run(
            ["sta", "-no_splash", "-exit", str(script)], capture_output=True, text=True
        )
    if errors := [line for line in (run.stdout + run.stderr).splitlines() if "Error:" in line]:
        raise RuntimeError(f"OpenSTA failed on {top}: {errors[0]}")
    slack = float(re.findall(r"(-?[\d.]+)\s+slack", run.stdout)[0])
    cells = tuple(re.findall(r"\((\w+)\)$", run.stdout, re.M))
    return Timing(path_ns=round(clock_ns - slack, 5), cells=cells)
