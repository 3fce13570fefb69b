"""A flat design of AND gates, inverters and stored bits, as Yosys' ``aigmap`` makes it.

The equivalence proof cuts two such designs at their stored bits and compares the logic between.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = [
    "AndGraph",
    "CombinationalLoop",
    "Stored",
    "always_zero",
    "blif_model",
    "read_and_graph",
    "simulate",
    "undriven",
]

_PLAIN = ("$_DFF_P_", "$_DLATCH_P_")  # nothing but clock or enable, and data
_RESET = ("$_DFF_PP0_", "$_DFF_PP1_")
_INVERTER, _AND = "$_NOT_", "$_AND_"
_HELD = ".gate.held"  # the latch in a kit's clock gate; in the RTL's it is one level up


class CombinationalLoop(Exception):
    """Raised where a gate feeds itself, so that there is no order to evaluate in."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A flip-flop or latch of one bit."""

    kind: str  # Yosys' cell type
    pins: dict[str, str]  # bits at its inputs, by pin
    output: str  # bit


@dataclass(kw_only=True)
class AndGraph:
    """One design. A bit is a number of Yosys' as text; ``0`` and ``1`` are the constants."""

    inputs: dict[str, str] = field(default_factory=dict)  # bits of the input ports, by name
    outputs: dict[str, str] = field(default_factory=dict)  # bits of the output ports, by name
    gates: dict[str, tuple[str, ...]] = field(default_factory=dict)  # inputs of each, by output
    stored: list[Stored] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # bits of all nets, by name

    def source(self, bit: str) -> tuple[str, bool]:
        """Return what drives a bit through inverters alone, and whether they invert it."""
        inverted = False
        while len(self.gates.get(bit, ())) == 1:
            (bit,) = self.gates[bit]
            inverted = not inverted
        return bit, inverted


def read_and_graph(text: str, top: str) -> AndGraph:
    """Return the design in the JSON of Yosys' ``write_json``, gates in the order of evaluation.

    Args:
        text: The JSON.
        top: Name of the module.

    Raises:
        CombinationalLoop: If the gates have no order.
    """
    module = json.loads(text)["modules"][top]
    made = AndGraph()
    for name, port in module["ports"].items():
        side = made.inputs if port["direction"] == "input" else made.outputs
        side.update(_bits(name, port))
    for name, net in module["netnames"].items():
        for bit, number in _bits(name, net):
            held = bit.endswith(_HELD)
            made.names[bit.removesuffix(_HELD) + ".held" if held else bit] = number
    gates: dict[str, tuple[str, ...]] = {}
    for cell in module["cells"].values():
        pins = {pin: _bit(bits[0]) for pin, bits in cell["connections"].items()}
        output = pins.pop("Q" if "Q" in pins else "Y")
        if cell["type"] in (_INVERTER, _AND):
            gates[output] = tuple(pins.values())
        else:
            made.stored.append(Stored(kind=cell["type"], pins=pins, output=output))
    made.gates = _ordered(gates)
    made.stored = [_without_tied_reset(made, stored) for stored in made.stored]
    return made


def _without_tied_reset(graph: AndGraph, stored: Stored) -> Stored:
    """Return the stored bit without its reset, if that is tied so that it does nothing."""
    if stored.kind in _RESET and graph.source(stored.pins["R"]) in (("0", False), ("1", True)):
        pins = {pin: bit for pin, bit in stored.pins.items() if pin != "R"}
        return Stored(kind=_PLAIN[0], pins=pins, output=stored.output)
    return stored


def _bit(number: int | str) -> str:
    return "0" if number == "x" else str(number)


def _bits(name: str, net: Mapping[str, list[int | str]]) -> Iterator[tuple[str, str]]:
    """Yield the name of each bit of a net, as ``splitnets`` would call it, and the bit."""
    bits, offset = net["bits"], net.get("offset", 0)
    assert isinstance(offset, int)
    for index, bit in enumerate(bits):
        yield (name if len(bits) == 1 else f"{name}[{offset + index}]"), _bit(bit)


