"""Strengths of cells for their real loads: stronger where paths fail, weaker where there is slack.

OpenSTA judges every change, on the wires of a placement. Cells of one kind along the worst paths
become stronger as long as the slack that is missing in all gets less; those for which that made no
difference become weaker again. Then all cells that a more frugal one could replace are tried. A set
of cells is changed together, or else its halves are tried, so that a few hundred questions serve
thousands of cells. Clock nets are left to the clock tree.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.kits.kitfile import Wires
from consilico.sim.silicon.layout.driving import Nets
from consilico.sim.silicon.layout.limits import find_loads
from consilico.sim.silicon.layout.place import place_changes
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.spef import write_wired
from consilico.sim.silicon.layout.wires import NetWire, route
from consilico.sim.silicon.liberty.library import Cell, Library
from consilico.sim.silicon.liberty.strengths import Strengths
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.silicon.netlist.write import PlainNames
from consilico.sim.silicon.timing.opensta import constraints
from consilico.sim.silicon.timing.sdc import Sdc
from consilico.sim.silicon.timing.sta import run_sta

__all__ = ["Sized", "size"]

_ROUNDS = 3  # of sizing and placing what was sized, which moves cells a little
_EFFORT = 1_500_000  # cells whose delays OpenSTA may have to find anew in a round
_LEAST_TRIALS, _MOST_TRIALS = 200, 1500  # sets of cells that it judges in a round
_HEAVIER = 1.1  # inputs of a cell that is more frugal may be this much heavier
_NO_PATH_NS = 1e20  # OpenSTA's slack without a path is beyond it
_SPARE = 0.02  # of the period, for what cells that move and the skew of a clock tree will take

# `stronger`: by cell, the next larger one; `weaker`: moves: an instance, its cell and another one;
# `fixed`: instances that stay. Slacks are in ns.
_SIZE = """
proc worst {} { return [expr {[worst_slack] / $::unit}] }
proc lacking {} { return [expr {[total_negative_slack] / $::unit}] }
proc faster {} {
  set now [lacking]
  if {$now < $::lack + 1e-5} { return 0 }
  set ::lack $now
  return 1
}
proc harmless {} { return [expr {[lacking] >= $::lack - 1e-6}] }
proc enough {} { return [expr {[worst] >= $::least}] }
proc try {moves serves} {
  if {![llength $moves] || $::trials <= 0} { return 0 }
  incr ::trials -1
  foreach move $moves { replace_cell [lindex $move 0] [lindex $move 2] }
  if {[$serves]} {
    foreach move $moves {
      set name [lindex $move 0]
      if {![info exists ::first_cell($name)]} { set ::first_cell($name) [lindex $move 1] }
      set ::cell($name) [lindex $move 2]
    }
    return 1
  }
  foreach move $moves { replace_cell [lindex $move 0] [lindex $move 1] }
  if {[llength $moves] == 1} { return 0 }
  set half [expr {[llength $moves] / 2}]
  set one [try [lrange $moves 0 [expr {$half - 1}]] $serves]
  return [expr {[try [lrange $moves $half end] $serves] || $one}]
}
proc failing {} {
  array set found {}
  foreach path [find_timing_paths -path_delay max -group_count 50] {
    if {[get_property $path slack] >= 0} { continue }
    foreach point [get_property $path points] {
      set pin [get_property $point pin]
      set instance [get_cells -quiet -of_objects $pin]
      if {$instance eq "" || [get_property $pin direction] ne "output"} { continue }
      set name [get_property $instance full_name]
      set cell [get_property $instance ref_name]
      if {![info exists ::fixed($name)] && [info exists ::stronger($cell)]} {
        set found($name) [list $name $cell $::stronger($cell)]
      }
    }
  }
  set moves {}
  foreach name [lsort -dictionary [array names found]] { lappend moves $found($name) }
  return $moves
}
proc strengthen {} {
  set ::lack [lacking]
  while {[worst] < 0 && $::trials > 0} {
    array unset by_cell
    foreach move [failing] { lappend by_cell([lindex $move 1]) $move }
    set gained 0
    foreach cell [lsort [array names by_cell]] {
      if {[worst] < 0 && [try $by_cell($cell) faster]} { set gained 1 }
    }
    if {!$gained} { break }
  }
}
proc changed {} {
  set names {}
  foreach name [lsort -dictionary [array names ::cell]] {
    if {$::cell($name) ne $::first_cell($name)} { lappend names $name }
  }
  return $names
}
array set cell {}
constrain [expr {$first * $unit}]
puts "SLACK [worst]"
constrain [expr {$aim * $unit}]
set trials $most_stronger
strengthen
set lack [lacking]
set back {}
foreach name [changed] { lappend back [list $name $cell($name) $first_cell($name)] }
set trials $most_stronger
try $back harmless
set least [expr {min([worst], 0)}]
set trials $most_weaker
set rest {}
foreach move $weaker {
  if {![info exists cell([lindex $move 0])]} { lappend rest $move }
}
try $rest enough
foreach name [changed] { puts "CELL $name $cell($name)" }
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sized:
    """A laid-out netlist whose cells have the strengths that their loads and paths need."""

    placement: Placement
    wires: tuple[NetWire, ...]
    stronger: int  # replacements
    weaker: int
    slack_before_ns: float | None  # of the worst path, on wires; None: there is no path
    slack_ns: float | None


