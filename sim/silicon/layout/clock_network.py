"""The clock network of a flat netlist: nets that the clock reaches, through gates, and its ends.

A sink is the clock pin of a flip-flop, the enable of a latch, or the clock pin of a macro. Clock
gates and logic let the clock through: a latch whose enable is an AND of the clock and a decoded
address is a sink behind that AND. A net belongs to the network if the clock reaches it and it
reaches a sink.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import variable_names
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import Netlist

__all__ = ["ClockNetwork", "clock_network"]

PinOf = tuple[int, str]  # instance and pin


@dataclass(frozen=True, kw_only=True)
class ClockNetwork:
    """The nets that bring the clock to its sinks; the order is from the sinks to the clock port.

    A net comes after all nets that are behind it.
    """

    sinks: Mapping[int, tuple[PinOf, ...]]  # by net
    gates: Mapping[int, tuple[tuple[PinOf, tuple[int, ...]], ...]]  # by net: pin, nets behind it
    others: Mapping[int, tuple[PinOf, ...]]  # by net: inputs that lead to no sink

    @property
    def nets(self) -> tuple[int, ...]:
        """Return the nets, each after those behind it."""
        return tuple(self.sinks)

    @property
    def sink_count(self) -> int:
        """Return the number of sinks."""
        return sum(map(len, self.sinks.values()))


def clock_network(netlist: Netlist, cells: Mapping[str, Cell], clock: str) -> ClockNetwork:
    """Return the clock network of a netlist.

    Args:
        netlist: Flat.
        cells: Its library.
        clock: Name of the clock port. A netlist without it has an empty network.

    Raises:
        UserError: If logic that the clock passes is a loop.
    """
    found = ClockNetwork(sinks={}, gates={}, others={})
    if clock not in netlist.ports:
        return found
    readers: dict[int, list[PinOf]] = {}
    for index, instance in enumerate(netlist.instances):
        for pin, net in instance.pins.items():
            if cells[instance.cell].pins[pin].direction == "input":
                readers.setdefault(net, []).append((index, pin))
    reaches: dict[int, bool | None] = {}  # None: being looked at
    roles: dict[str, tuple[frozenset[str], Mapping[str, tuple[str, ...]]]] = {}

    def visit(net: int) -> Iterator[int]:
        """Look at a net once all nets behind it are known; yield those that are not."""
        reaches[net] = None
        sinks, gates, others = [], [], []
        for index, pin in readers.get(net, ()):
            instance = netlist.instances[index]
            if instance.cell not in roles:
                roles[instance.cell] = _roles(cells[instance.cell])
            ends, passes = roles[instance.cell]
            behind = [instance.pins[out] for out in passes.get(pin, ()) if out in instance.pins]
            for each in behind:
                if each not in reaches:
                    yield each
                elif reaches[each] is None:
                    raise UserError(f"{netlist.top}: the clock passes a loop at {instance.name}")
            behind = [each for each in behind if reaches[each]]
            if pin in ends:
                sinks.append((index, pin))
            elif behind:
                gates.append(((index, pin), tuple(behind)))
            else:
                others.append((index, pin))
        reaches[net] = bool(sinks or gates)
        if reaches[net]:
            found.sinks[net] = tuple(sinks)  # type: ignore[index]
            found.gates[net] = tuple(gates)  # type: ignore[index]
            found.others[net] = tuple(others)  # type: ignore[index]

    stack = [visit(net) for net in netlist.ports[clock][1]]
    while stack:
        deeper = next(stack[-1], None)
        if deeper is None:
            stack.pop()
        else:
            stack.append(visit(deeper))
    return found


def _roles(cell: Cell) -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
    """Return the pins of a cell at which the clock ends, and those that it passes to outputs."""
    outputs = tuple(pin.name for pin in cell.pins.values() if pin.direction == "output")
    if cell.clock_gate:
        clocks = [pin.name for pin in cell.pins.values() if pin.clock_gate_role == "clock"]
        return frozenset(), dict.fromkeys(clocks, outputs)
    if cell.sequential or cell.macro:
        ends = {pin.name for pin in cell.pins.values() if pin.clock}
        for state in cell.sequential:
            for text in (state.clocked_on, state.enable):
                ends |= set(variable_names(text)) if text else set()
        return frozenset(ends & cell.pins.keys()), {}
    return frozenset(), {
        pin.name: outputs for pin in cell.pins.values() if pin.direction == "input"
    }
