"""What sizing must know of a library: delays as quick look-ups, and which cells can stand in."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sim.silicon.boolean import parse_function
from sim.silicon.delay import arc_sense
from sim.silicon.liberty_types import Cell, Table

__all__ = ["Check", "Launch", "Lookup", "Model", "SizingLibrary", "Through", "interpolate"]

Curve = tuple[tuple[float, ...], tuple[float, ...]]  # input slews, values
RISE, FALL = 0, 1
_SETUP = {"setup_rising", "setup_falling"}
_EDGES = {"rising_edge", "falling_edge"}


def interpolate(curve: Curve, slew: float) -> float:
    """Value at a slew, continued linearly beyond the ends."""
    slews, values = curve
    if len(slews) == 1:
        return values[0]
    low = min(max(bisect_right(slews, slew) - 1, 0), len(slews) - 2)
    left = slews[low]
    return values[low] + (values[low + 1] - values[low]) * (slew - left) / (slews[low + 1] - left)


class Lookup:
    """An NLDM table that gives, for a load, a curve over the input slew."""

    def __init__(self, table: Table) -> None:
        names = table.axes
        values = table.values
        if "slew" in names and "load" in names:
            if names[0] == "load":
                values = values.T
            self._slews = tuple(table.indices[names.index("slew")].tolist())
            self._loads = tuple(table.indices[names.index("load")].tolist())
            self._rows = values.tolist()
        elif "load" in names:
            row = values[0] if values.ndim > 1 else values
            self._slews, self._loads = (0.0,), tuple(table.indices[names.index("load")].tolist())
            self._rows = [row.tolist()]
        elif "slew" in names:
            at = names.index("slew")
            # of a constraint over the clock's slew as well: the ideal clock has the smallest
            column = values if values.ndim == 1 else values[:, 0] if at == 0 else values[0]
            self._slews, self._loads = tuple(table.indices[at].tolist()), (0.0,)
            self._rows = [[value] for value in column.tolist()]
        else:
            self._slews, self._loads, self._rows = (0.0,), (0.0,), [[float(values.flat[0])]]
        self._curves: dict[float, Curve] = {}

    def curve(self, load: float) -> Curve:
        """Values over the input slew at an output load in farads."""
        found = self._curves.get(load)
        if found is None:
            values = tuple(interpolate((self._loads, row), load) for row in self._rows)
            found = self._curves[load] = (self._slews, values)
        return found

    def at(self, slew: float) -> float:
        """Value at an input slew, of a table that does not look at the load."""
        return interpolate(self.curve(0.0), slew)


@dataclass(frozen=True)
class Through:
    """One edge through a combinational arc."""

    pin: str
    before: int  # edge at the input
    after: int  # edge at the output
    delay: Lookup
    slew: Lookup


@dataclass(frozen=True)
class Launch:
    """One edge that a clock starts at an output."""

    after: int
    delay: Lookup
    slew: Lookup


@dataclass(frozen=True)
class Check:
    """Set-up time of one edge at an input."""

    before: int
    setup: Lookup


@dataclass(frozen=True, eq=False)
class Model:
    """One cell."""

    name: str
    area_um2: float
    load_f: dict[str, tuple[float, float]]  # by input, when it rises and falls
    through: dict[str, list[Through]]  # by output
    launch: dict[str, list[Launch]]  # by output
    checks: dict[str, list[Check]]  # by input
    clocks: frozenset[str]  # inputs that start or check something
    gate: bool  # an integrated clock gate
    alike: tuple[frozenset[str], ...]  # inputs that can trade places
    sizes: list["Model"] = field(default_factory=list)  # all that can stand in, by area


class SizingLibrary:
    """Models of a library's cells, built when first asked for."""

    def __init__(self, cells: Mapping[str, Cell]) -> None:
        self._cells = cells
        self._models: dict[str, Model] = {}

    def __getitem__(self, name: str) -> Model:
        if name not in self._models:
            family = self._families[_behaviour(self._cells[name])]
            models = [self._models.setdefault(item, _model(self._cells[item])) for item in family]
            models.sort(key=lambda model: (model.area_um2, model.name))
            for model in models:
                model.sizes[:] = models
        return self._models[name]

    @cached_property
    def _families(self) -> dict[tuple[object, ...], list[str]]:
        families: dict[tuple[object, ...], list[str]] = {}
        for name, cell in self._cells.items():
            families.setdefault(_behaviour(cell), []).append(name)
        return families


def _behaviour(cell: Cell) -> tuple[object, ...]:
    """Equal for cells that can replace each other."""
    pins = tuple(
        sorted(
            (pin.name, pin.direction, pin.function or "", pin.state_function or "")
            for pin in cell.pins.values()
        )
    )
    return pins, str(cell.sequential), cell.clock_gate


def _model(cell: Cell) -> Model:
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    through: dict[str, list[Through]] = {pin.name: [] for pin in outputs}
    launch: dict[str, list[Launch]] = {pin.name: [] for pin in outputs}
    checks: dict[str, list[Check]] = {}
    clocks: set[str] = set()
    lookups: dict[int, Lookup] = {}

    def quick(table: Table) -> Lookup:
        return lookups.setdefault(id(table), Lookup(table))

    for pin in cell.pins.values():
        for arc in pin.timing:
            if arc.timing_type in _SETUP:
                clocks.add(arc.related_pin)
                for edge, table in ((RISE, arc.rise_constraint), (FALL, arc.fall_constraint)):
                    if table is not None:
                        checks.setdefault(pin.name, []).append(Check(edge, quick(table)))
            if pin.direction != "output":
                continue
            starts = arc.timing_type in _EDGES
            if not starts and not arc.timing_type.startswith("combinational"):
                continue
            sense = arc_sense(cell, arc, pin.name)
            for after, delay, slew in (
                (RISE, arc.cell_rise, arc.rise_transition),
                (FALL, arc.cell_fall, arc.fall_transition),
            ):
                if delay is None or slew is None:
                    continue
                if starts:
                    clocks.add(arc.related_pin)
                    launch[pin.name].append(Launch(after, quick(delay), quick(slew)))
                    continue
                same = {"positive_unate": [after], "negative_unate": [1 - after]}
                for before in same.get(sense, [RISE, FALL]):
                    through[pin.name].append(
                        Through(arc.related_pin, before, after, quick(delay), quick(slew))
                    )
    return Model(
        name=cell.name,
        area_um2=cell.area_um2,
        load_f={
            pin.name: (pin.rise_capacitance_f, pin.fall_capacitance_f)
            for pin in cell.pins.values()
            if pin.direction == "input"
        },
        through=through,
        launch=launch,
        checks=checks,
        clocks=frozenset(clocks),
        gate=cell.clock_gate is not None,
        alike=_alike(cell),
    )


def _alike(cell: Cell) -> tuple[frozenset[str], ...]:
    """Groups of inputs that can trade places without changing any output."""
    functions = [pin.function for pin in cell.pins.values() if pin.direction == "output"]
    inputs = [pin.name for pin in cell.pins.values() if pin.direction == "input"]
    if cell.sequential or cell.clock_gate or not functions or len(inputs) > 6:
        return ()
    parsed = [parse_function(function) for function in functions if function is not None]
    groups: list[set[str]] = []
    for name in inputs:
        for group in groups:
            if all(_symmetric(item.variables, item.table, name, next(iter(group))) for item in parsed):
                group.add(name)
                break
        else:
            groups.append({name})
    return tuple(frozenset(group) for group in groups if len(group) > 1)


def _symmetric(variables: tuple[str, ...], table: object, one: str, other: str) -> bool:
    import numpy as np

    if one not in variables or other not in variables:
        return one not in variables and other not in variables
    bits = np.asarray(table)
    i, j = variables.index(one), variables.index(other)
    rows = np.arange(len(bits))
    low, high = rows >> i & 1, rows >> j & 1
    swapped = (rows & ~(1 << i) & ~(1 << j)) | (high << i) | (low << j)
    return bool((bits == bits[swapped]).all())
