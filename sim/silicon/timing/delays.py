"""Delays of a netlist's instances for its simulation: from OpenSTA through SDF.

With an ideal clock every cell and every wire of the clock network has delay 0, since edges arrive
everywhere at once; with the clock's own tree each has the delay that it has. A mixture of both
makes registers take data that their neighbors have only just launched.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.boolean import variable_names
from consilico.sim.silicon.liberty.cellmodels import NO_DELAYS, CellDelays, DelayArc
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import Instance, Netlist
from consilico.sim.silicon.timing.opensta import constraints
from consilico.sim.silicon.timing.sdc import Sdc
from consilico.sim.silicon.timing.sdf import Arc, Sdf, Span
from consilico.sim.silicon.timing.sta import run_sta

__all__ = ["clock_arrival_ps", "clock_network", "has_tree", "instance_delays", "write_sdf"]

_NO_WIRE = Span(0.0, 0.0)


def write_sdf(
    netlist: Path,
    top: str,
    kit: Kit,
    clock: str,
    clock_ns: float,
    sdf: Path,
    *,
    spef: Path | None = None,
    sdc: Sdc | None = None,
    propagated: bool = False,
) -> None:
    """Write the delays of a netlist's cells and wires, by OpenSTA.

    Args:
        netlist: Structural Verilog under plain names, see
            :class:`consilico.sim.silicon.netlist.write.PlainNames`.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port.
        clock_ns: Clock period.
        sdf: Where the file goes.
        spef: Resistances and capacitances of the wires; None: ideal wires.
        sdc: Somebody's constraints; None: those of :func:`constraints`.
        propagated: Whether the clock comes through its tree, with the slews of it; else its slews
            are 0.

    Raises:
        UserError: If OpenSTA is not installed.
        ToolError: If OpenSTA fails.
    """
    script = constraints((kit.mapping_liberty,), netlist, top, clock, spef, sdc)
    script += f"constrain [expr {{{clock_ns} * $unit}}]\n"
    if propagated:
        script += "set_propagated_clock [all_clocks]\n"
    # it prints nothing of its own
    script += f'write_sdf -digits 4 {{{sdf.absolute()}}}\nputs "written"\n'
    run_sta(script, sdf.parent)


def instance_delays(
    netlist: Netlist, cells: Mapping[str, Cell], sdf: Sdf, clock: str, *, propagated: bool
) -> list[CellDelays]:
    """Return the delays of every instance, in the order of the netlist.

    The delay of the wire to an input counts with the arcs from it; that to a pin of a flip-flop or
    of a latch by itself, as it decides what they take: data that hold only because its wire is
    long would be too early without it.

    Args:
        netlist: Flat.
        cells: Its library.
        sdf: Delays of its instances, by their names.
        clock: Name of the clock port.
        propagated: Whether the clock has a tree. Without one, the delays of the clock network are
            left out.

    Raises:
        UserError: If the file has an instance that the netlist lacks, or the other way round, a pin
            that its cell lacks, or a condition on one.
    """
    named = {instance.name: cells[instance.cell] for instance in netlist.instances}
    if strange := next((name for name in sdf.arcs if name not in named), None):
        raise UserError(f"{sdf.path} has an instance {strange!r}, which {netlist.top} has not")
    for name, arcs in sdf.arcs.items():
        _check_pins(sdf, name, named[name], arcs)
    passed, carried = clock_network(netlist, cells, clock)
    found = []
    for index, instance in enumerate(netlist.instances):
        arcs = sdf.arcs.get(instance.name, [])
        if not arcs and _has_arcs(cells[instance.cell]):
            raise UserError(f"{sdf.path} has no delays of the instance {instance.name!r}")
        wires_ps = {
            pin: _wire_ps(sdf, instance, pin)
            for pin, net in instance.pins.items()
            if propagated or net not in carried
        }
        if propagated or index not in passed:
            found.append(_cell_delays(cells[instance.cell], arcs, wires_ps))
        else:
            found.append(NO_DELAYS)
    return found


def _check_pins(sdf: Sdf, name: str, cell: Cell, arcs: list[Arc]) -> None:
    for arc in arcs:
        for pin in (arc.input, arc.output, *variable_names(arc.condition or "")):
            if pin not in cell.pins:
                raise UserError(f"{sdf.path}: {name} is a {cell.name}, which has no pin {pin!r}")


def _has_arcs(cell: Cell) -> bool:
    """Tell whether a cell has delays: not if its outputs are constant."""
    outputs = (pin for pin in cell.pins.values() if pin.direction == "output")
    return any(arc.cell_rise or arc.cell_fall for pin in outputs for arc in pin.timing)


def _wire_ps(sdf: Sdf, instance: Instance, pin: str) -> float:
    wire = sdf.wires.get(f"{instance.name}/{pin}", _NO_WIRE)
    return max(wire.rise_ps or 0.0, wire.fall_ps or 0.0)


def _cell_delays(cell: Cell, arcs: Sequence[Arc], wires_ps: Mapping[str, float]) -> CellDelays:
    """Return the delays of an instance, those of the wires to its inputs included."""
    clocks = {
        name
        for state in cell.sequential
        for name in variable_names(state.clocked_on or state.enable or "")
    }
    taken = dict.fromkeys(
        name
        for state in cell.sequential
        for name in variable_names(state.next_state or state.data_in or "")
        if name in cell.pins
    )
    if cell.clock_gate:
        clocks, taken = set(), {}
    return CellDelays(
        arcs=tuple(
            _arc(
                arc,
                0.0 if arc.input in clocks or arc.input in taken else wires_ps.get(arc.input, 0.0),
            )
            for arc in arcs
        ),
        clock_ps=round(max((wires_ps.get(name, 0.0) for name in clocks), default=0.0)),
        data_ps=tuple((name, ps) for name in taken if (ps := round(wires_ps.get(name, 0.0)))),
    )


def _arc(arc: Arc, late_ps: float) -> DelayArc:
    rise, fall = (
        None if delay is None else max(0, round(delay + late_ps))  # slow slews make some negative
        for delay in arc.delay
    )
    edge = {None: None, "posedge": arc.input, "negedge": f"!{arc.input}"}[arc.edge]
    condition = " & ".join(f"({each})" for each in (arc.condition, edge) if each) or None
    return DelayArc(arc.input, arc.output, rise, fall, condition)


def clock_network(
    netlist: Netlist, cells: Mapping[str, Cell], clock: str
) -> tuple[set[int], set[int]]:
    """Return the instances that the clock passes through, and the nets that carry it.

    Clock gates belong to them, and logic that the clock reaches, such as that of a latch's enable;
    flip-flops and latches end the clock network.

    Args:
        netlist: Flat.
        cells: Its library.
        clock: Name of the clock port; a netlist may have none.

    Returns:
        Indices of instances, and numbers of nets.
    """
    readers: dict[int, list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        cell = cells[instance.cell]
        if cell.sequential and not cell.clock_gate:
            continue
        for pin, net in instance.pins.items():
            role = cell.pins[pin].clock_gate_role
            if cell.pins[pin].direction == "input" and role not in ("enable", "test"):
                readers.setdefault(net, []).append(index)
    passed: set[int] = set()
    _, waiting = netlist.ports.get(clock, ("input", ()))
    carried = set(waiting)
    nets = list(waiting)
    while nets:
        for index in readers.get(nets.pop(), ()):
            if index in passed:
                continue
            passed.add(index)
            instance = netlist.instances[index]
            pins = cells[instance.cell].pins
            reached = [net for pin, net in instance.pins.items() if pins[pin].direction == "output"]
            carried.update(reached)
            nets += reached
    return passed, carried


def has_tree(netlist: Netlist, cells: Mapping[str, Cell], clock: str) -> bool:
    """Tell whether the clock passes through buffers or inverters, and so has a tree.

    Args:
        netlist: Flat.
        cells: Its library.
        clock: Name of the clock port.
    """
    passed, _ = clock_network(netlist, cells, clock)
    return any(
        sum(pin.direction == "input" for pin in cells[netlist.instances[index].cell].pins.values())
        == 1
        for index in passed
    )


def clock_arrival_ps(
    netlist: Netlist, cells: Mapping[str, Cell], delays: Sequence[CellDelays], clock: str
) -> int:
    """Return how long the clock takes to the last net of its network, by the longest arcs.

    Args:
        netlist: Flat.
        cells: Its library.
        delays: Of each instance, from :func:`instance_delays`.
        clock: Name of the clock port.
    """
    passed, carried = clock_network(netlist, cells, clock)
    _, roots = netlist.ports.get(clock, ("input", ()))
    arrival = dict.fromkeys(roots, 0)
    for _ in range(len(passed) + 1):  # as often as the longest chain, unless it is a loop
        moved = False
        for index in passed:
            pins = netlist.instances[index].pins
            for arc in delays[index].arcs:
                start, end = pins.get(arc.input, -1), pins.get(arc.output, -1)
                if start not in arrival or end not in carried:
                    continue
                late = arrival[start] + max(arc.rise_ps or 0, arc.fall_ps or 0)
                if late > arrival.get(end, -1):
                    arrival[end], moved = late, True
        if not moved:
            break
    return max(arrival.values(), default=0)
