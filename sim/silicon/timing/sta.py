"""Static timing with OpenSTA: ideal clock, ideal wires."""

import re
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.timing.sta_run import constraints, run_sta

__all__ = ["Timing", "longest_path"]

# The shortest period is where the worst slack is zero. Where the worst path takes a full cycle,
# period minus slack is already it; half-cycle paths and latches that borrow time need more steps.
_SCRIPT = """
proc slack {period} {
  constrain $period
  return [worst_slack]
}
set high [expr {$first * $unit}]
set found [slack $high]
if {abs($found) > 1e20} {
  puts "NO PATH"
} else {
  set low 0.0
  while {$found < 0} {
    set low $high
    set high [expr {max(2 * $high, $high - 2 * $found)}]
    set found [slack $high]
  }
  # Upper end `high` meets timing, lower end `low` does not.
  while {$high - $low > 1e-4 * $unit} {
    set guess [expr {$high - $found}]
    if {$guess <= $low || $guess >= $high || $found < 1e-6 * $unit} {
      set guess [expr {($low + $high) / 2}]
    }
    set at [slack $guess]
    if {$at >= -1e-6 * $unit} { set high $guess; set found $at } else { set low $guess }
  }
  puts "PATH [expr {$high / $unit}]"
  constrain $high
  set worst {}
  foreach path [find_timing_paths -path_delay max -group_count 1] {
    if {$worst eq "" || [get_property $path slack] < [get_property $worst slack]} {
      set worst $path
    }
  }
  foreach point [get_property $worst points] {
    set pin [get_property $point pin]
    set instance [get_cells -quiet -of_objects $pin]
    if {$instance ne "" && [get_property $pin direction] eq "output"} {
      puts "CELL [get_property $instance full_name] [get_property $instance ref_name]"
    }
  }
}
"""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The longest path of a netlist."""

    path_ns: float  # shortest period at which no path fails, set-up included
    cells: tuple[str, ...]  # cell names along the worst path, from its start


def longest_path(netlist: Path, top: str, kit: Kit, clock: str, clock_ns: float) -> Timing:
    """Return the shortest clock period at which no path of a netlist fails, and its worst path.

    Paths run between registers, from inputs (there at the clock edge) and to outputs (due at the
    next one); clock gating checks and latches count. 0 for a netlist without any path.

    Args:
        netlist: Structural Verilog.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port; without such a port only inputs and outputs are timed.
        clock_ns: Period to start from.

    Raises:
        UserError: If OpenSTA is not installed.
        ToolError: If OpenSTA fails.
    """
    with work_folder("sta") as folder:
        script = constraints((kit.mapping_liberty,), netlist, top, clock)
        script += f"set first {clock_ns}\n" + _SCRIPT
        printed = run_sta(script, folder)
    if "NO PATH" in printed:
        return Timing(path_ns=0.0, cells=())
    path = re.search(r"^PATH (\S+)$", printed, re.M)
    if path is None:
        raise ToolError(f"OpenSTA found no path length of {top}: {printed[-300:]}")
    cells = tuple(re.findall(r"^CELL \S+ (\S+)$", printed, re.M))
    return Timing(path_ns=round(float(path[1]), 4), cells=cells)
