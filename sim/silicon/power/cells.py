"""Power of all instances of one cell, from Liberty tables and the activity of the nets.

The method is OpenSTA's (Parallax Software), version 3.1, whose figures the tests compare with:

* A pin toggles with a density (toggles per second) and is high for a fraction of time, its duty.
  Pins are taken as independent: the probability of an expression follows from the duties.
* Internal power of an input pin: energy, the mean of rise and fall, times density, times the
  probability of ``when``. Where ``when`` names an output whose function depends on the pin, that
  probability is replaced by the probability that the output follows the pin.
* Internal power of an output pin: the energy of each group counts with the share that its related
  pin has in causing the output to toggle: density of the related pin times the probability that
  the output follows it (without a function: that of ``when``; without that: 1/2), divided by the
  sum over the groups of the same supply pin.
* Leakage: a group with ``when`` counts with the probability of it, and the probability that these
  leave over counts with the cell's own figure. A group without ``when`` counts only in a cell that
  has no group with it.
"""

from dataclasses import dataclass

import numpy as np

from consilico.sim.silicon.liberty.boolean import Function, parse_function
from consilico.sim.silicon.liberty.library import Cell, InternalPower, Pin
from consilico.sim.silicon.power.arrays import (
    Bits,
    CellGroup,
    NetActivity,
    NetlistArrays,
    Nets,
    Reals,
)
from consilico.sim.silicon.power.slews import Slews, arc_sense

__all__ = ["GroupPower", "follow", "group_power", "shown_states"]


@dataclass(frozen=True, eq=False)
class GroupPower:
    """Power of each instance of a group; arrays have shape ``(instances,)``."""

    internal_w: Reals
    switching_w: Reals
    leakage_w: Reals
    toggle_energy_j: dict[str, Reals]  # by pin: energy of one toggle, internal and switching


def group_power(
    arrays: NetlistArrays, group: CellGroup, activity: NetActivity, slews: Slews
) -> GroupPower:
    """Return the power of the instances of one cell.

    Args:
        arrays: The netlist.
        group: One of its groups.
        activity: Activity of its nets.
        slews: Slews of its nets.

    Raises:
        UserError: If an expression of the cell cannot be read.
    """
    view = _View(arrays, group, activity, slews)
    internal = np.zeros(len(group.instances))
    switching = np.zeros(len(group.instances))
    energy: dict[str, Reals] = {}
    for pin in group.cell.pins.values():
        inside, load = np.zeros(len(group.instances)), np.zeros(len(group.instances))
        if pin.direction in ("output", "inout"):
            inside = inside + view.output_energy(pin)
            load = 0.5 * arrays.load_f[group.nets[pin.name]] * pin.voltage_v**2
        if pin.direction in ("input", "inout"):
            inside = inside + view.input_energy(pin)
        internal += inside * view.density(pin.name)
        switching += load * view.density(pin.name)
        energy[pin.name] = inside + load
    return GroupPower(internal, switching, view.leakage(), energy)


