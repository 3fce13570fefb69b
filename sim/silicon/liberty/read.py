"""Cell libraries in Liberty format, read into dataclasses in SI units.

Several files (ASAP7 comes as five) give one library. Files may be gzipped. A cell is built when it
is first asked for. Format: Liberty Reference Manual (Synopsys, open-source Liberty).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import variable_names
from consilico.sim.silicon.liberty.library import (
    Cell,
    InternalPower,
    Leakage,
    Library,
    Pin,
    Sequential,
    TimingArc,
)
from consilico.sim.silicon.liberty.syntax import Group, LibertySource, open_library, parse_group
from consilico.sim.silicon.liberty.values import Units

__all__ = ["read_liberty"]

_MOST_BITS = 1 << 16  # of a bus: beyond it a range is damaged, not wide
_DRIVING = ("output", "inout")  # directions of pins that the defaults of limits are for
_DIRECTIONS = ("input", "output", "inout", "internal")
_GATE_ROLES: tuple[tuple[str, Literal["clock", "enable", "test", "out"]], ...] = (
    ("clock_gate_clock_pin", "clock"),
    ("clock_gate_enable_pin", "enable"),
    ("clock_gate_test_pin", "test"),
    ("clock_gate_out_pin", "out"),
)
_Read = Callable[[str, Group, str], float]
_NAME = re.compile(r"[^\s\x00-\x20\x7f]+")  # what Verilog can call a cell or a pin


def read_liberty(paths: Sequence[Path]) -> Library:
    """Read Liberty files as one library.

    Args:
        paths: Files, plain or gzipped, each with its own units.

    Returns:
        The library. Its cells are read when they are asked for, so that damage inside a cell is
        refused by ``library.cells[name]``.

    Raises:
        UserError: If there is no file, or one cannot be read, is empty, truncated or not Liberty,
            has no cells or not the units it needs, or a cell is defined twice and differently;
            names file and line.
    """
    if not paths:
        raise UserError("no Liberty file was given")
    return _library(tuple(open_library(path) for path in paths))


@lru_cache(maxsize=4)  # many steps of a flow ask for the same library, and for the same cells of it
def _library(opened: tuple[tuple[LibertySource, Group], ...]) -> Library:
    files = [Units(source, library) for source, library in opened]
    return Library(
        name=files[0].library.name,
        paths=tuple(source.path for source, _ in opened),
        voltage_v=files[0].voltage_v,
        slew_per_tau=files[0].slew_per_tau,
        cells=_Cells(files),
    )


class _Cells(Mapping[str, Cell]):
    """Cells by name, in file order, each built on first use."""

    def __init__(self, files: Iterable[Units]) -> None:
        self._found: dict[str, tuple[Units, Group]] = {}
        self._built: dict[str, Cell] = {}
        for units in files:
            for group in units.library.all("cell"):
                if not _NAME.fullmatch(group.name) or len(group.names) != 1:
                    raise units.error(group, "a cell has one name, without blanks")
                known, other = self._found.setdefault(group.name, (units, group))
                if other is not group and _text(known, other) != _text(units, group):
                    there = f"{known.source.path}:{known.source.line(other.position)}"
                    raise units.error(group, f"defined at {there}, too; accepted: once")

    def __getitem__(self, name: str) -> Cell:
        if name not in self._built:
            units, group = self._found[name]
            self._built[name] = _cell(units, parse_group(units.source, group))
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _text(units: Units, cell: Group) -> list[str]:
    """Return the words of a cell's text: what two definitions have in common if they are one."""
    return units.source.text[slice(*cell.body)].split()


def _cell(units: Units, group: Group) -> Cell:
    """Build the cell of a parsed group."""
    attributes = group.attributes
    supplies = {
        supply.name: supply.attributes.get("voltage_name", "") for supply in group.all("pg_pin")
    }
    pins: dict[str, Pin] = {}
    places: dict[str, int] = {}  # positions; lines are counted for messages only
    buses: dict[str, tuple[str, ...]] = {}

    def add(inner: Group, names: tuple[str, ...], common: Pin | None) -> None:
        for pin in _pins(units, group, inner, names, supplies, common):
            if common is None and pin.name in pins:
                first, second = map(units.source.line, (places[pin.name], inner.position))
                raise units.error(
                    group,
                    f"pin {pin.name} is defined in line {first} and in line {second};"
                    " accepted: once",
                )
            pins[pin.name], places[pin.name] = pin, inner.position

    for inner in group.all("pin", "bus", "bundle"):
        names = inner.names if inner.kind == "pin" else _bits(units, inner)
        add(inner, names, None)
        if inner.kind == "pin":
            continue
        buses[inner.name] = names
        for own in inner.all("pin"):
            bits = tuple(bit for name in own.names for bit in _expand(units, own, name))
            if wrong := [bit for bit in bits if bit not in names]:
                raise units.error(own, f"{inner.kind} {inner.name} has no bit {wrong[0]}")
            add(own, bits, pins[bits[0]])
    for pin in pins.values():
        if pin.direction not in _DIRECTIONS:
            said = f"has the direction {pin.direction!r}" if pin.direction else "has no direction"
            raise units.error(group, f"pin {pin.name} {said}; accepted: {', '.join(_DIRECTIONS)}")
    cell = Cell(
        name=group.name,
        area_um2=units.area_um2(attributes.get("area", "0"), group),
        pins=pins,
        buses=buses,
        supply_pins={pg.name: pg.attributes.get("pg_type", "") for pg in group.all("pg_pin")},
        leakage_w=_cell_leakage(units, group),
        leakage=tuple(_leakage(units, group, inner) for inner in group.all("leakage_power")),
        sequential=tuple(_sequential(units, group)),
        clock_gate=attributes.get("clock_gating_integrated_cell"),
        dont_use=attributes.get("dont_use") == "true",
        macro=attributes.get("is_macro_cell") == "true" or any(group.all("memory")),
        pad=attributes.get("pad_cell") == "true",
    )
    _check_names(units, group, cell)
    _check_energies(units, group, cell)
    return cell


def _check_names(units: Units, group: Group, cell: Cell) -> None:
    """Refuse a cell whose expressions or arcs name a pin that it has not."""
    states = {name for state in cell.sequential for name in state.states}
    known = {*cell.pins, *cell.buses, *cell.supply_pins, *states}
    said: list[tuple[str, str | None]] = [("leakage_power", item.when) for item in cell.leakage]
    for state in cell.sequential:
        said += [
            (state.kind, text)
            for text in (state.clocked_on, state.next_state, state.enable, state.data_in)
        ]
        said += [(state.kind, text) for text in (state.clear, state.preset)]
    for pin in cell.pins.values():
        said += [(f"pin {pin.name}", pin.function), (f"pin {pin.name}", pin.three_state)]
        for power in pin.internal_power:
            said += [(f"pin {pin.name}", power.when), (f"pin {pin.name}", power.related_pin)]
        for arc in pin.timing:
            said += [(f"pin {pin.name}", arc.when), (f"pin {pin.name}", arc.related_pin)]
    for where, text in dict.fromkeys(said):
        if text is None or text in known:
            continue
        for name in variable_names(text):
            if name not in known:
                raise units.error(
                    group, f"{where} names {name[:80]!r}, which is neither a pin nor a state"
                )


def _check_energies(units: Units, group: Group, cell: Cell) -> None:
    """Refuse energies so negative that a transition would give back more than a load can hold.

    Negative energies as such are usual: characterization takes what it counts elsewhere off them.
    In none of our kits does one exceed six tenths of what the cell's largest load takes.
    """
    tables = [
        (pin, table)
        for pin in cell.pins.values()
        for item in pin.internal_power
        for table in (item.rise, item.fall)
        if table is not None
    ]
    lowest = min(tables, key=lambda each: each[1].values.min(), default=None)
    if lowest is None or (least_j := float(lowest[1].values.min())) >= 0:
        return
    arcs = [arc for pin in cell.pins.values() for arc in pin.timing]
    known = [table for _, table in tables]
    known += [table for arc in arcs for table in (arc.cell_rise, arc.cell_fall) if table]
    loads = [
        float(index[-1])
        for table in known
        for axis, index in zip(table.axes, table.indices, strict=True)
        if axis == "load"
    ]
    loads += [pin.capacitance_f for pin in cell.pins.values()]
    held_j = max([units.largest_load_f, *loads]) * units.voltage_v**2
    if least_j < -held_j:
        raise units.error(
            group,
            f"pin {lowest[0].name} has an internal energy of {least_j:g} J; accepted: from"
            f" {-held_j:g} J, which its largest load holds",
        )


