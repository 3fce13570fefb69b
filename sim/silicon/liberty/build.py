"""From the groups of a Liberty cell to the cell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from consilico.sim.silicon.liberty.context import LibraryContext
from consilico.sim.silicon.liberty.library import (
    Cell,
    InternalPower,
    Leakage,
    Pin,
    Sequential,
    TimingArc,
)
from consilico.sim.silicon.liberty.parse import Group

__all__ = ["build_cell"]

_GATE_ROLES: tuple[tuple[str, Literal["clock", "enable", "test", "out"]], ...] = (
    ("clock_gate_clock_pin", "clock"),
    ("clock_gate_enable_pin", "enable"),
    ("clock_gate_test_pin", "test"),
    ("clock_gate_out_pin", "out"),
)


def build_cell(context: LibraryContext, group: Group) -> Cell:
    """The cell of a parsed cell group.

    Raises:
        UserError: Where a value is not what the format says; names file and line.
    """
    attributes = group.attributes
    supplies = {
        supply.name: supply.attributes.get("voltage_name", "") for supply in group.all("pg_pin")
    }
    pins: dict[str, Pin] = {}
    buses: dict[str, tuple[str, ...]] = {}
    for inner in group.all("pin", "bus", "bundle"):
        names = inner.names if inner.kind == "pin" else _bits(context, inner)
        for pin in _pins(context, inner, names, supplies, None):
            pins[pin.name] = pin
        if inner.kind == "pin":
            continue
        buses[inner.name] = names
        for own in inner.all("pin"):
            names = tuple(bit for name in own.names for bit in _expand(name))
            for pin in _pins(context, own, names, supplies, pins.get(names[0])):
                pins[pin.name] = pin
    leakage = attributes.get("cell_leakage_power") or context.default(
        "default_cell_leakage_power", ""
    )
    return Cell(
        name=group.name,
        area_um2=context.number(attributes.get("area", "0"), group),
        pins=pins,
        buses=buses,
        supply_pins={pg.name: pg.attributes.get("pg_type", "") for pg in group.all("pg_pin")},
        leakage_w=context.number(leakage, group) * context.watt if leakage else None,
        leakage=tuple(_leakage(context, inner) for inner in group.all("leakage_power")),
        sequential=tuple(_sequential(context, group)),
        clock_gate=attributes.get("clock_gating_integrated_cell"),
        dont_use=attributes.get("dont_use") == "true",
        macro=attributes.get("is_macro_cell") == "true" or any(group.all("memory")),
        pad=attributes.get("pad_cell") == "true",
    )


def _pins(
    context: LibraryContext,
    group: Group,
    names: tuple[str, ...],
    supplies: dict[str, str],
    common: Pin | None,
) -> Iterator[Pin]:
    """Pins of one group; what it leaves open comes from the bus that holds it."""
    attributes = group.attributes
    direction = attributes.get("direction", common.direction if common else "input")
    if "capacitance" in attributes or common is None:
        default = context.default(f"default_{direction}_pin_cap", "0")
        text = attributes.get("capacitance", default)
        load = context.number(text, group) * context.farad
    else:
        load = common.capacitance_f
    rise, fall = (
        context.number(attributes[key], group) * context.farad if key in attributes else load
        for key in ("rise_capacitance", "fall_capacitance")
    )
    supply = supplies.get(attributes.get("related_power_pin", ""), "")
    nominal = common.voltage_v if common else context.voltage_v
    powers = [power for inner in group.all("internal_power") for power in _power(context, inner)]
    arcs = [arc for inner in group.all("timing") for arc in _timing(context, inner)]
    roles = (role for key, role in _GATE_ROLES if attributes.get(key) == "true")
    pin = Pin(
        name="",
        direction=direction,
        capacitance_f=load,
        rise_capacitance_f=rise,
        fall_capacitance_f=fall,
        voltage_v=context.supplies.get(supply, nominal),
        function=attributes.get("function", common.function if common else None),
        state_function=attributes.get("state_function"),
        three_state=attributes.get("three_state", common.three_state if common else None),
        clock=attributes.get("clock") == "true" or bool(common and common.clock),
        clock_gate_role=next(roles, None),
        internal_power=tuple(powers) or (common.internal_power if common else ()),
        timing=tuple(arcs) or (common.timing if common else ()),
    )
    return (replace(pin, name=name) for name in names)


def _bits(context: LibraryContext, group: Group) -> tuple[str, ...]:
    """Names of the bits of a bus or of the members of a bundle, leftmost first."""
    if members := group.list("members"):
        return members
    kind = context.types.get(group.attributes.get("bus_type", ""))
    if kind is None:
        return tuple(bit for pin in group.all("pin") for name in pin.names for bit in _expand(name))
    first, last = (kind.attributes.get(key, "") for key in ("bit_from", "bit_to"))
    for text in (first, last):
        context.number(text, kind)
    return tuple(_expand(f"{group.name}[{first}:{last}]"))


def _expand(name: str) -> list[str]:
    """Bits of a name such as ``A[3:0]``."""
    match = re.fullmatch(r"(.*)\[(\d+):(\d+)\]", name)
    if match is None:
        return [name]
    first, last = int(match[2]), int(match[3])
    step = 1 if last >= first else -1
    return [f"{match[1]}[{bit}]" for bit in range(first, last + step, step)]


def _power(context: LibraryContext, group: Group) -> Iterator[InternalPower]:
    both = next(group.all("power"), None)
    rise = next(group.all("rise_power"), both)
    fall = next(group.all("fall_power"), both)
    pins: Sequence[str | None] = group.attributes.get("related_pin", "").split()
    for related in pins or (None,):
        yield InternalPower(
            related_pin=related,
            when=group.attributes.get("when") or None,
            related_pg_pin=group.attributes.get("related_pg_pin"),
            rise=context.table(rise, context.joule),
            fall=context.table(fall, context.joule),
        )


def _timing(context: LibraryContext, group: Group) -> Iterator[TimingArc]:
    tables = {
        key: context.table(next(group.all(key), None), context.second)
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


def _leakage(context: LibraryContext, group: Group) -> Leakage:
    return Leakage(
        value_w=context.number(group.attributes.get("value", ""), group) * context.watt,
        when=group.attributes.get("when") or None,
        related_pg_pin=group.attributes.get("related_pg_pin"),
    )


def _sequential(context: LibraryContext, cell: Group) -> Iterator[Sequential]:
    for group in cell.all("ff", "ff_bank", "latch", "latch_bank", "statetable"):
        get = group.attributes.get
        if group.kind == "statetable":
            inputs, states = (tuple(name.split()) for name in (*group.names, "", "")[:2])
            yield Sequential(
                kind="statetable", states=states, inputs=inputs, table=get("table", "")
            )
            continue
        bank = group.kind.endswith("_bank")
        yield Sequential(
            kind="ff" if group.kind.startswith("ff") else "latch",
            states=group.names[:2],
            width=int(context.number(group.names[-1], group)) if bank else 1,
            clocked_on=get("clocked_on"),
            next_state=get("next_state"),
            enable=get("enable"),
            data_in=get("data_in"),
            clear=get("clear"),
            preset=get("preset"),
            clear_preset_state=get("clear_preset_var1"),
        )
