"""The numbers of one Liberty file in SI units: units, defaults, templates and tables.

A figure that cannot be (an infinite delay, a negative capacitance, an energy that no load could
give back) is refused where it is read, so that no result is made of it.
"""

import math
import re
from collections.abc import Hashable, Iterable
from typing import TypeVar

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.library import Axis, Reals, Table
from consilico.sim.silicon.liberty.syntax import Group, LibertySource, evaluate

__all__ = ["Units"]

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_UNIT = re.compile(r"\s*(\d*\.?\d*(?:[eE][+-]?\d+)?)\s*([a-zA-Z]?)(s|f|w|v)\s*", re.I)
_WORDS = {"s": "1ns, 10ps", "f": "(1, pf), (1, ff)", "v": "1V, 1mV", "w": "1nW, 1pW"}
_MOST = {
    "farad": 1e-3,
    "second": 1e3,
    "watt": 1e3,
    "joule": 1.0,
    "volt": 1e3,
    "um2": 1e12,
    "load": 1e9,
}
_PLAIN = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_AXES: dict[str, Axis] = {
    "input_net_transition": "slew",
    "input_transition_time": "slew",
    "constrained_pin_transition": "slew",  # the other axis of a constraint is the clock's slew
    "total_output_net_capacitance": "load",
}
_USUAL = ("input_net_transition", "total_output_net_capacitance")
_Key = TypeVar("_Key", bound=Hashable)


class Units:
    """Units of one Liberty file, which turn its numbers into SI units for all of its cells.

    Args:
        source: Text of the file, for messages.
        library: Its library group.

    Raises:
        UserError: Where a value is not what the format says, also from the methods; names file
            and line.
    """

    def __init__(self, source: LibertySource, library: Group) -> None:
        self.source = source
        self.library = library
        self.farad = self._capacitance_unit()
        self.second = self._unit(library.attributes.get("time_unit", "1ns"), "s")
        volt = self._unit(library.attributes.get("voltage_unit", "1V"), "v")
        leakage_unit = library.attributes.get("leakage_power_unit")
        self._watt = None if leakage_unit is None else self._unit(leakage_unit, "w")
        # Liberty gives no unit of internal energy: it follows from load and voltage.
        self.joule = self.farad * volt**2
        self.templates: dict[tuple[str, str], Group] = {}
        for group in library.groups:
            if "template" in group.kind:
                self._once(self.templates, (group.kind, group.name), group)
        self._any_template = {name: group for (_, name), group in self.templates.items()}
        self._indices: dict[tuple[tuple[str, ...], Axis], Reals] = {}
        self.types: dict[str, Group] = {}
        for group in library.all("type"):
            self._once(self.types, group.name, group)
        self.supplies: dict[str, float] = {}
        for key, values in library.lists:
            if key == "voltage_map" and len(values) == 2:
                supply_v = self.number(values[1], library, "voltage_map") * volt
                if self.supplies.setdefault(values[0], supply_v) != supply_v:
                    raise self.error(library, f"voltage_map gives {values[0]} two voltages")
        self.voltage_v = self._nominal_voltage() * volt
        if not 0 < self.voltage_v <= _MOST["volt"]:
            raise self.error(
                library, f"the nominal voltage is {self.voltage_v:g} V; accepted: above 0 V"
            )
        self.slew_per_tau = self._slew_per_tau()
        self.largest_load_f = max(map(float, self._template_loads()), default=0.0)

    def error(self, group: Group, problem: str) -> UserError:
        """Return a one-line error that names the file, the line of a group, and the group."""
        title = f"{group.kind} {group.name}".strip()
        return self.source.error(group.position, f"{title}: {problem}")

    def default(self, name: str, otherwise: str) -> str:
        """Return an attribute of the library, or another text where it has none."""
        return self.library.attributes.get(name, otherwise)

    def number(self, text: str, group: Group, field: str) -> float:
        """Return the value of an attribute of a group, a number or an expression of numbers."""
        value = float(text) if _PLAIN.fullmatch(text) else evaluate(text, {})
        if value is None or not math.isfinite(value):
            raise self.error(group, f"{field}: not a number: {text[:80]!r}")
        return value

    def area_um2(self, text: str, group: Group) -> float:
        """Return an area in um2."""
        return self._amount(text, group, "area", 1.0, "um2")

    def capacitance_f(self, text: str, group: Group, field: str) -> float:
        """Return a capacitance in farads."""
        return self._amount(text, group, field, self.farad, "farad")

    def time_s(self, text: str, group: Group, field: str) -> float:
        """Return a time in seconds, which is not negative."""
        return self._amount(text, group, field, self.second, "second")

    def count(self, text: str, group: Group, field: str) -> float:
        """Return a number of loads, which is not negative and need not be whole."""
        return self._amount(text, group, field, 1.0, "load")

    def leakage_w(self, text: str, group: Group, field: str) -> float:
        """Return a leakage power in watts."""
        if self._watt is None:
            if self.number(text, group, field) == 0:
                return 0.0
            raise self.error(
                self.library, "leakage_power_unit is missing; accepted: such as leakage_power_unit"
                ' : "1nW"; with it leakage has a unit',
            )  # fmt: skip
        return self._amount(text, group, field, self._watt, "watt")

    def times(self, group: Group | None) -> Table | None:
        """Return a table of times in seconds; those of a transition are never negative."""
        if group is None:
            return None
        table = self._table(group, "lu_table_template", self.second)
        least = 0.0 if "transition" in group.kind else -_MOST["second"]
        self._within(table, group, least, _MOST["second"], "s")
        return table

    def energies(self, group: Group | None) -> Table | None:
        """Return a table of energies in joules. They may be negative."""
        if group is None:
            return None
        table = self._table(group, "power_lut_template", self.joule)
        self._within(table, group, -_MOST["joule"], _MOST["joule"], "J")
        return table

    def _amount(self, text: str, group: Group, field: str, unit: float, name: str) -> float:
        value = self.number(text, group, field)
        if not 0 <= value * unit <= _MOST[name]:
            most = _MOST[name] / unit
            raise self.error(group, f"{field} is {text}; accepted: 0 to {most:g}")
        return value * unit

    def _within(self, table: Table, group: Group, least: float, most: float, unit: str) -> None:
        low, high = float(table.values.min()), float(table.values.max())
        if not (low >= least and high <= most):  # of what is no number neither holds
            self._check_finite(table.values, group.list("values"), group, "values")
            wrong = low if low < least else high
            raise self.error(
                group, f"{wrong:g} {unit} in its values; accepted: {least:g} to {most:g} {unit}"
            )

    def _table(self, group: Group, kind: str, unit: float) -> Table:
        values = self._numbers(group.list("values"), group, "values") * unit
        template = self._template(group, kind)
        axes: list[Axis] = []
        indices: list[Reals] = []
        for order, usual in enumerate(_USUAL, start=1):
            field = f"index_{order}"
            texts = group.list(field)
            if not texts and template:
                texts = template.list(field)
            if not texts or (group.name == "scalar" and len(values) == 1):
                break
            variable = template.attributes.get(f"variable_{order}", usual) if template else usual
            axis = _AXES.get(variable, "other")
            axes.append(axis)
            indices.append(self._index(texts, group, field, axis))
        shape = tuple(map(len, indices))
        if len(values) != math.prod(shape):
            sizes = " x ".join(map(str, shape)) or "1"
            raise self.error(group, f"it has {len(values)} values, its axes need {sizes}")
        return Table(axes=tuple(axes), indices=tuple(indices), values=values.reshape(shape))

    def _template(self, group: Group, kind: str) -> Group | None:
        """Return the template that a table names; power and delay may have one each of a name."""
        if group.name in ("", "scalar"):
            return None
        found = self.templates.get((kind, group.name)) or self._any_template.get(group.name)
        if found:
            return found
        if group.list("index_1"):
            return None
        raise self.error(group, "there is no such table template")

    def _template_loads(self) -> Iterable[np.float64]:
        for template in self.templates.values():
            for order, usual in enumerate(_USUAL, start=1):
                texts = template.list(f"index_{order}")
                variable = template.attributes.get(f"variable_{order}", usual)
                if texts and _AXES.get(variable) == "load":
                    yield self._index(texts, template, f"index_{order}", "load").max()

    def _index(self, texts: tuple[str, ...], group: Group, field: str, axis: Axis) -> Reals:
        """Return the points of an axis; many tables have the same, which are kept."""
        known = self._indices.get((texts, axis))
        if known is not None:
            return known
        index = self._numbers(texts, group, field)
        self._check_finite(index, texts, group, field)
        if (index[1:] <= index[:-1]).any():
            raise self.error(group, f"{field} does not increase")
        if axis != "other" and index[0] < 0:
            raise self.error(group, f"{field} begins below 0")
        index = index * (self.farad if axis == "load" else self.second)
        self._indices[texts, axis] = index
        return index

    def _numbers(self, texts: tuple[str, ...], group: Group, field: str) -> Reals:
        """Return the numbers in texts, which may be infinite or none."""
        words = _words(texts)
        if not words:
            raise self.error(group, f"{field} has no numbers")
        try:
            numbers = np.array([float(word) for word in words])
        except ValueError:
            return np.full(len(words), math.nan)
        if any("_" in text for text in texts):  # Python alone reads 1_000
            return np.full(len(words), math.nan)
        return numbers

    def _check_finite(
        self, numbers: Reals, texts: tuple[str, ...], group: Group, field: str
    ) -> None:
        if not np.isfinite(numbers).all():
            words = _words(texts)
            wrong = next((word for word in words if not _is_number(word)), words[0])
            raise self.error(group, f"{field}: not a number: {wrong[:80]!r}")

    def _capacitance_unit(self) -> float:
        words = self.library.list("capacitive_load_unit")
        if not words:
            raise self.error(
                self.library,
                "capacitive_load_unit is missing; accepted: such as capacitive_load_unit (1, pf);",
            )
        if len(words) != 2 or not _PLAIN.fullmatch(words[0]):
            raise self.error(
                self.library,
                f"capacitive_load_unit is ({', '.join(words)}); accepted: such as (1, pf)",
            )
        return self._unit("".join(words), "f")

    def _unit(self, text: str, base: str) -> float:
        """Return the value of a unit such as ``10ps`` or ``1ff`` in SI."""
        match = _UNIT.fullmatch(text)
        prefix = match[2] if match else "?"
        if prefix != "M":  # mega, or a milli in capitals
            prefix = prefix.lower()
        count = match[1] if match else ""
        scale = float(count or 1) if _PLAIN.fullmatch(count or "1") else 0.0
        if match is None or match[3].lower() != base or prefix not in _PREFIX or not scale > 0:
            problem = f"unknown unit {text!r}; accepted: such as {_WORDS[base]}"
            raise self.source.error(self.library.position, problem)
        return scale * _PREFIX[prefix]

    def _nominal_voltage(self) -> float:
        """Return the voltage of the default operating conditions, else the nominal one."""
        name = self.library.attributes.get("default_operating_conditions")
        for group in self.library.all("operating_conditions"):
            if group.name == name and "voltage" in group.attributes:
                return self.number(group.attributes["voltage"], group, "voltage")
        nominal = self.library.attributes.get("nom_voltage")
        if nominal is None:
            problem = f"library {self.library.name} states no voltage: nom_voltage is missing"
            raise self.source.error(self.library.position, problem)
        return self.number(nominal, self.library, "nom_voltage")

    def _slew_per_tau(self) -> float:
        """Return what the thresholds of slews see of an exponential, over its time constant."""
        low, high, derate = (
            self.number(self.default(name, usual), self.library, name)
            for name, usual in (
                ("slew_lower_threshold_pct_rise", "20"),
                ("slew_upper_threshold_pct_rise", "80"),
                ("slew_derate_from_library", "1"),
            )
        )
        if not (0 <= low < high < 100 and derate > 0):
            raise self.error(
                self.library,
                f"slew thresholds are {low:g} and {high:g} %, derated by {derate:g}; accepted: 0 to"
                " 100 %, the lower one first, and a factor above 0",
            )
        return math.log((100 - low) / (100 - high)) / derate

    def _once(self, known: dict[_Key, Group], key: _Key, group: Group) -> None:
        """Note a group by its name; one of the same name must say the same."""
        other = known.setdefault(key, group)
        if (other.attributes, other.lists) != (group.attributes, group.lists):
            line = self.source.line(other.position)
            raise self.error(group, f"defined in line {line}, too, and differently; accepted: once")


def _words(texts: tuple[str, ...]) -> list[str]:
    return " ".join(texts).replace(",", " ").replace("\\", " ").split()


def _is_number(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None and math.isfinite(float(word))
