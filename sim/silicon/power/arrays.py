"""A netlist as arrays: the instances of one cell are computed at once.

Nets are numbered as in :mod:`consilico.sim.silicon.netlist.netlist`; an array of shape ``(nets,)``
holds a value for each of them. Pins that are left open get numbers of their own behind these.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.recording import Activity
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import HIGH, LOW, Instance, Netlist

__all__ = ["CellGroup", "NetActivity", "NetlistArrays", "arrange", "match", "net_activity"]

Nets = NDArray[np.int64]
Reals = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CellGroup:
    """All instances of one cell in a netlist."""

    cell: Cell
    instances: NDArray[np.int64]  # (instances,), indices into the netlist's list
    nets: dict[str, Nets]  # by pin, the net of each instance's pin, (instances,)


@dataclass(frozen=True, eq=False)
class NetlistArrays:
    """A netlist arranged by cell, with the loads of its nets."""

    netlist: Netlist
    groups: list[CellGroup]
    net_count: int  # nets of open pins included
    load_rise_f: Reals  # (nets,), capacitance of all pins on the net for a rise, and of its wire
    load_fall_f: Reals  # (nets,), the same for a fall

    @property
    def load_f(self) -> Reals:
        """Return the load of each net in F, the larger of rise and fall, shape ``(nets,)``."""
        return np.maximum(self.load_rise_f, self.load_fall_f)


@dataclass(frozen=True, eq=False)
class NetActivity:
    """Toggles of each net and the time it spends at 1, as arrays over the nets."""

    density: Reals  # (nets,), toggles per second
    duty: Reals  # (nets,), fraction of time at 1
    known: Bits  # (nets,); where false nothing was measured: density 0 and duty 0.5 stand in


def arrange(
    netlist: Netlist, cells: Mapping[str, Cell], wires_f: Mapping[str, float] | None = None
) -> NetlistArrays:
    """Group the instances of a netlist by cell, and sum up the loads of its nets.

    Args:
        netlist: The flat netlist.
        cells: Its cells by name.
        wires_f: Capacitance in F of the wires by name of the net; None: ideal wires.

    Raises:
        UserError: If a wire is of a net that is not in the netlist.
    """
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
        groups.append(CellGroup(cells[name], np.array(indices, dtype=np.int64), nets))
    rise, fall = np.zeros(count), np.zeros(count)
    for group in groups:
        for name, what in group.cell.pins.items():
            np.add.at(rise, group.nets[name], what.rise_capacitance_f)
            np.add.at(fall, group.nets[name], what.fall_capacitance_f)
    for name, farads in (wires_f or {}).items():
        net = netlist.names.get(name)
        if net is None:
            raise UserError(f"the netlist of {netlist.top} has no net {name!r} to give a wire to")
        rise[net] += farads
        fall[net] += farads
    return NetlistArrays(netlist, groups, count, rise, fall)


def match(arrays: NetlistArrays, signals: Mapping[str, int]) -> Nets:
    """Find the recorded signal that tells what each net does.

    A net takes the activity of a signal of its name, or else of a pin of an instance on it
    (``_123_/A``). Where the netlist is flatter than what was recorded, dots stand in its names for
    the instances and generate blocks that the signal is in.

    Args:
        arrays: The netlist.
        signals: Row of the recording by the signal's name.

    Returns:
        Row of each net, -1 where no signal tells of it, shape ``(nets,)``.

    Raises:
        UserError: If no name is that of a net or a pin.
    """
    netlist = arrays.netlist
    row = np.full(arrays.net_count, -1, dtype=np.int64)
    pins = _pin_nets(arrays)
    dotted = {
        name.replace(".", "/"): net
        for name, net in netlist.names.items()
        if "." in name and name.replace(".", "/") not in netlist.names
    }
    for table in (dotted, pins, netlist.names):  # the later one counts
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


def net_activity(activity: Activity, row: Nets, inverse: Bits) -> NetActivity:
    """Return the activity of each net.

    Constant nets are known. A net that no signal tells of stays unknown: density 0 (nothing is
    invented), duty 0.5 (leakage is the mean of the states).

    Args:
        activity: Recording of a simulation.
        row: Row of each net in it, from :func:`match`, shape ``(nets,)``.
        inverse: Tells which nets are the inverse of the signal in their row, shape ``(nets,)``.
    """
    known = row >= 0
    density = np.where(known, activity.density[row], 0.0)
    duty = np.where(known, np.where(inverse, 1 - activity.duty[row], activity.duty[row]), 0.5)
    for net, value in ((LOW, 0.0), (HIGH, 1.0)):
        density[net], duty[net], known[net] = 0.0, value, True
    return NetActivity(density, duty, known)


def _pin_nets(arrays: NetlistArrays) -> dict[str, int]:
    """Return the net of each pin by the pin's name, ``path/instance/pin``."""
    found: dict[str, int] = {}
    instances: list[Instance] = arrays.netlist.instances
    for group in arrays.groups:
        for pin, nets in group.nets.items():
            for index, net in zip(group.instances.tolist(), nets.tolist(), strict=True):
                found[f"{instances[index].name}/{pin}"] = net
    return found


def _other_name(name: str) -> str | None:
    """Return the other way to write a vector of one bit, ``a`` for ``a[0]`` and vice versa."""
    return name[:-3] if name.endswith("[0]") else None if name.endswith("]") else f"{name}[0]"