class _View:
    """A group of instances, what happens at their pins, and the energies that follow."""

    def __init__(
        self, arrays: NetlistArrays, group: CellGroup, activity: NetActivity, slews: Slews
    ) -> None:
        self.cell: Cell = group.cell
        self.group = group
        self.arrays = arrays
        self.activity = activity
        self.slews = slews
        self.duty = {pin: activity.duty[nets] for pin, nets in group.nets.items()}
        for pin, (state, inverted) in shown_states(self.cell).items():
            self.duty[state] = 1 - self.duty[pin] if inverted else self.duty[pin]
        for sequential in self.cell.sequential:
            if len(sequential.states) > 1 and sequential.states[0] in self.duty:
                self.duty[sequential.states[1]] = 1 - self.duty[sequential.states[0]]

    def density(self, pin: str) -> Reals:
        """Return the toggles per second at a pin."""
        return self.activity.density[self.group.nets[pin]]

    def probability(self, function: Function) -> Reals:
        """Return the probability of an expression; a state that no output shows counts as 1/2."""
        duty: dict[str, Reals | float] = {
            name: self.duty.get(name, 0.5) for name in function.variables
        }
        return np.broadcast_to(function.probability(duty), self.group.instances.shape)

    def energy(self, power: InternalPower, pin: str, *, positive: bool, load: Reals) -> Reals:
        """Return the mean energy of a rise and a fall, in J.

        An edge that the input never makes is left out.

        Args:
            power: The tables.
            pin: The pin whose slew they are looked up with.
            positive: Whether a rise of the pin causes a rise.
            load: Load of the output in F.
        """
        nets = self.group.nets[pin]
        rise, fall = self.slews.rise_s[nets], self.slews.fall_s[nets]
        unknown = ~np.isfinite(rise) & ~np.isfinite(fall)  # behind a cell without timing
        rise, fall = np.where(unknown, 0.0, rise), np.where(unknown, 0.0, fall)
        total, count = np.zeros(len(nets)), np.zeros(len(nets))
        for table, slew in zip(
            (power.rise, power.fall), (rise, fall) if positive else (fall, rise), strict=True
        ):
            possible = np.isfinite(slew)
            count += possible
            if table is not None:
                total += np.where(possible, table.lookup(np.where(possible, slew, 0.0), load), 0.0)
        mean: Reals = total / np.maximum(count, 1)
        return mean

    def input_energy(self, pin: Pin) -> Reals:
        """Return the energy of a toggle at an input, in J."""
        total = np.zeros(len(self.group.instances))
        for power in pin.internal_power:
            share: Reals | float = 1.0
            if power.when is not None:
                when = parse_function(power.when)
                follower = self.follower(when, pin.name)
                share = self.probability(follower or when)
            total += share * self.energy(power, pin.name, positive=True, load=total * 0.0)
        return total

    def follower(self, when: Function, pin: str) -> Function | None:
        """Return when the output that ``when`` names follows the pin; None if there is none."""
        outputs = (self.cell.pins.get(name) for name in when.variables)
        output = next((out for out in outputs if out and out.direction == "output"), None)
        if output is None or output.function is None:
            return None
        function = parse_function(output.function)
        return function.difference(pin) if pin in function.variables else None

    def output_energy(self, pin: Pin) -> Reals:
        """Return the energy of a toggle at an output in J, the mean over its causes."""
        zero = np.zeros(len(self.group.instances))
        load = self.arrays.load_f[self.group.nets[pin.name]]
        sums: dict[str | None, Reals] = {}
        shares: list[tuple[InternalPower, str, Reals]] = []
        for power in pin.internal_power:
            related = power.related_pin
            if related is None or related not in self.group.nets:
                continue
            share = self.density(related) * self.cause(pin, power, related)
            sums[power.related_pg_pin] = sums.get(power.related_pg_pin, zero) + share
            shares.append((power, related, share))
        total = zero
        for power, related, share in shares:
            whole = sums[power.related_pg_pin]
            weight = np.divide(share, whole, out=np.zeros(len(zero)), where=whole > 0)
            energy = self.energy(power, related, positive=self.positive(pin, related), load=load)
            total = total + weight * energy
        return total

    def cause(self, pin: Pin, power: InternalPower, related: str) -> Reals | float:
        """Return the probability that a toggle of the related pin makes the output toggle."""
        if pin.function is not None:
            function = parse_function(pin.function)
            if related in function.variables:
                return self.probability(function.difference(related))
        return 0.5 if power.when is None else self.probability(parse_function(power.when))

    def positive(self, pin: Pin, related: str) -> bool:
        """Tell whether the first arc between the pins lets a rise cause a rise."""
        for arc in pin.timing:
            if arc.related_pin == related:
                return arc_sense(self.cell, arc, pin.name) != "negative_unate"
        return True

    def leakage(self) -> Reals:
        """Return the leakage in W by state, summed over the supply pins."""
        cell = self.cell
        size = len(self.group.instances)
        supplies = {
            group.related_pg_pin: None
            for group in cell.leakage
            if cell.supply_pins.get(group.related_pg_pin or "", "primary_power") == "primary_power"
        }
        if not supplies:
            return np.full(size, cell.leakage_w or 0.0)
        total = np.zeros(size)
        for supply in supplies:
            groups = [group for group in cell.leakage if group.related_pg_pin == supply]
            if all(group.when is None for group in groups):
                total += groups[-1].value_w
                continue
            left = np.ones(size)
            for group in groups:
                if group.when is not None:
                    share = self.probability(parse_function(group.when))
                    total += share * group.value_w
                    left -= share if group.value_w > 0 else 0.0
            total += left * (cell.leakage_w or 0.0)
        return total


# Registers whose outputs show one state, as it is or inverted (Q and QN)


def shown_states(cell: Cell) -> dict[str, tuple[str, bool]]:
    """Return by output pin the state that it shows, and whether it shows it inverted.

    Outputs of other functions are left out. A state and its complement (``IQ`` and ``IQN``) count
    as one, under the first name.
    """
    names: dict[str, tuple[str, bool]] = {}
    for sequential in cell.sequential:
        for index, name in enumerate(sequential.states[:2]):
            names[name] = (sequential.states[0], index == 1)
    shown = {}
    for pin in cell.pins.values():
        if pin.direction != "output" or pin.function is None or pin.three_state:
            continue
        function = parse_function(pin.function)
        if len(function.variables) == 1 and function.variables[0] in names:
            state, inverted = names[function.variables[0]]
            shown[pin.name] = state, inverted ^ bool(function.table[0])
    return shown


def follow(arrays: NetlistArrays, row: Nets) -> tuple[Nets, Bits]:
    """Give outputs that no signal tells of, such as an open QN, the row of their counterpart.

    Args:
        arrays: The netlist.
        row: Row of each net in the recording (:func:`consilico.sim.silicon.power.arrays.match`),
            shape ``(nets,)``.

    Returns:
        Rows, and which nets are the inverse of the signal in their row, shape ``(nets,)`` each.
    """
    row = row.copy()
    inverse = np.zeros(len(row), dtype=np.bool_)
    for group in arrays.groups:
        shown = shown_states(group.cell)
        for pin, (state, inverted) in shown.items():
            for other, (same, other_inverted) in shown.items():
                nets, sources = group.nets[pin], group.nets[other]
                told = (row[nets] < 0) & (row[sources] >= 0)
                if state == same and pin != other and told.any():
                    row[nets[told]] = row[sources[told]]
                    inverse[nets[told]] = inverse[sources[told]] ^ inverted ^ other_inverted
    return row, inverse