def _pins(
    units: Units,
    cell: Group,
    group: Group,
    names: tuple[str, ...],
    supplies: dict[str, str],
    common: Pin | None,
) -> Iterator[Pin]:
    """Yield the pins of one group; what it leaves open comes from the bus that holds it."""
    if wrong := [name for name in names if not _NAME.fullmatch(name)] or (not names and [""]):
        raise units.error(cell, f"a pin is called {wrong[0]!r}; accepted: a name without blanks")
    attributes = group.attributes
    direction = attributes.get("direction", common.direction if common else "")
    if "capacitance" in attributes or common is None:
        default = units.default(f"default_{direction}_pin_cap", "0")
        text = attributes.get("capacitance", default)
        load = _capacitance(units, cell, group, text, "capacitance")
    else:
        load = common.capacitance_f
    rise, fall = (
        _capacitance(units, cell, group, attributes[key], key) if key in attributes else load
        for key in ("rise_capacitance", "fall_capacitance")
    )

    def limit(key: str, read: _Read, of_bus: float | None) -> float | None:
        default = units.default(f"default_{key}", "") if direction in _DRIVING else ""
        text = attributes.get(key, default if common is None else "")
        return read(text, group, f"{key} in cell {cell.name}") if text else of_bus

    load_text = attributes.get("fanout_load", units.default("default_fanout_load", "1"))
    supply = supplies.get(attributes.get("related_power_pin", ""), "")
    nominal = common.voltage_v if common else units.voltage_v
    powers = [
        power for inner in group.all("internal_power") for power in _power(units, cell, inner)
    ]
    arcs = [arc for inner in group.all("timing") for arc in _timing(units, cell, inner)]
    roles = (role for key, role in _GATE_ROLES if attributes.get(key) == "true")
    pin = Pin(
        name="",
        direction=direction,
        capacitance_f=load,
        rise_capacitance_f=rise,
        fall_capacitance_f=fall,
        voltage_v=units.supplies.get(supply, nominal),
        max_capacitance_f=limit(
            "max_capacitance", units.capacitance_f, common.max_capacitance_f if common else None
        ),
        max_transition_s=limit(
            "max_transition", units.time_s, common.max_transition_s if common else None
        ),
        max_fanout=limit("max_fanout", units.count, common.max_fanout if common else None),
        fanout_load=units.count(load_text, group, f"fanout_load in cell {cell.name}"),
        function=attributes.get("function", common.function if common else None),
        state_function=attributes.get("state_function"),
        three_state=attributes.get("three_state", common.three_state if common else None),
        clock=attributes.get("clock") == "true" or bool(common and common.clock),
        clock_gate_role=next(roles, None),
        internal_power=tuple(powers) or (common.internal_power if common else ()),
        timing=tuple(arcs) or (common.timing if common else ()),
    )
    return (replace(pin, name=name) for name in names)


def _capacitance(units: Units, cell: Group, group: Group, text: str, field: str) -> float:
    return units.capacitance_f(text, group, f"{field} in cell {cell.name}")


def _bits(units: Units, group: Group) -> tuple[str, ...]:
    """Return the names of the bits of a bus or the members of a bundle, leftmost first."""
    if members := group.list("members"):
        names = " ".join(members).replace(",", " ").split()
        if len(set(names)) < len(names):
            raise units.error(group, "members names a pin twice; accepted: once")
        return tuple(names)
    kind = units.types.get(group.attributes.get("bus_type", ""))
    if kind is None:
        inner = [(pin, name) for pin in group.all("pin") for name in pin.names]
        return tuple(dict.fromkeys(bit for pin, name in inner for bit in _expand(units, pin, name)))
    first, last = (kind.attributes.get(key, "") for key in ("bit_from", "bit_to"))
    for field, text in (("bit_from", first), ("bit_to", last)):
        if not re.fullmatch(r"\d{1,9}", text):
            raise units.error(kind, f"{field} is {text!r}; accepted: a whole number")
    return tuple(_expand(units, group, f"{group.name}[{first}:{last}]"))


