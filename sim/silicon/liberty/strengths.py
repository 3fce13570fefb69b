"""Cells that do the same through the same pins, and differ in strength: found from Liberty."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Pin, Table

__all__ = ["Strengths"]


class Strengths:
    """The cells of a library, grouped by what they do.

    Names say nothing here: two cells are of one group if their pins have the same names,
    directions and functions, and what they store follows from the same expressions.

    Args:
        cells: Cells that may be chosen; those marked as not to be used, macros and pads are not.
    """

    def __init__(self, cells: Mapping[str, Cell]) -> None:
        self._cells = cells
        self._energies: dict[str, float] = {}

    @cached_property
    def _groups(self) -> dict[object, tuple[str, ...]]:
        groups: dict[object, list[Cell]] = {}
        for cell in self._cells.values():
            if not (cell.dont_use or cell.macro or cell.pad) and cell.area_um2 > 0:
                groups.setdefault(_signature(cell), []).append(cell)
        return {
            signature: tuple(cell.name for cell in sorted(group, key=_size))
            for signature, group in groups.items()
        }

    def of(self, name: str) -> tuple[str, ...]:
        """Return the names of all cells that can stand in for a cell, the smallest first.

        The cell itself is one of them, unless it is not to be used.
        """
        return self._groups.get(_signature(self._cells[name]), ())

    def energy_j(self, name: str) -> float:
        """Return about what a toggle of a cell costs, to compare cells of one group.

        It is the sum over the pins of the mean internal energy and of what charges the inputs, for
        a load of four inputs of the group's smallest cell and a slew in the middle of the tables.
        """
        if name not in self._energies:
            group = self.of(name) or (name,)
            inputs = _input_capacitances_f(self._cells[group[0]])
            load_f = 4 * sum(inputs) / max(len(inputs), 1)
            self._energies[name] = _energy_j(self._cells[name], load_f)
        return self._energies[name]

    @cached_property
    def buffers(self) -> tuple[str, ...]:
        """Names of the cells whose one output repeats their one input, the smallest first."""
        found = [
            self._cells[name]
            for group in self._groups.values()
            for name in group
            if _repeats(self._cells[name])
        ]
        return tuple(cell.name for cell in sorted(found, key=_size))


def _size(cell: Cell) -> tuple[float, float, str]:
    return cell.area_um2, sum(_input_capacitances_f(cell)), cell.name


def _input_capacitances_f(cell: Cell) -> list[float]:
    return [pin.capacitance_f for pin in cell.pins.values() if pin.direction == "input"]


def _energy_j(cell: Cell, load_f: float) -> float:
    total = 0.0
    for pin in cell.pins.values():
        tables = [t for power in pin.internal_power for t in (power.rise, power.fall) if t]
        if tables:
            total += sum(_middle(table, load_f) for table in tables) / len(tables)
        if pin.direction == "input":
            total += pin.capacitance_f * pin.voltage_v**2 / 2
    return total


def _middle(table: Table, load_f: float) -> float:
    """Return the value of a table in the middle of its slews."""
    slews = [index for axis, index in zip(table.axes, table.indices, strict=True) if axis == "slew"]
    slew_s = float(slews[0][len(slews[0]) // 2]) if slews else 0.0
    return float(table.lookup(np.array([slew_s]), np.array([load_f]))[0])


def _signature(cell: Cell) -> object:
    return (
        frozenset(_pin(pin) for pin in cell.pins.values()),
        tuple(
            (
                state.kind, state.states, state.width, _words(state.clocked_on),
                _words(state.next_state), _words(state.enable), _words(state.data_in),
                _words(state.clear), _words(state.preset), state.clear_preset_state,
                state.inputs, _words(state.table),
            )
            for state in cell.sequential
        ),
        cell.clock_gate,
    )  # fmt: skip


def _pin(pin: Pin) -> tuple[object, ...]:
    return (
        pin.name, pin.direction, _function(pin.function), _words(pin.state_function),
        _function(pin.three_state), pin.clock_gate_role,
    )  # fmt: skip


def _function(text: str | None) -> object:
    """Return what tells a function from others, however it is written."""
    if text is None:
        return None
    function = parse_function(text)
    names = sorted(function.variables)
    order = [function.variables.index(name) for name in names]
    rows = range(len(function.table))
    told = tuple(
        bool(function.table[sum(1 << at for bit, at in enumerate(order) if row >> bit & 1)])
        for row in rows
    )
    return tuple(names), told


def _words(text: str | None) -> str | None:
    return None if text is None else "".join(text.split())


def _repeats(cell: Cell) -> bool:
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    inputs = [pin for pin in cell.pins.values() if pin.direction == "input"]
    if len(outputs) != 1 or len(inputs) != 1 or len(cell.pins) != 2 or cell.sequential:
        return False
    function = outputs[0].function
    if function is None or outputs[0].three_state is not None:
        return False
    return _function(function) == ((inputs[0].name,), (False, True))
