"""OpenSTA: static timing of mapped netlists, and power as a cross-check."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits, work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.timing.sdc import Sdc, check_sdc, own_constraints
from consilico.sim.silicon.timing.sta import run_sta, sta_version

__all__ = [
    "NOT_MEASURED",
    "PathTiming",
    "constraints",
    "longest_path",
    "opensta_power",
]

_LOAD = """
{libraries}
read_verilog {{{netlist}}}
link_design {{{top}}}
{parasitics}
set unit [expr {{round(1e-9 / [sta::unit_scale time])}}]
"""
# Ideal clock, inputs there at the clock edge, outputs due at the next one. A design without a clock
# port is timed from inputs to outputs.
_CONSTRAIN = """
set clock_name clk
set clock [get_ports -quiet {{{clock}}}]
set inputs {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] ne {{{clock}}}}} {{ lappend inputs $port }}
}}
proc constrain {{period}} {{
  global clock inputs
  if {{[llength $clock]}} {{
    create_clock -name clk -period $period $clock
  }} else {{
    create_clock -name clk -period $period
  }}
  if {{[llength $inputs]}} {{ set_input_delay 0 -clock clk $inputs }}
  set_output_delay 0 -clock clk [all_outputs]
}}
"""
# With the clock's own delays, which another period leaves as they are: setting them again would
# compute all delays anew. Inputs come from, and outputs go to, registers behind the same tree.
_PROPAGATE = """
rename constrain constrain_ideal
proc constrain {{period}} {{
  constrain_ideal $period
  if {{![get_property [all_clocks] propagated]}} {{ set_propagated_clock [all_clocks] }}
  {ports}
}}
"""
_PORTS = """global clock_name inputs unit
  if {{[llength $inputs]}} {{
    set_input_delay [expr {{{insertion_ns} * $unit}}] -clock $clock_name $inputs
  }}
  set_output_delay [expr {{-{insertion_ns} * $unit}}] -clock $clock_name [all_outputs]"""


def constraints(
    liberty: tuple[Path, ...],
    netlist: Path,
    top: str,
    clock: str,
    spef: Path | None = None,
    sdc: Sdc | None = None,
    insertion_ns: float | None = None,
) -> str:
    """Return Tcl that loads a netlist and defines ``constrain`` and ``unit`` (time units per ns).

    ``constrain`` takes a period in the libraries' unit; ``clock_name`` is the clock that it makes.

    Args:
        liberty: Liberty files of the netlist's cells.
        netlist: Structural Verilog.
        top: Its module.
        clock: Name of its clock port; without such a port, inputs and outputs alone are timed.
        spef: Resistances and capacitances of its wires; None: ideal wires.
        sdc: Somebody's constraints; what OpenSTA prints of them is for :func:`check_sdc`. None: an
            ideal clock, inputs there at its edge, outputs due at the next one.
        insertion_ns: With a clock tree: its delay from the port to a register, by which inputs come
            later and outputs are due later, as the registers outside are behind that tree, too.
            Somebody's constraints say this themselves. None: an ideal clock.
    """
    loaded = _LOAD.format(
        libraries="\n".join(f"read_liberty {{{path.absolute()}}}" for path in liberty),
        netlist=netlist.absolute(),
        top=top,
        parasitics="" if spef is None else f"read_spef {{{spef.absolute()}}}",
    )
    text = loaded + (_CONSTRAIN.format(clock=clock) if sdc is None else own_constraints(sdc))
    if insertion_ns is not None:
        ports = _PORTS.format(insertion_ns=insertion_ns) if sdc is None else ""
        text += _PROPAGATE.format(ports=ports)
    return text


# Timing

# The shortest period is where the worst slack is zero. Where the worst path takes a full cycle,
# period minus slack is already it; half-cycle paths and latches that borrow time need more steps.
_LONGEST_PATH = """
constrain [expr {$first * $unit}]
if {![check_setup -no_clock]} {
  set flops [llength [all_registers -edge_triggered -clock_pins]]
  set clocked [llength [all_registers -edge_triggered -clock_pins -clock $clock_name]]
  if {$clocked < $flops} {
    puts "UNCLOCKED [expr {$flops - $clocked}] of $flops"
    exit
  }
}
proc slack {period} {
  constrain $period
  return [worst_slack]
}
set high [expr {$first * $unit}]
set found [slack $high]
puts "SLACK [expr {$found / $unit}]"
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
class PathTiming:
    """The longest path of a netlist."""

    path_ns: float  # shortest period at which no path fails, set-up included
    cells: tuple[str, ...]  # cell names along the worst path, from its start
    slack_ns: float | None = None  # at the period asked for; None: there is no path


