"""Arrival of the clock at the registers of a netlist that has a clock tree, and what that spoils.

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

_NONE_NS = 1e9  # a slack beyond is that of no path
_TINY_NS = 1e-4  # by which a slack may be below 0: what timing is rounded to
# Rising edges at clock pins of flip-flops; older versions call the command report_arrival.
_ARRIVALS = """
set sta_report_default_digits 5
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
set worst [worst_slack -min]
puts "WORST [expr {$worst / $unit}]"
if {$worst < -$tiny_ns * $unit} {
  foreach path [find_timing_paths -path_delay min -group_count 100000 -endpoint_count 1 \
      -slack_max [expr {-$tiny_ns * $unit}]] {
    set pin [get_property $path endpoint]
    puts "EARLY [get_property $pin full_name] [expr {[get_property $path slack] / $unit}]"
  }
}
"""
_SPARE = """
constrain [expr {$period_ns * $unit}]
foreach name $pins {
  set late [lindex [find_timing_paths -path_delay max -to [get_pins $name]] 0]
  set spare 1e9
  if {$late ne ""} { set spare [expr {[get_property $late slack] / $unit}] }
  puts "SPARE $name $spare"
}
"""


@dataclass(frozen=True, kw_only=True)
class ClockArrival(Facts):
    """Arrival of rising clock edges at flip-flops, after the edge at the port."""

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

    corner: str  # that it was checked at
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

    It is checked at the kit's fast corner, where the machine has it.

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

    def run(at: Kit, script: str) -> str:
        liberty = (at.mapping_liberty,)
        text = constraints(liberty, netlist, top, clock, spef, sdc, insertion_ns)
        return _run(f"{text}set period_ns {clock_ns}\nset tiny_ns {_TINY_NS}\n{script}", sdc)

    fast = kit.fast or kit
    printed = run(fast, _HOLD)
    worst = re.search(r"^WORST (\S+)$", printed, re.M)
    if worst is None:
        raise ToolError(f"OpenSTA did not check hold of {top}: {printed[-300:]}")
    early = re.findall(r"^EARLY (\S+) (\S+)$", printed, re.M)
    spare: dict[str, str] = {}
    if early:
        pins = " ".join(f"{{{pin}}}" for pin, _ in early)
        printed = run(kit, f"set pins {{{pins}}}\n{_SPARE}")
        spare = dict(re.findall(r"^SPARE (\S+) (\S+)$", printed, re.M))
    return Hold(
        corner=fast.corner,
        worst_slack_ns=None if abs(float(worst[1])) > _NONE_NS else round(float(worst[1]), 4),
        violations=tuple(
            HoldViolation(pin=pin, slack_ns=float(slack), set_up_slack_ns=float(spare[pin]))
            for pin, slack in early
        ),
    )


def _run(script: str, sdc: Sdc | None) -> str:
    with work_folder("sta") as folder:
        printed = run_sta(script, folder)
    if sdc is not None:
        check_sdc(sdc, printed)
    return printed
