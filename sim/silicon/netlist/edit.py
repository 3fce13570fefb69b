"""Changes to a flat netlist: cells of another strength, new cells and nets, pins elsewhere."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import Instance, Netlist
from consilico.sim.silicon.netlist.syntax import CONSTANTS

__all__ = ["NetlistEdit"]


class NetlistEdit:
    """A netlist that is being changed; the one that it starts from stays as it is.

    Nets and instances keep their numbers, and new ones follow them, so that what is known by
    number of the old netlist (places, loads) holds for the new one, too. Ports stay on their nets:
    a cell in front of an output port drives the port's net, and the old driver gets a new one.

    Args:
        netlist: What to start from.
        cells: Library of its cells and of those that are added.
    """

    def __init__(self, netlist: Netlist, cells: Mapping[str, Cell]) -> None:
        self._start = netlist
        self._cells = cells
        self._names = dict(netlist.names)
        self._net_count = netlist.net_count
        self._instances = list(netlist.instances)
        self._taken = {instance.name for instance in netlist.instances}

    def instance(self, index: int) -> Instance:
        """Return an instance as it is by now; its pins must not be changed in place."""
        return self._instances[index]

    def net(self, name: str) -> int:
        """Return a new net, called ``name`` or, where that is taken, ``name_1`` and so on."""
        number = self._net_count
        self._net_count += 1
        self._names[_unused(name, self._names)] = number
        return number

    def add(self, cell: str, name: str, pins: Mapping[str, int]) -> int:
        """Add an instance and return its index.

        Args:
            cell: Name of its cell.
            name: Its path, such as ``block/hold_3``; numbered where it is taken.
            pins: Nets by pin; outputs may be left open.

        Raises:
            ValueError: If the library has no such cell, the cell no such pin, or an input is left
                open.
        """
        if cell not in self._cells:
            raise ValueError(f"the library has no cell {cell!r}")
        known = self._cells[cell].pins
        for pin, net in pins.items():
            self._check(cell, pin, net)
        if missing := [
            pin.name for pin in known.values() if pin.direction == "input" and pin.name not in pins
        ]:
            raise ValueError(f"input {missing[0]} of a new {cell} is left open")
        path = _unused(name, self._taken)
        self._taken.add(path)
        self._instances.append(
            Instance(name=path, module=path.rpartition("/")[0], cell=cell, pins=dict(pins))
        )
        return len(self._instances) - 1

    def resize(self, index: int, cell: str) -> None:
        """Make an instance one of another cell that has the same function and the same pins.

        Raises:
            ValueError: If the library has no such cell, or its pins are others.
        """
        old = self._instances[index]
        if cell not in self._cells:
            raise ValueError(f"the library has no cell {cell!r}")
        was, becomes = (_directions(self._cells[each]) for each in (old.cell, cell))
        if was != becomes:
            raise ValueError(f"{cell} has not the pins of {old.cell}")
        self._instances[index] = replace(old, cell=cell)

    def reconnect(self, index: int, pin: str, net: int) -> None:
        """Put a pin of an instance on another net.

        Raises:
            ValueError: If the cell has no such pin, or there is no such net.
        """
        old = self._instances[index]
        self._check(old.cell, pin, net)
        self._instances[index] = replace(old, pins={**old.pins, pin: net})

    def done(self) -> Netlist:
        """Return the netlist with all changes made so far.

        Raises:
            ValueError: If the changes left a net without a driver that had one or that is new, or
                gave it a further one.
        """
        before = self._drivers(self._start.instances)
        after = self._drivers(self._instances)
        used = {net for instance in self._instances for net in instance.pins.values()}
        used |= {net for _, nets in self._start.ports.values() for net in nets}
        for net in sorted(used):
            old, new = before[net], after[net]
            if new == (1 if net >= self._start.net_count else old):
                continue
            name = next((name for name, number in self._names.items() if number == net), str(net))
            raise ValueError(f"net {name} has {new} drivers after the changes and {old} before")
        return replace(
            self._start,
            net_count=self._net_count,
            names=dict(self._names),
            instances=list(self._instances),
        )

    def _drivers(self, instances: list[Instance]) -> Counter[int]:
        found: Counter[int] = Counter(CONSTANTS.values())
        for direction, nets in self._start.ports.values():
            if direction == "input":
                found.update(nets)
        for instance in instances:
            pins = self._cells[instance.cell].pins
            found.update(n for pin, n in instance.pins.items() if pins[pin].direction == "output")
        return found

    def _check(self, cell: str, pin: str, net: int) -> None:
        if pin not in self._cells[cell].pins:
            raise ValueError(f"cell {cell} has no pin {pin!r}")
        if not 0 <= net < self._net_count:
            raise ValueError(f"there is no net {net}")


def _directions(cell: Cell) -> dict[str, str]:
    return {name: pin.direction for name, pin in cell.pins.items()}


def _unused(name: str, taken: Mapping[str, int] | set[str]) -> str:
    number, unused = 0, name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused
