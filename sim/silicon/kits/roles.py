"""Choose the cell of a library for each purpose, and find the names of its pins.

Roles are written down in a kit's file, or found from what the Liberty says of the cells: functions
of pins, ``ff`` and ``latch`` groups and ``clock_gating_integrated_cell``. Pins that a purpose has
no use for, such as a reset, are tied so that they do nothing. Of several cells that serve, the one
with the fewest tied pins counts, then the smallest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Sequential

__all__ = ["OPTIONAL", "PURPOSES", "Role", "check_roles", "find_roles", "inverters"]

PURPOSES = {  # what each cell of a kit is for, and the pins that a kit names in it
    "driver": set[str](),
    "tie_high": {"output"},
    "tie_low": {"output"},
    "full_adder": {"a", "b", "c", "carry", "sum"},
    "latch_high": {"enable", "data", "output"},
    "latch_low": {"enable", "data", "output"},
    "clock_gate": {"clock", "enable", "output"},
    "flop": {"clock", "data", "output"},
}
OPTIONAL = {"tie_high", "tie_low", "full_adder", "clock_gate", "flop"}
_GATES = {"latch_posedge", "latch_posedge_precontrol", "latch_posedge_postcontrol"}
_MOST_TIED = 3  # further inputs of a flip-flop or latch that are looked at
_OTHER_LEVEL = {"latch_high": "latch_low", "latch_low": "latch_high"}


@dataclass(frozen=True, kw_only=True)
class Role(Facts):
    """The cell that a kit uses for one purpose, and how its pins are called.

    ``pins`` maps the purpose of a pin to its name. ``inverted`` names the purposes whose pin
    carries the complement, ``low`` and ``high`` the further input pins, which are tied.
    """

    cell: str
    pins: Mapping[str, str]
    inverted: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()

    def ports(self, **signals: str) -> str:
        """Return the port connections of an instance in Verilog, with inputs inverted as needed."""
        connected = [
            f".{self.pins[purpose]}({'~' if purpose in self.inverted else ''}{signal})"
            for purpose, signal in signals.items()
        ]
        tied = [
            f".{pin}(1'b{value})"
            for value, pins in enumerate((self.low, self.high))
            for pin in pins
        ]
        return ", ".join([*connected, *tied])


def check_roles(name: str, roles: Mapping[str, Role], cells: Mapping[str, Cell]) -> None:
    """Check that the library has the cells and pins that a kit names.

    Args:
        name: Name of the kit, for messages.
        roles: Roles by purpose.
        cells: Cells of the library by name.

    Raises:
        UserError: If a cell is not there, or a pin is not there or has the wrong direction.
    """
    for purpose, role in roles.items():
        who = f"process kit {name}: {purpose} names the cell {role.cell}"
        if role.cell not in cells:
            raise UserError(f"{who}, which its Liberty files do not have")
        pins = cells[role.cell].pins
        outputs = [role.pins[pin] for pin in ("output", "carry", "sum") if pin in role.pins]
        for pin in (*role.pins.values(), *role.low, *role.high):
            kind = "output" if pin in outputs else "input"
            if pin not in pins or pins[pin].direction != kind:
                having = ", ".join(key for key, value in pins.items() if value.direction == kind)
                raise UserError(f"{who} with the {kind} pin {pin}; its {kind}s are: {having}")


def find_roles(name: str, cells: Iterable[Cell]) -> dict[str, Role]:
    """Find the roles that cells of a library can take.

    Args:
        name: Name of the library, for messages.
        cells: The cells that may be used.

    Returns:
        Roles by purpose. ``flop`` only where every flip-flop has a pin to tie: the mapper finds
        plain ones by itself.

    Raises:
        UserError: If there is no inverter, flip-flop or latch.
    """
    best: dict[str, tuple[tuple[bool, int, float, str], Role]] = {}
    for cell in cells:
        for purpose, role in _roles(cell):
            tied = len(role.low) + len(role.high)
            rank = (cell.area_um2 <= 0, tied, cell.area_um2, cell.name)
            if purpose not in best or rank < best[purpose][0]:
                best[purpose] = rank, role
    found = {purpose: role for purpose, (_, role) in best.items()}
    inverter = found.pop("inverter", None)
    if inverter is None:
        raise UserError(f"the Liberty files of {name} hold no inverter to map logic to")
    found.setdefault("driver", inverter)
    if "flop" not in found:
        raise UserError(f"the Liberty files of {name} hold no flip-flop to map registers to")
    if not (found["flop"].low or found["flop"].high):
        del found["flop"]
    for level, other in _OTHER_LEVEL.items():
        if level not in found:
            if other not in found:
                raise UserError(
                    f"the Liberty files of {name} hold no latch, which clock gates need"
                )
            twin = found[other]
            found[level] = Role(
                cell=twin.cell, pins=twin.pins, inverted=("enable",), low=twin.low, high=twin.high
            )
    return {purpose: found[purpose] for purpose in PURPOSES if purpose in found}


def inverters(cells: Iterable[Cell]) -> list[Cell]:
    """Return the inverters among cells, the smallest first."""
    found = [cell for cell in cells if any(purpose == "inverter" for purpose, _ in _roles(cell))]
    return sorted(found, key=lambda cell: (cell.area_um2, cell.name))


def _roles(cell: Cell) -> Iterator[tuple[str, Role]]:
    """Yield every role that one cell can take."""
    inputs = [pin.name for pin in cell.pins.values() if pin.direction == "input"]
    if cell.clock_gate:
        yield from _clock_gate(cell, inputs)
    elif len(cell.sequential) == 1:
        yield from _register(cell, cell.sequential[0], inputs)
    elif not cell.sequential:
        yield from _logic(cell, inputs)


def _logic(cell: Cell, inputs: list[str]) -> Iterator[tuple[str, Role]]:
    outputs = {
        pin.name: pin.function
        for pin in cell.pins.values()
        if pin.direction == "output" and pin.function and not pin.three_state
    }
    if len(inputs) == 3 and len(outputs) == 2:
        yield from _full_adder(cell, inputs, outputs)
    for output, function in outputs.items():
        value = _literal(function, {})
        if not inputs and value in ("0", "1"):
            purpose = "tie_high" if value == "1" else "tie_low"
            yield purpose, Role(cell=cell.name, pins={"output": output})
        elif len(inputs) == len(outputs) == 1 and value in (inputs[0], f"!{inputs[0]}"):
            yield "driver" if value == inputs[0] else "inverter", Role(cell=cell.name, pins={})


def _full_adder(
    cell: Cell, inputs: list[str], outputs: dict[str, str]
) -> Iterator[tuple[str, Role]]:
    pins = dict(zip("abc", inputs, strict=True))
    inverted = []
    for output, text in outputs.items():
        function = parse_function(text)
        if set(function.variables) != set(inputs):
            return
        ones = [bin(row).count("1") for row in range(8)]
        for purpose, values in (
            ("carry", [count > 1 for count in ones]),
            ("sum", [count % 2 == 1 for count in ones]),
        ):
            if function.table.tolist() == values:
                pins[purpose] = output
            elif (~function.table).tolist() == values:
                pins[purpose] = output
                inverted.append(purpose)
    if {"carry", "sum"} <= set(pins):
        yield "full_adder", Role(cell=cell.name, pins=pins, inverted=tuple(inverted))


def _register(cell: Cell, state: Sequential, inputs: list[str]) -> Iterator[tuple[str, Role]]:
    """Yield the roles of a flip-flop or latch of one bit, its further inputs tied."""
    control, follows = (
        (state.clocked_on, state.next_state)
        if state.kind == "ff"
        else (state.enable, state.data_in)
    )
    if state.width != 1 or control is None or follows is None or len(inputs) > 2 + _MOST_TIED:
        return
    stored = {state.states[0], *(f"!{name}" for name in state.states[1:2])}
    outputs = [
        pin.name
        for pin in cell.pins.values()
        if pin.direction == "output" and pin.function and _literal(pin.function, {}) in stored
    ]
    edge = _literal(control, {}) or ""
    clock = edge.removeprefix("!")
    if not outputs or clock not in inputs or (state.kind == "ff" and edge != clock):
        return
    for data in inputs:
        rest = [pin for pin in inputs if pin not in (clock, data)]
        for values in product((False, True), repeat=len(rest)):
            tied = dict(zip(rest, values, strict=True))
            forced = [text for text in (state.clear, state.preset) if text]
            if _literal(follows, tied) == data and all(
                _literal(text, tied) == "0" for text in forced
            ):
                purpose = "flop" if state.kind == "ff" else "latch_high"
                yield (
                    "latch_low" if edge != clock else purpose,
                    Role(
                        cell=cell.name,
                        pins={
                            "clock" if state.kind == "ff" else "enable": clock,
                            "data": data,
                            "output": outputs[0],
                        },
                        low=tuple(pin for pin in rest if not tied[pin]),
                        high=tuple(pin for pin in rest if tied[pin]),
                    ),
                )


def _clock_gate(cell: Cell, inputs: list[str]) -> Iterator[tuple[str, Role]]:
    pins = {pin.clock_gate_role: pin.name for pin in cell.pins.values() if pin.clock_gate_role}
    named = {"clock": "clock", "enable": "enable", "out": "output"}
    tests = [pin.name for pin in cell.pins.values() if pin.clock_gate_role == "test"]
    if cell.clock_gate in _GATES and set(named) <= set(pins):
        used = {purpose: pins[role] for role, purpose in named.items()}  # type: ignore[index]
        if set(inputs) == {used["clock"], used["enable"], *tests}:
            yield "clock_gate", Role(cell=cell.name, pins=used, low=tuple(tests))


def _literal(text: str, tied: Mapping[str, bool]) -> str | None:
    """Return what an expression is where some pins are tied: "0", "1", "pin" or "!pin".

    It is None where more pins matter.
    """
    function = parse_function(text)
    rows = [
        row
        for row in range(len(function.table))
        if all(
            bool(row >> bit & 1) == tied[name]
            for bit, name in enumerate(function.variables)
            if name in tied
        )
    ]
    values = [bool(function.table[row]) for row in rows]
    if not any(values) or all(values):
        return "1" if values[0] else "0"
    for bit, name in enumerate(function.variables):
        level = [bool(row >> bit & 1) for row in rows]
        if values == level:
            return name
        if values == [not value for value in level]:
            return f"!{name}"
    return None