def longest_path(
    netlist: Path,
    top: str,
    kit: Kit,
    clock: str,
    clock_ns: float,
    spef: Path | None = None,
    sdc: Sdc | None = None,
    insertion_ns: float | None = None,
) -> PathTiming:
    """Return the shortest clock period at which no path of a netlist fails, and its worst path.

    Paths run between registers, from inputs (there at the clock edge) and to outputs (due at the
    next one); clock gating checks and latches count. Of a latch that no clock opens only the path
    from its enable counts: when its data must be there, nothing says. 0 for a netlist without any
    path.

    Args:
        netlist: Structural Verilog.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port; a netlist without registers needs none.
        clock_ns: Period to start from.
        spef: Resistances and capacitances of its wires; None: ideal wires.
        sdc: Somebody's constraints in place of these: of them the clock's edges alone move with the
            period.
        insertion_ns: Delay of the clock tree, as :func:`constraints` takes it.

    Raises:
        UserError: If OpenSTA is not installed, the clock port does not clock all flip-flops (paths
            between the others would be missing), or the constraints do not fit the netlist.
        ToolError: If OpenSTA fails.
    """
    with work_folder("sta") as folder:
        script = constraints((kit.mapping_liberty,), netlist, top, clock, spef, sdc, insertion_ns)
        script += f"set first {clock_ns}\n" + _LONGEST_PATH
        printed = run_sta(script, folder)
    if sdc is not None:
        check_sdc(sdc, printed)
    if unclocked := re.search(r"^UNCLOCKED (\d+ of \d+)$", printed, re.M):
        raise UserError(
            f"{unclocked[1]} flip-flops of {top} are not clocked by a port {clock!r}; "
            "accepted: the port that clocks all of them"
        )
    if "NO PATH" in printed:
        return PathTiming(path_ns=0.0, cells=())
    path = re.search(r"^PATH (\d\S*)\n", printed, re.M)
    if path is None:
        raise ToolError(f"OpenSTA found no path length of {top}: {printed[-300:]}")
    slack = re.search(r"^SLACK (\S+)$", printed, re.M)
    return PathTiming(
        path_ns=round(float(path[1]), 4),
        cells=tuple(re.findall(r"^CELL \S+ (\S+)$", printed, re.M)),
        slack_ns=None if slack is None else round(float(slack[1]), 4),
    )


# Power, by the user's own OpenSTA where it is recent enough to be believed

NOT_MEASURED = "not measured: needs OpenSTA 2.5 or newer"
_FIRST_WITH_POWER = (2, 5)  # older ones have no read_vcd, and print powers several times too great
_POWER_LIMITS = Limits(wall_s=1800, cpu_s=900, memory_bytes=8 << 30)  # it keeps the whole activity
_POWER = """
{liberty}
read_verilog {{{netlist}}}
link_design {{{top}}}
set period [expr {{{period_ns} * 1e-9 / [sta::unit_scale time]}}]
create_clock -name clk -period $period [get_ports {{{clock}}}]
read_vcd -scope {{{scope}}} {{{activity}}}
report_power -format json
"""


def opensta_power(
    netlist: Path,
    top: str,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    period_ns: float,
    clock: str = "clk",
) -> dict[str, float] | str:
    """Return internal, switching, leakage and total power in W at the recorded clock.

    Args:
        netlist: Structural Verilog.
        top: Its module.
        liberty: Liberty files of its cells.
        activity: VCD of a simulation of the netlist.
        scope: Path of the top module's instance in it, such as ``tb/dut``.
        period_ns: Clock period of the recording.
        clock: Name of the clock port.

    Returns:
        ``internal_w``, ``switching_w``, ``leakage_w`` and ``total_w``; :data:`NOT_MEASURED` where
        there is no OpenSTA, or only an older one.

    Raises:
        ToolError: If OpenSTA fails.
    """
    if shutil.which("sta") is None:
        return NOT_MEASURED
    found = re.match(r"(\d+)\.(\d+)", sta_version())
    if found is None or (int(found[1]), int(found[2])) < _FIRST_WITH_POWER:
        return NOT_MEASURED
    script = _POWER.format(
        liberty="\n".join(f"read_liberty {{{path.absolute()}}}" for path in liberty),
        netlist=netlist.absolute(), top=top, period_ns=period_ns, scope=scope,
        activity=activity.absolute(), clock=clock,
    )  # fmt: skip
    with work_folder("sta") as folder:
        printed = run_sta(script, folder, _POWER_LIMITS)
    if "{" not in printed:
        raise ToolError(f"OpenSTA reported no power of {top}: {printed[-300:]}")
    total = json.loads(printed[printed.index("{") :])["Total"]
    return {
        f"{part}_w": float(total[part]) for part in ("internal", "switching", "leakage", "total")
    }
