"""Take cells out of a mapped netlist that a placement does without.

Mapping puts buffers behind what drives many cells, without knowing where these will lie or what
their wires will load; on a placement the repair of limits (:mod:`.repair`) adds those that are
needed, and stronger cells do the rest. Nor does mapping know that a flip-flop may have a second
output, with the complement of its state, which does what an inverter behind the first one does.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import Instance, Netlist

__all__ = ["without_spare_cells"]

_BUFFER, _INVERTER = (False, True), (True, False)  # results for inputs of 0 and of 1


def without_spare_cells(netlist: Netlist, cells: Mapping[str, Cell]) -> Netlist:
    """Return a netlist that does the same with fewer buffers, and fewer inverters at flip-flops.

    A buffer in front of an output port stays, as the port has a net of its own.

    Args:
        netlist: Flat.
        cells: Its library.
    """
    return _complemented(_unbuffered(netlist, cells), cells)


def _unbuffered(netlist: Netlist, cells: Mapping[str, Cell]) -> Netlist:
    ports = {net for _, nets in netlist.ports.values() for net in nets}
    before: dict[int, int] = {}  # nets behind buffers that go: the net in front of the buffer
    kept = []
    for instance in netlist.instances:
        ends = _ends(instance, cells[instance.cell], _BUFFER)
        if ends is None or ends[1] in ports:
            kept.append(instance)
        else:
            before[ends[1]] = ends[0]

    def driven(net: int) -> int:
        while net in before:
            net = before[net]
        return net

    return replace(
        netlist,
        names={name: driven(net) for name, net in netlist.names.items()},
        instances=[
            replace(each, pins={pin: driven(net) for pin, net in each.pins.items()})
            for each in kept
        ],
    )


def _complemented(netlist: Netlist, cells: Mapping[str, Cell]) -> Netlist:
    """Return a netlist in which flip-flops drive what inverters behind them drove."""
    used = Counter(net for each in netlist.instances for net in each.pins.values())
    used.update(net for _, nets in netlist.ports.values() for net in nets)
    inverters: dict[int, tuple[int, int]] = {}  # by the net in front: index, net behind
    for index, instance in enumerate(netlist.instances):
        if (ends := _ends(instance, cells[instance.cell], _INVERTER)) is not None:
            inverters.setdefault(ends[0], (index, ends[1]))
    gone: set[int] = set()
    changed: dict[int, Instance] = {}
    for index, instance in enumerate(netlist.instances):
        for one, other in _complements(cells[instance.cell]):
            net, free = instance.pins.get(one), instance.pins.get(other)
            if net in inverters and (free is None or used[free] == 1):
                inverter, behind = inverters[net]
                changed[index] = replace(instance, pins={**instance.pins, other: behind})
                gone.add(inverter)
    return replace(
        netlist,
        instances=[
            changed.get(index, each)
            for index, each in enumerate(netlist.instances)
            if index not in gone
        ],
    )


def _ends(instance: Instance, cell: Cell, function: tuple[bool, bool]) -> tuple[int, int] | None:
    """Return the nets before and behind a cell of one input and one output; None for another."""
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    inputs = [pin.name for pin in cell.pins.values() if pin.direction == "input"]
    if len(cell.pins) != 2 or len(outputs) != 1 or len(inputs) != 1 or cell.sequential:
        return None
    (output,) = outputs
    if output.function is None or output.three_state is not None:
        return None
    found = parse_function(output.function)
    if found.variables != (inputs[0],) or tuple(map(bool, found.table)) != function:
        return None
    before, after = (instance.pins.get(name) for name in (inputs[0], output.name))
    return None if before is None or after is None else (before, after)


def _complements(cell: Cell) -> list[tuple[str, str]]:
    """Return the pairs of outputs of a flip-flop of which each is the complement of the other."""
    if len(cell.sequential) != 1:
        return []
    (state,) = cell.sequential
    if state.kind != "ff" or state.width != 1 or (state.clear and state.preset):
        return []
    outputs = {pin.function: pin.name for pin in cell.pins.values() if pin.direction == "output"}
    if len(state.states) != 2 or not outputs.keys() >= set(state.states):
        return []
    one, other = (outputs[name] for name in state.states)
    return [(one, other), (other, one)]
