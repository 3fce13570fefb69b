"""Hold after the clock tree: where data is too early, buffers delay it until it is not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.clock_buffers import ClockBuffer, buffer_cells
from consilico.sim.silicon.layout.clock_tree import ClockTree
from consilico.sim.silicon.layout.place import place_changes
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.spef import write_wired
from consilico.sim.silicon.layout.wires import route
from consilico.sim.silicon.liberty.strengths import Strengths
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.silicon.netlist.write import PlainNames
from consilico.sim.silicon.timing.clock_arrival import (
    ClockArrival,
    Hold,
    HoldViolation,
    clock_arrival,
    hold,
)
from consilico.sim.silicon.timing.sdc import Sdc

__all__ = ["HoldClosed", "close_hold", "delayed"]

_ROUNDS = 10
_MORE = 1.2  # delay that is added for each that is missing: wires and neighbors move a little
_LATER = 1.5  # a buffer's delay where it is slow, over its least one: what set-up has to spare
_LEAST_NS = 0.002  # that is added


@dataclass(frozen=True, kw_only=True, eq=False)
class HoldClosed:
    """A clock tree after the repair of hold."""

    tree: ClockTree
    arrival: ClockArrival
    hold: Hold  # what is left of it
    buffers: int  # that were added


def close_hold(
    tree: ClockTree, kit: Kit, clock: str, clock_ns: float, sdc: Sdc | None = None
) -> HoldClosed:
    """Check hold with the delays of a clock tree, and repair it as far as set-up allows.

    Args:
        tree: Placed.
        kit: Process kit of its cells, with wires.
        clock: Name of the clock port.
        clock_ns: Clock period, which paths must not become longer than.
        sdc: Somebody's constraints.

    Raises:
        UserError: If OpenSTA is not installed, the constraints do not fit, or buffers do not fit
            onto the core.
        ToolError: If OpenSTA fails.
    """
    cells = len(tree.placement.design.netlist.instances)
    arrival, found = _checked(tree, kit, clock, clock_ns, sdc)
    for _ in range(_ROUNDS):
        placement = delayed(tree.placement, found.violations)
        if placement is None:
            break
        tree = replace(tree, placement=placement)
        arrival, found = _checked(tree, kit, clock, clock_ns, sdc)
    added = len(tree.placement.design.netlist.instances) - cells
    return HoldClosed(tree=tree, arrival=arrival, hold=found, buffers=added)


def _checked(
    tree: ClockTree, kit: Kit, clock: str, clock_ns: float, sdc: Sdc | None
) -> tuple[ClockArrival, Hold]:
    assert kit.wires is not None
    design = tree.placement.design
    top, names = design.netlist.top, PlainNames(design.netlist)
    with work_folder("hold") as folder:
        wires = route(tree.placement, kit.wires, tree.nets)
        netlist, spef = write_wired(folder, design, wires, names)
        arrival = clock_arrival(netlist, top, kit, clock, clock_ns, spef, sdc)
        late_ns = arrival.insertion_delay_ns
        return arrival, hold(netlist, top, kit, clock, clock_ns, late_ns, spef, sdc)


def delayed(placement: Placement, violations: Sequence[HoldViolation]) -> Placement | None:
    """Return a placement with buffers in front of pins whose data comes too early.

    Pins of one net share their buffers. A pin whose path has not so much time to spare is left.

    Args:
        placement: Legal.
        violations: By plain names of the placement's netlist.

    Returns:
        A legal placement; None where nothing was or could be added.

    Raises:
        UserError: If the buffers do not fit onto the core.
    """
    design = placement.design
    netlist, cells = design.netlist, design.library
    number = {name: index for index, name in enumerate(PlainNames(netlist).instance)}
    by_net: dict[int, list[tuple[int, str, HoldViolation]]] = {}
    for each in violations:
        instance, _, pin = each.pin.rpartition("/")
        if instance in number:
            index = number[instance]
            by_net.setdefault(netlist.instances[index].pins[pin], []).append((index, pin, each))
    edit, points_um = NetlistEdit(netlist, cells), dict[int, tuple[float, float]]()
    buffers = buffer_cells(Strengths(cells), cells)
    for net, pins in by_net.items():
        load_f = sum(cells[netlist.instances[i].cell].pins[p].capacitance_f for i, p, _ in pins)
        missing_ns = _MORE * -min(each.slack_ns for _, _, each in pins) + _LEAST_NS
        spare_ns = min(each.set_up_slack_ns for _, _, each in pins)
        chain = _chain(buffers, load_f, missing_ns, spare_ns)
        if chain is None:
            continue
        where = np.mean([_middle(placement, index) for index, _, _ in pins], axis=0)
        module = netlist.instances[pins[0][0]].module
        path = f"{module}/hold" if module else "hold"
        before = net
        for buffer in chain:
            after = edit.net(f"{path}_net")
            added = edit.add(buffer.cell.name, path, {buffer.input: before, buffer.output: after})
            points_um[added] = float(where[0]), float(where[1])
            before = after
        for index, pin, _ in pins:
            edit.reconnect(index, pin, before)
    return place_changes(placement, edit.done(), points_um) if points_um else None


def _chain(
    buffers: Sequence[ClockBuffer], load_f: float, missing_ns: float, spare_ns: float
) -> list[ClockBuffer] | None:
    """Return equal buffers that delay long enough with the least area; None if none may."""
    best: list[ClockBuffer] | None = None
    for buffer in buffers:
        last_ns = buffer.least_delay_s(load_f) * 1e9
        each_ns = buffer.least_delay_s(buffer.input_f) * 1e9
        count = 1 + max(0, math.ceil((missing_ns - last_ns) / each_ns))
        if load_f > buffer.most_f or _LATER * (last_ns + (count - 1) * each_ns) > spare_ns:
            continue
        chain = [buffer] * count
        if best is None or _area_um2(chain) < _area_um2(best):
            best = chain
    return best


def _area_um2(chain: Sequence[ClockBuffer]) -> float:
    return sum(each.cell.area_um2 for each in chain)


def _middle(placement: Placement, index: int) -> tuple[float, float]:
    x = placement.x_um[index] + placement.design.widths_um[index] / 2
    return float(x), float(placement.y_um[index] + placement.core.row_um / 2)
