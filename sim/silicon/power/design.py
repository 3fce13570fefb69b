"""A netlist in arrays: instances of one cell side by side, so that all are computed at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.activity import Activity
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import HIGH, LOW, Instance, Netlist

__all__ = ["Design", "Group", "Traffic", "arrange", "match", "traffic"]

Nets = NDArray[np.int64]
Reals = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Group:
    """All instances of one cell."""

    cell: Cell
    instances: NDArray[np.int64]  # (instances,), indices into the netlist's list
    nets: dict[str, Nets]  # by pin, (instances,); open pins have nets of their own


@dataclass(frozen=True, eq=False)
class Design:
    """A netlist and its cells, arranged by cell, with the loads of its nets."""

    netlist: Netlist
    groups: list[Group]
    net_count: int  # open pins counted
    load_rise_f: Reals  # (nets,), all pins on the net, ideal wires
    load_fall_f: Reals

    @property
    def load_f(self) -> Reals:
        """Load of each net, the larger of rise and fall, shape ``(nets,)``."""
        return np.maximum(self.load_rise_f, self.load_fall_f)


@dataclass(frozen=True, eq=False)
class Traffic:
    """What each net does."""

    density: Reals  # (nets,), toggles a second
    duty: Reals  # (nets,), fraction of time at 1
    known: Bits  # (nets,), false: not measured, density 0 and duty 0.5 are stand-ins


def arrange(netlist: Netlist, cells: Mapping[str, Cell]) -> Design:
    """Group the instances of a netlist by cell and sum up the loads of the nets."""
    by_cell: dict[str, list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        by_cell.setdefault(instance.cell, []).append(index)
    groups = []
    count = netlist.net_count
    for name, indices in by_cell.items():
        nets: dict[str, Nets] = {}
        for pin in cells[name].pins:
            column = np.array(
                [netlist.instances[index].pins.get(pin, -1) for index in indices], dtype=np.int64
            )
            left_open = np.flatnonzero(column < 0)
            column[left_open] = count + np.arange(len(left_open))
            count += len(left_open)
            nets[pin] = column
        groups.append(Group(cells[name], np.array(indices, dtype=np.int64), nets))
    rise, fall = np.zeros(count), np.zeros(count)
    for group in groups:
        for name, what in group.cell.pins.items():
            np.add.at(rise, group.nets[name], what.rise_capacitance_f)
            np.add.at(fall, group.nets[name], what.fall_capacitance_f)
    return Design(netlist, groups, count, rise, fall)


def match(design: Design, signals: Mapping[str, int]) -> Nets:
    """Row of the activity that tells what each net does, -1 where there is none.

    A net takes the activity of a signal of its name, or else of a pin of an instance on it
    (``_123_/A``).

    Args:
        design: The netlist.
        signals: Rows by name.

    Returns:
        Shape ``(nets,)``.

    Raises:
        UserError: If no name is that of a net or a pin.
    """
    netlist = design.netlist
    row = np.full(design.net_count, -1, dtype=np.int64)
    pins = _pin_nets(design)
    for table in (pins, netlist.names):  # the later one counts
        for name, signal in signals.items():
            net = table.get(name, -1)
            if net < 0 and (other := _other_name(name)) is not None:
                net = table.get(other, -1)
            if net >= 0:
                row[net] = signal
    if (row < 0).all():
        raise UserError(
            "the activity and the netlist have no net in common: is this the scope of its top "
            f"module {netlist.top!r}?"
        )
    return row


def traffic(activity: Activity, row: Nets, inverse: Bits) -> Traffic:
    """What each net does.

    Constant nets are known. What is found nowhere stays unknown: density 0 (nothing is invented),
    duty 0.5 (leakage is the mean of the states).

    Args:
        activity: Of a simulation.
        row: From :func:`match`, shape ``(nets,)``.
        inverse: Nets that are the inverse of the signal in their row, shape ``(nets,)``.
    """
    known = row >= 0
    density = np.where(known, activity.density[row], 0.0)
    duty = np.where(known, np.where(inverse, 1 - activity.duty[row], activity.duty[row]), 0.5)
    for net, value in ((LOW, 0.0), (HIGH, 1.0)):
        density[net], duty[net], known[net] = 0.0, value, True
    return Traffic(density, duty, known)


def _pin_nets(design: Design) -> dict[str, int]:
    """Net by instance and pin, ``path/instance/pin``."""
    found: dict[str, int] = {}
    instances: list[Instance] = design.netlist.instances
    for group in design.groups:
        for pin, nets in group.nets.items():
            for index, net in zip(group.instances.tolist(), nets.tolist(), strict=True):
                found[f"{instances[index].name}/{pin}"] = net
    return found


def _other_name(name: str) -> str | None:
    """The other way to write a vector of one bit: ``a`` and ``a[0]``."""
    return name[:-3] if name.endswith("[0]") else None if name.endswith("]") else f"{name}[0]"
