"""A flat design of AND gates, inverters and stored bits, as Yosys' ``aigmap`` leaves it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = [
    "CombinationalLoop",
    "Cones",
    "Stored",
    "always_zero",
    "model",
    "read_cones",
    "simulate",
    "undriven",
]

_PLAIN = ("$_DFF_P_", "$_DLATCH_P_")  # nothing but clock or enable, and data
_RESET = ("$_DFF_PP0_", "$_DFF_PP1_")
_INVERTER, _AND = "$_NOT_", "$_AND_"
_HELD = ".gate.held"  # the latch in a kit's clock gate; in the RTL's it is one level up


class CombinationalLoop(Exception):
    """A gate feeds itself, so there is no order to evaluate in."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A flip-flop or latch of one bit."""

    kind: str  # Yosys' cell type
    pins: dict[str, str]  # its inputs
    output: str


@dataclass(kw_only=True)
class Cones:
    """One design. Bits are Yosys' numbers as text; ``0`` and ``1`` are constants."""

    inputs: dict[str, str] = field(default_factory=dict)  # bits of the input ports, by name
    outputs: dict[str, str] = field(default_factory=dict)
    gates: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by output; AND or inverter
    stored: list[Stored] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # of nets, to their bits

    def source(self, bit: str) -> tuple[str, bool]:
        """What drives a bit through inverters alone, and whether they invert it."""
        inverted = False
        while len(self.gates.get(bit, ())) == 1:
            (bit,) = self.gates[bit]
            inverted = not inverted
        return bit, inverted


def read_cones(text: str, top: str) -> Cones:
    """Read what Yosys' ``write_json`` says of a design, its gates in the order of evaluation."""
    module = json.loads(text)["modules"][top]
    made = Cones()
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


def _without_tied_reset(cones: Cones, stored: Stored) -> Stored:
    """A reset that is tied so that it does nothing, as some kits have it, is none."""
    if stored.kind in _RESET and cones.source(stored.pins["R"]) in (("0", False), ("1", True)):
        pins = {pin: bit for pin, bit in stored.pins.items() if pin != "R"}
        return Stored(kind=_PLAIN[0], pins=pins, output=stored.output)
    return stored


def _bit(number: int | str) -> str:
    return "0" if number == "x" else str(number)


def _bits(name: str, net: Mapping[str, list[int | str]]) -> Iterator[tuple[str, str]]:
    """Name and number of each bit, as ``splitnets`` calls them."""
    bits, offset = net["bits"], net.get("offset", 0)
    assert isinstance(offset, int)
    for index, bit in enumerate(bits):
        yield (name if len(bits) == 1 else f"{name}[{offset + index}]"), _bit(bit)


def _ordered(gates: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same gates, each after those that drive it."""
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


def undriven(cones: Cones) -> list[str]:
    """Nets that something reads and nothing drives."""
    driven = {"0", "1", *cones.inputs.values(), *cones.gates}
    driven |= {stored.output for stored in cones.stored}
    read = {pin for pins in cones.gates.values() for pin in pins} | set(cones.outputs.values())
    read |= {pin for stored in cones.stored for pin in stored.pins.values()}
    return sorted({name for name, bit in cones.names.items() if bit in read - driven})


def simulate(cones: Cones, given: Mapping[str, int], mask: int) -> dict[str, int]:
    """Values of all bits, many patterns at once.

    Args:
        cones: The design.
        given: A pattern in each bit of an integer, for inputs and stored bits; 0 where absent.
        mask: As many ones as there are patterns.
    """
    values = {"0": 0, "1": mask, **given}
    for output, pins in cones.gates.items():
        first = values.get(pins[0], 0)
        values[output] = first & values.get(pins[1], 0) if len(pins) == 2 else first ^ mask
    return values


def always_zero(cones: Cones) -> set[str]:
    """Stored bits that stay 0 if all of them begin as 0, whatever everything else does."""
    zeros = {stored.output for stored in cones.stored if stored.kind in _PLAIN}
    while True:
        can = {"0": (True, False), "1": (False, True)}  # be 0, be 1
        can |= dict.fromkeys(zeros, (True, False))
        free = (True, True)
        for output, pins in cones.gates.items():
            first = can.get(pins[0], free)
            if len(pins) == 1:
                can[output] = first[1], first[0]
            else:
                second = can.get(pins[1], free)
                can[output] = first[0] or second[0], first[1] and second[1]
        fed = {stored.output: can.get(stored.pins["D"], free) for stored in cones.stored}
        kept = {bit for bit in zeros if not fed[bit][1]}
        if kept == zeros:
            return zeros
        zeros = kept


def model(cones: Cones, inputs: Mapping[str, str], outputs: list[str]) -> str:
    """BLIF of the logic between some bits.

    Args:
        cones: The design.
        inputs: What drives each of its inputs and stored bits: an input of the model, one
            inverted (``~i3``), or ``0``.
        outputs: Its bits that become ``o0``, ``o1``, ...; inverted with ``~``.
    """
    used = sorted({driver.lstrip("~") for driver in inputs.values()} - {"0"}, key=_number)
    lines = [
        ".model cones",
        ".inputs " + " ".join(used),
        ".outputs " + " ".join(f"o{index}" for index in range(len(outputs))),
        ".names n0",
        ".names n1\n1",
    ]
    for bit, driver in inputs.items():
        lines.append(f".names n{bit}" if driver == "0" else _wire(driver, f"n{bit}"))
    for output, pins in cones.gates.items():
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