def _expand(units: Units, group: Group, name: str) -> list[str]:
    """Return the bits of a name such as ``A[3:0]``."""
    match = re.fullmatch(r"(.*)\[(\d{1,9}):(\d{1,9})\]", name)
    if match is None:
        return [name]
    first, last = int(match[2]), int(match[3])
    if abs(first - last) >= _MOST_BITS:
        raise units.error(group, f"{name} has too many bits; accepted: {_MOST_BITS:,}")
    step = 1 if last >= first else -1
    return [f"{match[1]}[{bit}]" for bit in range(first, last + step, step)]


def _only(units: Units, cell: Group, group: Group, kind: str) -> Group | None:
    """Return the one group of a kind inside another, or None without one."""
    found = list(group.all(kind))
    if len(found) > 1:
        raise units.error(
            found[1], f"twice in one {group.kind} group of cell {cell.name}; accepted: once"
        )
    return found[0] if found else None


def _power(units: Units, cell: Group, group: Group) -> Iterator[InternalPower]:
    both, rise, fall = (
        units.energies(_only(units, cell, group, kind))
        for kind in ("power", "rise_power", "fall_power")
    )
    pins: Sequence[str | None] = group.attributes.get("related_pin", "").split()
    for related in pins or (None,):
        yield InternalPower(
            related_pin=related,
            when=group.attributes.get("when") or None,
            related_pg_pin=group.attributes.get("related_pg_pin"),
            rise=rise or both,
            fall=fall or both,
        )


def _timing(units: Units, cell: Group, group: Group) -> Iterator[TimingArc]:
    tables = {
        key: units.times(_only(units, cell, group, key))
        for key in ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    }
    for related in group.attributes.get("related_pin", "").split():
        yield TimingArc(
            related_pin=related,
            timing_type=group.attributes.get("timing_type", "combinational"),
            timing_sense=group.attributes.get("timing_sense"),
            when=group.attributes.get("when") or None,
            **tables,
        )


def _cell_leakage(units: Units, cell: Group) -> float | None:
    for text, field in (
        (cell.attributes.get("cell_leakage_power"), "cell_leakage_power"),
        (units.default("default_cell_leakage_power", ""), "default_cell_leakage_power"),
    ):
        if text:
            return units.leakage_w(text, cell, field)
    return None


def _leakage(units: Units, cell: Group, group: Group) -> Leakage:
    text = group.attributes.get("value", "")
    return Leakage(
        value_w=units.leakage_w(text, group, f"value in cell {cell.name}"),
        when=group.attributes.get("when") or None,
        related_pg_pin=group.attributes.get("related_pg_pin"),
    )


def _sequential(units: Units, cell: Group) -> Iterator[Sequential]:
    for group in cell.all("ff", "ff_bank", "latch", "latch_bank", "statetable"):
        get = group.attributes.get
        if group.kind == "statetable":
            inputs, states = (tuple(name.split()) for name in (*group.names, "", "")[:2])
            yield Sequential(
                kind="statetable", states=states, inputs=inputs, table=get("table", "")
            )
            continue
        bank = group.kind.endswith("_bank")
        if len(group.names) < 2 + bank:
            raise units.error(group, f"in cell {cell.name}: it names no state and its complement")
        width = units.number(group.names[-1], group, "width") if bank else 1.0
        if not (width.is_integer() and 1 <= width <= _MOST_BITS):
            raise units.error(group, f"width is {width:g}; accepted: 1 to {_MOST_BITS:,}")
        needed = ("clocked_on", "next_state") if group.kind.startswith("ff") else ()
        if not needed and ("enable" in group.attributes) != ("data_in" in group.attributes):
            needed = ("enable", "data_in")
        if missing := [field for field in needed if not get(field)]:
            raise units.error(group, f"in cell {cell.name}: {missing[0]} is missing")
        yield Sequential(
            kind="ff" if group.kind.startswith("ff") else "latch",
            states=group.names[:2],
            width=int(width),
            clocked_on=get("clocked_on"),
            next_state=get("next_state"),
            enable=get("enable"),
            data_in=get("data_in"),
            clear=get("clear"),
            preset=get("preset"),
            clear_preset_state=get("clear_preset_var1"),
        )
