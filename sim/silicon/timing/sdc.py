"""SDC: constraints on timing, written for other tools and read from them.

An SDC file is a Tcl program. It is run in a safe interpreter of OpenSTA's that knows Tcl and the
commands of SDC, but neither files nor programs. Times are in the unit of the kit's libraries, which
is how every SDC tool reads them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.base.processes import Limits, work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.syntax import open_library
from consilico.sim.silicon.timing.clock_times import check_ns
from consilico.sim.silicon.timing.sta import run_sta

__all__ = ["Sdc", "check_sdc", "own_constraints", "read_sdc", "time_unit", "write_sdc"]

_MOST_BYTES = 16 << 20
_CLOCK_NAME = "clk"
_FAILED = r"SDC FAILED (?:(?:Error|Warning): )?(?:\S+, \d+ )?(.*)"  # without the script's own line
_LIMITS = Limits(wall_s=120, cpu_s=5)
_UNITS = {"1ps": ("ps", 1e-3), "1ns": ("ns", 1.0)}  # of Liberty: name, and length in ns

# Runs the text command by command, so that what fails has a line. `target` says what a command of
# SDC does: itself with a netlist, nothing without one, where only the clock is looked for.
_BOX = r"""
set box [interp create -safe]
set clock_name ""
set clocks 0
proc sdc_target {command} { TARGET }
proc sdc_nothing {args} {}
proc sdc_ports {args} { return [lindex $args end] }
proc sdc_inputs {args} {
  set found {}
  foreach port [all_inputs] {
    if {"-no_clocks" ni $args || [get_property $port full_name] ne $::clock_port} {
      lappend found $port
    }
  }
  return $found
}
proc sdc_clock {args} {
  global clocks clock_name clock_period clock_waveform clock_port
  incr clocks
  set plain {}
  set values {}
  for {set at 0} {$at < [llength $args]} {incr at} {
    set word [lindex $args $at]
    if {$word in {-name -period -waveform -comment}} {
      dict set values $word [lindex $args [incr at]]
    } elseif {$word ne "-add"} {
      lappend plain {*}$word
    }
  }
  if {[llength $plain] != 1} { error "accepted: a clock on one port" }
  if {![dict exists $values -period]} { error "create_clock without -period" }
  set clock_period [dict get $values -period]
  if {![string is double -strict $clock_period] || $clock_period <= 0} {
    error "the period must be above 0, not $clock_period"
  }
  set clock_port [lindex $plain 0]
  if {[llength [info commands get_property]] && [string match _*_p_* $clock_port]} {
    set clock_port [get_property $clock_port full_name]
  }
  set clock_name $clock_port
  if {[dict exists $values -name]} { set clock_name [dict get $values -name] }
  set clock_waveform [list 0 [expr {$clock_period / 2.0}]]
  if {[dict exists $values -waveform]} { set clock_waveform [dict get $values -waveform] }
  [sdc_target create_clock] {*}$args
}
proc sdc_units {args} {
  foreach {key value} $args {
    if {$key eq "-time" && [string trimleft $value 1] ne "UNIT"} {
      error "times in $value; accepted: UNIT, the unit of the kit's libraries"
    }
  }
}
foreach pattern {set_* get_* all_* create_generated_clock group_path current_*} {
  foreach command [info commands $pattern] { $box alias $command [sdc_target $command] }
}
foreach command {set_cmd_units set_delay_calculator} { $box alias $command {} }
$box alias all_inputs [sdc_target sdc_inputs]
$box alias get_ports [sdc_target get_ports]
$box alias create_clock sdc_clock
$box alias set_units sdc_units
$box alias puts sdc_nothing
set number 0
set start 1
set command ""
foreach line [split "TEXT" "\n"] {
  incr number
  append command $line "\n"
  if {[info complete $command]} {
    puts "SDC $start"
    sta::redirect_string_begin
    set failed [catch {$box eval $command} message]
    set said [string trim [sta::redirect_string_end]]
    if {$failed || $said ne ""} {
      if {$said eq ""} { set said $message }
      puts "SDC FAILED [lindex [split $said "\n"] 0]"
      if {$strict} { exit }
    }
    set command ""
    set start [expr {$number + 1}]
  }
}
if {[string trim $command] ne ""} { puts "SDC $start\nSDC FAILED the command does not end" }
puts "SDC END"
"""
_STRICT = """set strict 1
set clock_port ""
"""
_CONSTRAIN = """
proc constrain {period} {
  global clock_name clock_period clock_waveform clock_port
  set edges {}
  foreach edge $clock_waveform { lappend edges [expr {$edge * $period / $clock_period}] }
  create_clock -name $clock_name -period $period -waveform $edges [get_ports $clock_port]
}
"""
_LOOKING = "if {$command eq {get_ports}} { return sdc_ports }; return sdc_nothing"
_LOOK = """set strict 0
set clock_port ""
set clock_period ""
"""
_SHOW = """
puts "CLOCKS $clocks"
if {$clock_name ne ""} { puts "CLOCK $clock_port $clock_period" }
"""


@dataclass(frozen=True, kw_only=True)
class Sdc:
    """Somebody's constraints, with the clock that they define."""

    path: Path
    text: str
    unit: str  # of its times, as "ns"
    clock: str  # port
    clock_ns: float


