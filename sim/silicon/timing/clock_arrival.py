"""When the clock arrives at the registers of a netlist that has a clock tree, and what that spoils.

Hold is the race of new data against the edge that takes the old: data that leaves a register at an
edge must not reach another one before that has closed. It does not depend on the period. Inputs are
left out of it: how long after the edge they change is for what drives them to say.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import ToolError
from consilico.sim.base.facts import Facts
from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.timing.opensta import constraints
from consilico.sim.silicon.timing.sdc import Sdc, check_sdc
from consilico.sim.silicon.timing.sta import run_sta

__all__ = ["ClockArrival", "Hold", "HoldViolation", "clock_arrival", "hold"]

_TINY_NS = 1e-4  # by which a slack may be below 0: what timing is rounded to
# Rising edges at clock pins of flip-flops; older versions call the command report_arrival.
_ARRIVALS = """
constrain [expr {$period_ns * $unit}]
set report report_arrivals
if {![llength [info commands report_arrivals]]} { set report report_arrival }
foreach pin [all_registers -edge_triggered -clock_pins] {
  puts "PIN"
  $report $pin
}
puts "UNIT $unit"
"""
_HOLD = """
constrain [expr {$period_ns * $unit}]
if {[info exists inputs] && [llength $inputs]} { set_false_path -hold -from $inputs }
proc ns {time} {
  global unit
  return [expr {$time / $unit}]
}
set worst [worst_slack -min]
puts "WORST [ns $worst]"
if {$worst < -$tiny_ns * $unit} {
  set early {}
  foreach path [find_timing_paths -path_delay min -group_count 100000 -endpoint_count 1 \
      -slack_max [expr {-$tiny_ns * $unit}]] {
    lappend early [get_property $path endpoint] [ns [get_property $path slack]]
  }
  # only now: further paths take the place of those found before
  foreach {pin slack} $early {
    set late [lindex [find_timing_paths -path_delay max -to $pin] 0]
    set spare [expr {$late eq "" ? 1e9 : [ns [get_property $late slack]]}]
    puts "LATE [get_property $pin full_name] $slack $spare"
  }
}
"""


@dataclass(frozen=True, kw_only=True)
class ClockArrival(Facts):
    """When rising edges of the clock arrive at flip-flops, after the edge at the port."""

    insertion_delay_ns: float  # in the mean
    skew_ns: float  # between the first and the last


@dataclass(frozen=True, kw_only=True)
class HoldViolation:
    """An input of a register, or of a gate of the clock, that changes too early."""

    pin: str  # such as ``x12/D``
    slack_ns: float  # below 0
    set_up_slack_ns: float  # by how much its latest change could be later


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Outcome of the checks of hold."""

    worst_slack_ns: float | None  # None: nothing to check
    violations: tuple[HoldViolation, ...]


def clock_arrival(
    netlist: Path,
    top: str,
    kit: Kit,
    clock: str,
    clock_ns: float,
    spef: Path | None = None,
    sdc: Sdc | None = None,
) -> ClockArrival:
    """Return when the clock arrives at the flip-flops of a netlist, 0 where there are none.

    Args:
        netlist: Structural Verilog, with its clock tree.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port.
        clock_ns: Clock period.
        spef: Resistances and capacitances of its wires; None: ideal wires.
        sdc: Somebody's constraints; None: none but the clock.

    Raises:
        UserError: If OpenSTA is not installed, or the constraints do not fit the netlist.
        ToolError: If OpenSTA fails.
    """
    text = constraints((kit.mapping_liberty,), netlist, top, clock, spef, sdc, 0.0)
    printed = _run(text + f"set period_ns {clock_ns}\n" + _ARRIVALS, sdc)
    unit = re.search(r"^UNIT (\d+)$", printed, re.M)
    if unit is None:
        raise ToolError(f"OpenSTA reported no arrivals of {top}: {printed[-300:]}")
    # rising edges that come of a falling edge of the clock, behind an inverter, are half a period
    # late on purpose
    times = [
        float(found[2]) / int(unit[1]) - (clock_ns / 2 if found[1] == "v" else 0.0)
        for found in re.finditer(r"\(\S+ (\^|v)\) r [^\s:]+:([-\d.e]+) ", printed)
    ]
    if not times:
        return ClockArrival(insertion_delay_ns=0.0, skew_ns=0.0)
    return ClockArrival(
        insertion_delay_ns=round(sum(times) / len(times), 4),
        skew_ns=round(max(times) - min(times), 4),
    )


def hold(
    netlist: Path,
    top: str,
    kit: Kit,
    clock: str,
    clock_ns: float,
    insertion_ns: float,
    spef: Path | None = None,
    sdc: Sdc | None = None,
) -> Hold:
    """Check hold at registers and at gates of the clock, with the clock's own delays.

    Args:
        netlist: Structural Verilog, with its clock tree.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port.
        clock_ns: Clock period, which the slack of set-up is at.
        insertion_ns: Delay of the clock tree.
        spef: Resistances and capacitances of its wires; None: ideal wires.
        sdc: Somebody's constraints; what they say of inputs counts.

    Raises:
        UserError: If OpenSTA is not installed, or the constraints do not fit the netlist.
        ToolError: If OpenSTA fails.
    """
    liberty = (kit.mapping_liberty,)
    text = constraints(liberty, netlist, top, clock, spef, sdc, insertion_ns)
    printed = _run(text + f"set period_ns {clock_ns}\nset tiny_ns {_TINY_NS}\n" + _HOLD, sdc)
    worst = re.search(r"^WORST (\S+)$", printed, re.M)
    if worst is None:
        raise ToolError(f"OpenSTA did not check hold of {top}: {printed[-300:]}")
    return Hold(
        worst_slack_ns=None if abs(float(worst[1])) > 1e9 else round(float(worst[1]), 4),
        violations=tuple(
            HoldViolation(pin=found[1], slack_ns=float(found[2]), set_up_slack_ns=float(found[3]))
            for found in re.finditer(r"^LATE (\S+) (\S+) (\S+)$", printed, re.M)
        ),
    )


def _run(script: str, sdc: Sdc | None) -> str:
    with work_folder("sta") as folder:
        printed = run_sta(script, folder)
    if sdc is not None:
        check_sdc(sdc, printed)
    return printed
