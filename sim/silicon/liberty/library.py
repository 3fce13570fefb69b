"""What a cell library says about its cells, in SI units."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "Cell",
    "InternalPower",
    "Leakage",
    "Pin",
    "Reals",
    "Sequential",
    "Table",
    "TimingArc",
]

Reals = NDArray[np.float64]
Axis = Literal["slew", "load", "other"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Look-up table over input slew and output load (NLDM): none, one or two axes.

    Beyond its ends a table is continued linearly, as OpenSTA does.
    """

    axes: tuple[Axis, ...]
    indices: tuple[Reals, ...]  # seconds or farads, increasing
    values: Reals  # seconds or joules, one dimension for each axis

    def lookup(self, slew_s: Reals, load_f: Reals) -> Reals:
        """Values at input slews, in seconds, and output loads, in farads; bilinear.

        The two arrays have one shape, which is that of the result.
        """
        if not self.axes:
            return np.full(slew_s.shape, self.values[()])
        row, below, across = self._segment(0, slew_s, load_f)
        if len(self.axes) == 1:
            return self.values[row] * (1 - across) + self.values[below] * across
        column, right, along = self._segment(1, slew_s, load_f)
        upper = self.values[row, column] * (1 - along) + self.values[row, right] * along
        lower = self.values[below, column] * (1 - along) + self.values[below, right] * along
        return upper * (1 - across) + lower * across

    def _segment(
        self, axis: int, slew_s: Reals, load_f: Reals
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals]:
        """Lower and upper index of the segments that serve points, and the place within them."""
        index = self.indices[axis]
        kind = self.axes[axis]
        at = slew_s if kind == "slew" else load_f if kind == "load" else np.zeros(slew_s.shape)
        if len(index) == 1:
            zero = np.zeros(at.shape, dtype=np.int64)
            return zero, zero, np.zeros(at.shape)
        low = np.clip(np.searchsorted(index, at, side="right") - 1, 0, len(index) - 2)
        return low, low + 1, (at - index[low]) / (index[low + 1] - index[low])


@dataclass(frozen=True, kw_only=True)
class InternalPower:
    """Energy inside a cell, in joules, per transition of the pin that the group belongs to."""

    related_pin: str | None
    when: str | None
    related_pg_pin: str | None
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True, kw_only=True)
class TimingArc:
    """One timing arc from a related pin; tables in seconds (constraint arcs carry none)."""

    related_pin: str
    timing_type: str  # "combinational" where the library says nothing
    timing_sense: str | None
    when: str | None
    cell_rise: Table | None
    cell_fall: Table | None
    rise_transition: Table | None
    fall_transition: Table | None


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Leakage power, in watts, in a state of the cell (``when`` none: in any)."""

    value_w: float
    when: str | None
    related_pg_pin: str | None


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """A state of a cell: flip-flop, latch, or state table.

    Expressions are Liberty's, over pins and state names. A flip-flop has ``clocked_on`` and
    ``next_state``, a latch ``enable`` and ``data_in``; a state table has its text in ``table``.
    """

    kind: Literal["ff", "latch", "statetable"]
    states: tuple[str, ...]  # such as ("IQ", "IQN"): the second is the inverted one
    width: int = 1  # bits of ff_bank and latch_bank
    clocked_on: str | None = None
    next_state: str | None = None
    enable: str | None = None
    data_in: str | None = None
    clear: str | None = None
    preset: str | None = None
    clear_preset_state: str | None = None  # clear_preset_var1
    inputs: tuple[str, ...] = ()
    table: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One pin, or one bit of a bus, of a cell."""

    name: str
    direction: str  # "input", "output", "inout" or "internal"
    capacitance_f: float
    rise_capacitance_f: float
    fall_capacitance_f: float
    voltage_v: float  # supply of this pin
    function: str | None = None
    state_function: str | None = None
    three_state: str | None = None
    clock: bool = False
    clock_gate_role: Literal["clock", "enable", "test", "out"] | None = None
    internal_power: tuple[InternalPower, ...] = ()
    timing: tuple[TimingArc, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell."""

    name: str
    area_um2: float
    pins: dict[str, Pin]  # bits of a bus as ``A[3]``; no supply pins
    buses: dict[str, tuple[str, ...]] = field(default_factory=dict)  # name: bits, leftmost first
    supply_pins: dict[str, str] = field(default_factory=dict)  # name: pg_type
    leakage_w: float | None = None  # cell_leakage_power
    leakage: tuple[Leakage, ...] = ()
    sequential: tuple[Sequential, ...] = ()
    clock_gate: str | None = None  # clock_gating_integrated_cell, such as "latch_posedge"
    dont_use: bool = False
    macro: bool = False  # memory or macro cell
    pad: bool = False
