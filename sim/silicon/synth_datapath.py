"""Arithmetic cells of a Yosys netlist (``$macc``, ``$alu``) replaced by gates and full adders.

Yosys merges multiplications, additions and subtractions into ``$macc`` cells, and turns lone
additions and comparisons into ``$alu`` cells. Both are built here, bit by bit, knowing which bits are constant,
equal, or not used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from sim.silicon.pdk import Role
from sim.silicon.synth_logic import Logic, cell
from sim.silicon.synth_netlist import largest_net
from sim.silicon.synth_sum import BitSum, Operand, add_carry

__all__ = ["Datapath", "lower"]

_Net = int | str


@dataclass(frozen=True, kw_only=True)
class Datapath:
    """How arithmetic is built."""

    adder: str  # one of synth_sum.ADDERS
    booth: bool  # recode the narrower factor of a product
    cells: bool  # use the library's full adder, if it has one


def lower(module: dict[str, Any], style: Datapath, full_adder: Role | None) -> None:
    """Replace the arithmetic cells of a flat Yosys JSON module, in place.

    Args:
        module: One of the modules that ``write_json`` wrote.
        style: How arithmetic is built.
        full_adder: The library's full adder cell, if it has one.
    """
    cells: dict[str, Any] = module["cells"]
    used = _read_nets(module)
    nets = count(1 + largest_net(module))
    adder = _library_adder(full_adder) if style.cells and full_adder else _gate_adder
    made: dict[str, Any] = {}
    for name in [name for name, item in cells.items() if item["type"] in ("$macc", "$alu")]:
        item = cells.pop(name)
        logic = Logic()
        build = _macc if item["type"] == "$macc" else _alu
        drives = [(net, literal) for net, literal in build(logic, item, style) if net in used]
        for key, value in logic.emit(drives, nets, adder).items():
            made[f"{name}{key}"] = value
    cells.update(made)


def _read_nets(module: dict[str, Any]) -> set[int]:
    """Nets that a cell or an output port reads."""
    nets: set[int] = set()
    for item in module["cells"].values():
        for pin, bits in item["connections"].items():
            if item["port_directions"].get(pin) != "output":
                nets.update(bit for bit in bits if isinstance(bit, int))
    for port in module["ports"].values():
        if port["direction"] != "input":
            nets.update(bit for bit in port["bits"] if isinstance(bit, int))
    return nets


def _macc(logic: Logic, item: dict[str, Any], style: Datapath) -> Iterator[tuple[int, int]]:
    """Pairs of a net and the literal it gets, for a ``$macc`` cell."""
    pins: dict[str, list[_Net]] = item["connections"]
    total = BitSum(logic, len(pins["Y"]))
    for (a, b), subtract in _terms(logic, item):
        if b.bits:
            total.add_product(a, b, subtract, style.booth)
        else:
            total.add(a, subtract)
    for bit in pins["B"]:
        total.add_bit(logic.input(bit), 0)
    yield from _outputs(pins["Y"], total.total(style.adder))


def _terms(logic: Logic, item: dict[str, Any]) -> Iterator[tuple[tuple[Operand, Operand], bool]]:
    """Operands of a ``$macc`` cell, as its CONFIG parameter lays them out (Yosys' kernel/macc.h)."""
    config = item["parameters"]["CONFIG"][::-1]  # Yosys writes the most significant bit first
    at = 4
    size_bits = int(config[:at][::-1], 2)

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int(config[at - width : at][::-1], 2)

    bits = [logic.input(net) for net in item["connections"]["A"]]
    while bits:
        signed, subtract = bool(number(1)), bool(number(1))
        sizes = number(size_bits), number(size_bits)
        operands = []
        for size in sizes:
            operands.append(Operand(tuple(bits[:size]), signed))
            del bits[:size]
        yield (operands[0], operands[1]), subtract


def _alu(logic: Logic, item: dict[str, Any], style: Datapath) -> Iterator[tuple[int, int]]:
    """Pairs of a net and the literal it gets, for an ``$alu`` cell."""
    pins: dict[str, list[_Net]] = item["connections"]
    width = len(pins["Y"])
    invert, carry = (logic.input(pins[pin][0]) for pin in ("BI", "CI"))
    a, b = (
        _extended(logic, pins[pin], width, int(item["parameters"][f"{pin}_SIGNED"], 2))
        for pin in ("A", "B")
    )
    b = [logic.parity(bit, invert) for bit in b]
    sums, carries = add_carry(logic, a, b, carry, style.adder)
    yield from _outputs(pins["Y"], sums)
    yield from _outputs(pins["CO"], carries)
    yield from _outputs(pins["X"], [logic.parity(x, y) for x, y in zip(a, b, strict=True)])


def _extended(logic: Logic, nets: list[_Net], width: int, signed: int) -> list[int]:
    bits = [logic.input(net) for net in nets[:width]]
    return bits + [bits[-1] if signed else logic.input("0")] * (width - len(bits))


def _outputs(nets: list[_Net], literals: list[int]) -> Iterator[tuple[int, int]]:
    for net, literal in zip(nets, literals, strict=True):
        if isinstance(net, int):
            yield net, literal


AdderCell = Callable[[_Net, _Net, _Net, int, int, "count[int]"], dict[str, Any]]


def _gate_adder(
    a: _Net, b: _Net, c: _Net, total: int, carry: int, nets: "count[int]"
) -> dict[str, Any]:
    half, both, through = next(nets), next(nets), next(nets)
    gates: list[tuple[str, _Net, _Net, int]] = [
        ("$_XOR_", a, b, half),
        ("$_XOR_", half, c, total),
        ("$_AND_", a, b, both),
        ("$_AND_", half, c, through),
        ("$_OR_", both, through, carry),
    ]
    return {
        f"adder${y}": cell(kind, {"A": [left], "B": [right], "Y": [y]}, {"Y"})
        for kind, left, right, y in gates
    }


def _library_adder(role: Role) -> AdderCell:
    """Makes the cells of a full adder from the library's, inverting outputs that are complements."""

    def make(
        a: _Net, b: _Net, c: _Net, total: int, carry: int, nets: "count[int]"
    ) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        ports: dict[str, list[_Net]] = {}
        for purpose, net in (("a", a), ("b", b), ("c", c)):
            ports[role.pins[purpose]] = [net]
        for purpose, net in (("sum", total), ("carry", carry)):
            driven = net
            if purpose in role.inverted:
                driven = next(nets)
                cells[f"adder${net}"] = cell("$_NOT_", {"A": [driven], "Y": [net]}, {"Y"})
            ports[role.pins[purpose]] = [driven]
        outputs = {role.pins["sum"], role.pins["carry"]}
        cells[f"adder${total}"] = cell(role.cell, ports, outputs)
        return cells

    return make
