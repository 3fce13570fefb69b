"""Represent a cell library: functions, delays, powers and areas of its cells, in SI units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "Cell",
    "InternalPower",
    "Leakage",
    "Library",
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
    """A look-up table (NLDM) with no, one or two axes, which are input slew and output load.

    Beyond its ends a table is continued linearly, as OpenSTA does.
    """

    axes: tuple[Axis, ...]
    indices: tuple[Reals, ...]  # seconds or farads, increasing
    values: Reals  # seconds or joules, one dimension for each axis

    def lookup(self, slew_s: Reals, load_f: Reals) -> Reals:
        """Return the table's values, interpolated linearly along each axis.

        Args:
            slew_s: Input slews in seconds.
            load_f: Output loads in farads, in the shape of ``slew_s``.

        Returns:
            Seconds or joules, in the shape of the arguments.
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
        """Find the segments of an axis that hold some points.

        Returns:
            The lower and the upper index of each segment, and where in it the point is: 0 at the
            lower end, 1 at the upper, beyond these outside of the table.
        """
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
    """The energy inside a cell per transition of the pin that the group belongs to, in joules.

    Energies may be negative: some of what a transition takes is counted with another one.
    """

    related_pin: str | None
    when: str | None
    related_pg_pin: str | None
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True, kw_only=True)
class TimingArc:
    """One timing arc from a related pin, with tables in seconds (a constraint arc has none)."""

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
    """The leakage power of a cell in one of its states."""

    value_w: float
    when: str | None  # None: in every state
    related_pg_pin: str | None


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """Storage of a cell: a flip-flop, a latch or a state table.

    Expressions are Liberty's, over pins and state names. A flip-flop has ``clocked_on`` and
    ``next_state``. A latch has ``enable`` and ``data_in``, or neither where only ``clear`` and
    ``preset`` set it. A state table has its text in ``table``.
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
    """One pin of a cell, or one bit of a bus.

    Of an output the limits say what it may drive; of an input, how slow the edges at it may be.
    Where a pin has none of its own, an output takes the library's default one; None: no limit.
    """

    name: str
    direction: str  # "input", "output", "inout" or "internal"
    capacitance_f: float
    rise_capacitance_f: float
    fall_capacitance_f: float
    voltage_v: float  # supply of this pin
    max_capacitance_f: float | None = None  # of what an output drives, wires included
    max_transition_s: float | None = None  # slew, between the library's thresholds
    max_fanout: float | None = None  # sum of the fan-out loads that an output drives
    fanout_load: float = 1.0  # what an input counts as in that sum
    function: str | None = None
    state_function: str | None = None
    three_state: str | None = None
    clock: bool = False
    clock_gate_role: Literal["clock", "enable", "test", "out"] | None = None
    internal_power: tuple[InternalPower, ...] = ()
    timing: tuple[TimingArc, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a library."""

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


@dataclass(frozen=True, kw_only=True)
class Library:
    """The cells of one or several Liberty files."""

    name: str  # of the first file's library
    paths: tuple[Path, ...]
    voltage_v: float  # nominal
    slew_per_tau: float  # slew of an exponential, between the thresholds, over its time constant
    cells: Mapping[str, Cell]