def size(
    placement: Placement,
    library: Library,
    wires: Wires,
    clock: str,
    clock_ns: float,
    sdc: Sdc | None = None,
) -> Sized:
    """Return a layout whose paths meet the clock, as far as strengths of cells can make them.

    Args:
        placement: Legal.
        library: Its cells, of which mapping may choose.
        wires: What a micrometer has.
        clock: Name of the clock port.
        clock_ns: Its period.
        sdc: Somebody's constraints; None: inputs and outputs at the clock's edge.

    Raises:
        UserError: If OpenSTA is not installed, or stronger cells do not fit onto the core.
        ToolError: If OpenSTA fails.
    """
    strengths = Strengths(library.cells)
    routed = route(placement, wires)
    before: float | None = None
    stronger = weaker = 0
    most = _EFFORT // max(placement.design.cells, 1)
    most = min(max(most, _LEAST_TRIALS), _MOST_TRIALS)
    for number in range(_ROUNDS + 1):  # the last one measures
        trials = (most if number < _ROUNDS else 0, 0 if number else _LEAST_TRIALS)
        found = _judge(placement, routed, library, wires, strengths, (clock, clock_ns, sdc), trials)
        if number == 0:
            before = found.slack_ns
        if not found.cells:
            break
        edit = NetlistEdit(placement.design.netlist, library.cells)
        for index, cell in found.cells.items():
            if strengths.energy_j(cell) > strengths.energy_j(edit.instance(index).cell):
                stronger += 1
            else:
                weaker += 1
            edit.resize(index, cell)
        placement = place_changes(placement, edit.done(), {})
        routed = route(placement, wires)
    return Sized(
        placement=placement,
        wires=routed,
        stronger=stronger,
        weaker=weaker,
        slack_before_ns=before,
        slack_ns=found.slack_ns,
    )


@dataclass(frozen=True, kw_only=True)
class _Judgement:
    slack_ns: float | None  # of the worst path before any replacement
    cells: dict[int, str]  # what instances become


def _judge(
    placement: Placement,
    routed: Sequence[NetWire],
    library: Library,
    wires: Wires,
    strengths: Strengths,
    timing: tuple[str, float, Sdc | None],
    trials: tuple[int, int],
) -> _Judgement:
    """Return what OpenSTA finds better of a layout.

    Args:
        placement: Legal.
        routed: Its wires.
        library: Its cells.
        wires: What a micrometer has.
        strengths: Cells that stand in for each other.
        timing: Clock port, its period in ns, and somebody's constraints.
        trials: Replacements by stronger and by weaker cells that are judged, at most.
    """
    clock, clock_ns, sdc = timing
    design = placement.design
    loads = find_loads(design, routed, library)
    names = PlainNames(design.netlist)
    nets = Nets(placement, loads, library, wires.signal, NetlistEdit(design.netlist, library.cells))
    fixed, weaker = [], []
    used = {instance.cell for instance in design.netlist.instances}
    for index, instance in enumerate(design.netlist.instances):
        cell = library.cells[instance.cell]
        if any(
            loads.ideal[net]
            for pin, net in instance.pins.items()
            if cell.pins[pin].direction != "input"
        ):
            fixed.append(names.instance[index])
        elif trials[1] and (other := _weaker(index, cell, nets, library, strengths)) is not None:
            weaker.append(f"{{{names.instance[index]} {cell.name} {other}}}")
    stronger = {
        name: other
        for name in sorted(used)
        if (other := _stronger(library.cells[name], library, strengths))
    }
    with work_folder("sizing") as folder:
        netlist, spef = write_wired(folder, design, routed, names)
        script = constraints(library.paths, netlist, design.netlist.top, clock, spef, sdc)
        script += "".join(f"set fixed({name}) 1\n" for name in fixed)
        script += "".join(f"set stronger({name}) {other}\n" for name, other in stronger.items())
        script += f"set weaker {{{' '.join(weaker)}}}\n"
        script += f"set first {clock_ns}\nset aim {(1 - _SPARE) * clock_ns}\n"
        script += "set most_stronger {}\nset most_weaker {}\n".format(*trials)
        printed = run_sta(script + _SIZE, folder)
    slack = re.search(r"^SLACK (\S+)$", printed, re.M)
    if slack is None:
        raise ToolError(f"OpenSTA found no slack of {design.netlist.top}: {printed[-300:]}")
    number = {name: index for index, name in enumerate(names.instance)}
    slack_ns = float(slack[1])
    return _Judgement(
        slack_ns=slack_ns if abs(slack_ns) < _NO_PATH_NS else None,
        cells={
            number[name]: cell for name, cell in re.findall(r"^CELL (\S+) (\S+)$", printed, re.M)
        },
    )


def _weaker(
    index: int, cell: Cell, nets: Nets, library: Library, strengths: Strengths
) -> str | None:
    """Return the most frugal cell that serves for an instance, no larger; None without one."""
    now_j, inputs_f = strengths.energy_j(cell.name), _inputs_f(cell)
    others = [
        (energy_j, name)
        for name in strengths.of(cell.name)
        if library.cells[name].area_um2 <= cell.area_um2
        and (energy_j := strengths.energy_j(name)) < now_j
    ]
    for _, name in sorted(others):
        other = library.cells[name]
        if _inputs_f(other) <= _HEAVIER * inputs_f and nets.serves(index, other):
            return name
    return None


def _inputs_f(cell: Cell) -> float:
    return sum(pin.capacitance_f for pin in cell.pins.values() if pin.direction == "input")


def _stronger(cell: Cell, library: Library, strengths: Strengths) -> str | None:
    """Return the next larger cell that stands in for a cell; None without one."""
    larger = [
        name for name in strengths.of(cell.name) if library.cells[name].area_um2 > cell.area_um2
    ]
    return larger[0] if larger else None
