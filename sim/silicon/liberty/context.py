"""What the cells of one Liberty file share: units, defaults, templates, supply voltages."""

import math
import re

import numpy as np

from consilico.sim.silicon.liberty.library import Axis, Reals, Table
from consilico.sim.silicon.liberty.parse import Group, Source

__all__ = ["LibraryContext"]

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_AXES: dict[str, Axis] = {
    "input_net_transition": "slew",
    "input_transition_time": "slew",
    "constrained_pin_transition": "slew",  # the other axis of a constraint is the clock's slew
    "total_output_net_capacitance": "load",
}
_USUAL = ("input_net_transition", "total_output_net_capacitance")


class LibraryContext:
    """Turns the texts of one Liberty file into SI numbers and tables.

    Raises:
        UserError: Where a value is not what the format says; names file and line.
    """

    def __init__(self, source: Source, library: Group) -> None:
        self.source = source
        self.library = library
        capacitance = library.list("capacitive_load_unit") or ("1", "pf")
        self.farad = self.number(capacitance[0], library) * self._unit(capacitance[-1], "f")
        self.second = self._unit(library.attributes.get("time_unit", "1ns"), "s")
        volt = self._unit(library.attributes.get("voltage_unit", "1V"), "v")
        self.watt = self._unit(library.attributes.get("leakage_power_unit", "1nW"), "w")
        # Liberty gives no unit of internal energy: it follows from load and voltage.
        self.joule = self.farad * volt**2
        self.templates = {group.name: group for group in library.groups if "template" in group.kind}
        self.types = {group.name: group for group in library.all("type")}
        self.supplies = {
            values[0]: self.number(values[1], library) * volt
            for key, values in library.lists
            if key == "voltage_map" and len(values) == 2
        }
        self.voltage_v = self._nominal_voltage() * volt

    def default(self, name: str, otherwise: str) -> str:
        """A library-level attribute."""
        return self.library.attributes.get(name, otherwise)

    def number(self, text: str, group: Group) -> float:
        """Value of an attribute of a group."""
        try:
            return float(text)
        except ValueError as error:
            name = f"{group.kind} {group.name}".strip()
            raise self.source.error(group.position, f"{name}: not a number: {text!r}") from error

    def table(self, group: Group | None, unit: float) -> Table | None:
        """The table of a group such as ``cell_rise``, its values in ``unit``."""
        if group is None:
            return None
        values = self._numbers(group.list("values"), group, unit)
        template = self.templates.get(group.name)
        axes: list[Axis] = []
        indices: list[Reals] = []
        for order, usual in enumerate(_USUAL, start=1):
            texts = group.list(f"index_{order}")
            if not texts and template:
                texts = template.list(f"index_{order}")
            if not texts or (group.name == "scalar" and len(values) == 1):
                break
            variable = template.attributes.get(f"variable_{order}", usual) if template else usual
            axis = _AXES.get(variable, "other")
            index = self._numbers(texts, group, self.farad if axis == "load" else self.second)
            if (index[1:] <= index[:-1]).any():
                raise self.source.error(group.position, f"index_{order} does not increase")
            axes.append(axis)
            indices.append(index)
        shape = tuple(map(len, indices))
        if len(values) != math.prod(shape):
            sizes = " x ".join(map(str, shape)) or "1"
            raise self.source.error(
                group.position, f"{group.kind} has {len(values)} values, its axes need {sizes}"
            )
        return Table(axes=tuple(axes), indices=tuple(indices), values=values.reshape(shape))

    def _numbers(self, texts: tuple[str, ...], group: Group, unit: float) -> Reals:
        words = " ".join(texts).replace(",", " ").replace("\\", " ").split()
        try:
            return np.array([float(word) for word in words]) * unit
        except ValueError as error:
            raise self.source.error(group.position, f"{group.kind}: {error}") from error

    def _unit(self, text: str, base: str) -> float:
        """Value of a unit such as ``10ps`` or ``ff`` in SI."""
        match = re.fullmatch(rf"\s*([\d.]*)\s*([a-z]?){base}\s*", text, re.I)
        prefix = match[2].lower() if match else "?"
        if match is None or prefix not in _PREFIX:
            raise self.source.error(self.library.position, f"unknown unit {text!r}")
        return float(match[1] or 1) * _PREFIX[prefix]

    def _nominal_voltage(self) -> float:
        """Voltage of the default operating conditions, else the nominal one."""
        name = self.library.attributes.get("default_operating_conditions")
        for group in self.library.all("operating_conditions"):
            if group.name == name and "voltage" in group.attributes:
                return self.number(group.attributes["voltage"], group)
        nominal = self.library.attributes.get("nom_voltage")
        if nominal is None:
            problem = f"library {self.library.name} states no voltage: nom_voltage is missing"
            raise self.source.error(self.library.position, problem)
        return self.number(nominal, self.library)