def read_sdc(path: Path, kit: Kit) -> Sdc:
    """Read constraints, as far as they can be understood without a netlist: one clock on a port.

    Args:
        path: SDC file, with times in the unit of the kit's libraries.
        kit: The process kit.

    Raises:
        UserError: If the file cannot be read, or does not define one clock on a port.
    """
    text = read_input_text(path, "SDC file", limit_bytes=_MOST_BYTES)
    unit, unit_ns = time_unit(kit)
    with work_folder("sdc") as folder:
        try:
            printed = run_sta(_LOOK + _boxed(text, unit, _LOOKING) + _SHOW, folder, _LIMITS)
        except ToolError as error:
            raise UserError(f"cannot read the SDC file {path}: {error}") from error
    count = re.search(r"^CLOCKS (\d+)$", printed, re.M)
    clock = re.search(r"^CLOCK (\S+) (\S+)$", printed, re.M)
    if count is None or clock is None or int(count[1]) != 1:
        if failed := re.search(rf"^SDC (\d+)\n{_FAILED}", printed, re.M):
            raise UserError(f"{path}, line {failed[1]}: {failed[2]}")
        found = "no clock" if count is None or count[1] == "0" else f"{count[1]} clocks"
        raise UserError(f"{path} defines {found}; accepted: one create_clock on a port")
    clock_ns = round(float(clock[2]) * unit_ns, 9)
    check_ns(f"the period in {path}", clock_ns)
    return Sdc(path=path, text=text, unit=unit, clock=clock[1], clock_ns=clock_ns)


def own_constraints(sdc: Sdc) -> str:
    """Return Tcl for OpenSTA that loads somebody's constraints for the netlist that is linked.

    It defines ``constrain``, which sets another period: the edges of the clock go with it, all
    other times stay as they are. What :func:`run_sta` prints is for :func:`check_sdc`.
    """
    return _STRICT + _boxed(sdc.text, sdc.unit, "return $command") + _CONSTRAIN


def check_sdc(sdc: Sdc, printed: str) -> None:
    """Refuse constraints that do not fit a netlist, by what OpenSTA printed of them.

    What the netlist does not have is an error: a constraint that is passed over would go unseen.

    Raises:
        UserError: If a command failed, or warned.
    """
    line = "1"
    for each in printed.splitlines():
        if found := re.fullmatch(r"SDC (\d+)", each):
            line = found[1]
        elif each == "SDC END":
            return
        elif found := re.match(_FAILED, each):
            raise UserError(f"{sdc.path}, line {line}: {found[1]}")
    raise UserError(f"{sdc.path}, line {line}: the file ends OpenSTA")


def _boxed(text: str, unit: str, target: str) -> str:
    quoted = re.sub(r'([\\"$\[])', r"\\\1", text)
    return _BOX.replace("TARGET", target).replace("UNIT", unit).replace("TEXT", quoted)


def time_unit(kit: Kit) -> tuple[str, float]:
    """Return the unit of times of a kit's libraries, and its length in ns."""
    _, library = open_library(kit.mapping_liberty)
    unit = library.attributes.get("time_unit", "1ns")
    if unit not in _UNITS:
        raise UserError(
            f"process kit {kit.name}: for SDC, time_unit must be {' or '.join(_UNITS)}, not {unit}"
        )
    return _UNITS[unit]


def write_sdc(
    top: str,
    ports: Sequence[tuple[str, str, int]],
    clock: str,
    clock_ns: float,
    kit: Kit,
    insertion_ns: float | None = None,
) -> str:
    """Return the constraints that paths are measured with: inputs come and outputs are due at once.

    With a clock tree that is when the clock arrives at the registers, as those outside are behind
    the same tree.

    Args:
        top: Name of the module.
        ports: Name, direction and width of each port.
        clock: Name of the clock port; a module without it gets a clock that is on no port.
        clock_ns: Its period.
        kit: Process kit, whose unit times are written in.
        insertion_ns: Delay of the clock's tree; None: the clock is ideal.
    """
    unit, unit_ns = time_unit(kit)
    period = f"{clock_ns / unit_ns:.10g}"
    on_port = f" [get_ports {clock}]" if any(name == clock for name, _, _ in ports) else ""
    lines = [
        f"# Times in {unit}, the unit of the libraries of {kit.name}.",
        f"current_design {top}",
        f"create_clock -name {_CLOCK_NAME} -period {period}{on_port}",
    ]
    late = (insertion_ns or 0.0) / unit_ns
    for way, command in (("input", "set_input_delay"), ("output", "set_output_delay")):
        delay = f"{late if way == 'input' else -late or 0:.10g}"
        names = [
            name if width == 1 else f"{name}[*]"
            for name, direction, width in ports
            if direction == way and name != clock
        ]
        if names:
            at = f"[get_ports {{{' '.join(names)}}}]"
            lines.append(f"{command} {delay} -clock {_CLOCK_NAME} {at}")
    if insertion_ns is not None:
        lines.append(f"set_propagated_clock [get_clocks {_CLOCK_NAME}]")
    return "\n".join([*lines, ""])