def _ordered(gates: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the gates in an order in which each comes after those that drive it."""
    done: dict[str, tuple[str, ...]] = {}
    for start in gates:
        stack, entered = [start], set[str]()
        while stack:
            waiting = [pin for pin in gates[stack[-1]] if pin in gates and pin not in done]
            if not waiting:
                output = stack.pop()
                done[output] = gates[output]
            elif stack[-1] in entered:  # and what it waits for has been looked at since
                raise CombinationalLoop("a combinational loop, or a latch made of gates")
            else:
                entered.add(stack[-1])
                stack += waiting
    return done


def undriven(graph: AndGraph) -> list[str]:
    """Return the names of the nets that something reads and nothing drives."""
    driven = {"0", "1", *graph.inputs.values(), *graph.gates}
    driven |= {stored.output for stored in graph.stored}
    read = {pin for pins in graph.gates.values() for pin in pins} | set(graph.outputs.values())
    read |= {pin for stored in graph.stored for pin in stored.pins.values()}
    return sorted({name for name, bit in graph.names.items() if bit in read - driven})


def simulate(graph: AndGraph, given: Mapping[str, int], mask: int) -> dict[str, int]:
    """Return the values of all bits, for many patterns at once.

    Args:
        graph: The design.
        given: Values of inputs and stored bits; bit ``n`` of an integer is the value in pattern
            ``n``. What is absent is 0.
        mask: An integer with a 1 for every pattern.
    """
    values = {"0": 0, "1": mask, **given}
    for output, pins in graph.gates.items():
        first = values.get(pins[0], 0)
        values[output] = first & values.get(pins[1], 0) if len(pins) == 2 else first ^ mask
    return values


def always_zero(graph: AndGraph) -> set[str]:
    """Return the stored bits that stay 0 if they all begin as 0, whatever else happens."""
    zeros = {stored.output for stored in graph.stored if stored.kind in _PLAIN}
    while True:
        can = {"0": (True, False), "1": (False, True)}  # be 0, be 1
        can |= dict.fromkeys(zeros, (True, False))
        free = (True, True)
        for output, pins in graph.gates.items():
            first = can.get(pins[0], free)
            if len(pins) == 1:
                can[output] = first[1], first[0]
            else:
                second = can.get(pins[1], free)
                can[output] = first[0] or second[0], first[1] and second[1]
        fed = {stored.output: can.get(stored.pins["D"], free) for stored in graph.stored}
        kept = {bit for bit in zeros if not fed[bit][1]}
        if kept == zeros:
            return zeros
        zeros = kept


def blif_model(graph: AndGraph, inputs: Mapping[str, str], outputs: list[str]) -> str:
    """Return the logic between some bits as a BLIF model.

    Args:
        graph: The design.
        inputs: What drives each of the design's inputs and stored bits: an input of the model
            (``i3``), its inverse (``~i3``), or ``0``.
        outputs: Bits of the design that become the outputs ``o0``, ``o1``, ...; with ``~`` in
            front they are inverted.
    """
    used = sorted({driver.lstrip("~") for driver in inputs.values()} - {"0"}, key=_number)
    lines = [
        ".model logic",
        ".inputs " + " ".join(used),
        ".outputs " + " ".join(f"o{index}" for index in range(len(outputs))),
        ".names n0",
        ".names n1\n1",
    ]
    for bit, driver in inputs.items():
        lines.append(f".names n{bit}" if driver == "0" else _wire(driver, f"n{bit}"))
    for output, pins in graph.gates.items():
        row = "0 1" if len(pins) == 1 else "11 1"
        lines.append(f".names {' '.join(f'n{pin}' for pin in pins)} n{output}\n{row}")
    for index, bit in enumerate(outputs):
        inverted = "~" * bit.startswith("~")
        lines.append(_wire(f"{inverted}n{bit.lstrip('~')}", f"o{index}"))
    return "\n".join([*lines, ".end", ""])


def _number(name: str) -> int:
    return int(name[1:])


def _wire(driver: str, output: str) -> str:
    return f".names {driver.lstrip('~')} {output}\n{'0' if driver.startswith('~') else '1'} 1"
