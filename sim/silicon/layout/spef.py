"""SPEF (IEEE 1481): the resistances and capacitances of wires, written and read."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.silicon.layout.placement import PlaceableDesign
from consilico.sim.silicon.layout.wires import NetWire
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist

__all__ = ["read_spef", "write_spef", "write_wired"]

_MOST_BYTES = 1 << 30
_LEAST_OHM = 1e-3  # of an edge without length: two pins in one place
_FARADS = {"PF": 1e-12, "FF": 1e-15}
_HEAD = """*SPEF "IEEE 1481-1998"
*DESIGN "{top}"
*DATE "not stated"
*VENDOR "Consilico"
*PROGRAM "consilico"
*VERSION "1"
*DESIGN_FLOW "ESTIMATED_FROM_PLACEMENT"
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER [ ]
*T_UNIT 1 NS
*C_UNIT 1 FF
*R_UNIT 1 OHM
*L_UNIT 1 HENRY
"""


def write_wired(
    folder: Path, design: PlaceableDesign, wires: Sequence[NetWire], names: PlainNames
) -> tuple[Path, Path]:
    """Write a netlist under its plain names, and the SPEF that goes with it.

    Args:
        folder: Where to.
        design: The netlist as it was placed.
        wires: Of its nets.
        names: Under which other tools see nets and instances.

    Returns:
        Paths of ``netlist.v`` and ``wires.spef``.
    """
    netlist, spef = folder / "netlist.v", folder / "wires.spef"
    netlist.write_text(write_netlist(design.netlist, names))
    spef.write_text(write_spef(design, wires, names))
    return netlist, spef


def write_spef(design: PlaceableDesign, wires: Sequence[NetWire], names: PlainNames) -> str:
    """Return the wires of a placed design as SPEF; each edge of a tree is a pi segment.

    Args:
        design: What the wires connect.
        wires: One per net.
        names: Of nets and instances, as in the netlist that the SPEF goes with.
    """
    head = _HEAD.format(top=design.netlist.top)
    return "".join([head, *(part for wire in wires for part in _net(design, wire, names))])


def _net(design: PlaceableDesign, wire: NetWire, names: PlainNames) -> Iterator[str]:
    """Yield the lines of one net."""
    net = names.of(wire.net)
    nodes, connections = [], []
    for pin in wire.pins.tolist():
        at = int(design.pin_object[pin])
        if at < design.cells:
            node = f"{names.instance[at]}:{design.pin_name[pin]}"
            drives = design.pin_drives[pin]
            connections.append(f"*I {node} {'O' if drives else 'I'}\n")
        else:
            port = design.ports[at - design.cells]
            node = port.name
            connections.append(f"*P {node} {'I' if port.direction == 'input' else 'O'}\n")
        nodes.append(node)
    nodes += [f"{net}:{number}" for number in range(1, len(wire.tree.points) - len(nodes) + 1)]
    yield f"\n*D_NET {net} {wire.capacitance_f * 1e15:.6g}\n*CONN\n"
    yield from connections
    yield "*CAP\n"
    for number, (node, farads) in enumerate(
        zip(nodes, wire.node_capacitances_f().tolist(), strict=True), start=1
    ):
        yield f"{number} {node} {farads * 1e15:.6g}\n"
    yield "*RES\n"
    ends = wire.tree.edges.tolist()
    for number, ((one, other), ohm) in enumerate(
        zip(ends, wire.edge_resistances_ohm().tolist(), strict=True), start=1
    ):
        yield f"{number} {nodes[one]} {nodes[other]} {max(ohm, _LEAST_OHM):.6g}\n"
    yield "*END\n"


def read_spef(path: Path) -> dict[str, float]:
    """Return the capacitance of each net's wire in F, by the name of the net.

    Coupling capacitances count as written in the total of a net.

    Args:
        path: SPEF file, plain or gzipped.

    Raises:
        UserError: If the file cannot be read or is no SPEF, a capacitance is no number or is
            negative, a unit is unknown, a mapped name is not in the map, or a net is given twice.
    """
    text = read_input_text(path, "SPEF file", limit_bytes=_MOST_BYTES, unzip=True)
    if not text.lstrip().startswith("*SPEF"):
        raise UserError(f"{path} is no SPEF file: it does not begin with *SPEF")
    farads: float | None = None
    delimiters = "[]"
    known: dict[str, str] = {}
    found: dict[str, float] = {}
    in_map = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        match words:
            case ["*C_UNIT", count, unit]:
                if unit.upper() not in _FARADS:
                    raise UserError(f"{path}, line {number}: *C_UNIT must be PF or FF, not {unit}")
                farads = _number(path, number, count) * _FARADS[unit.upper()]
            case ["*BUS_DELIMITER", *marks]:
                delimiters = "".join(marks) or delimiters
            case ["*NAME_MAP"]:
                in_map = True
            case [index, name] if in_map and re.fullmatch(r"\*\d+", index):
                known[index] = name
            case ["*D_NET", index, total, *_]:
                in_map = False
                if farads is None:
                    raise UserError(f"{path}, line {number}: a net before *C_UNIT")
                name = known.get(index, index)
                if name.startswith("*"):
                    raise UserError(f"{path}, line {number}: {index} is not in *NAME_MAP")
                name = _plain(name, delimiters)
                if name in found:
                    raise UserError(f"{path}, line {number}: net {name} is given twice")
                found[name] = _number(path, number, total) * farads
            case [word, *_] if word.startswith("*") and not word[1:2].isdigit():
                in_map = False
    if not found:
        raise UserError(f"{path} has no net (*D_NET)")
    return found


def _plain(name: str, delimiters: str) -> str:
    """Return a name as a netlist has it: without escapes, with square brackets around bits."""
    name = name.replace("\\", "")
    if delimiters[:1] not in ("", "["):
        opening, closing = delimiters[0], delimiters[-1]
        pattern = rf"{re.escape(opening)}(\d+){re.escape(closing) if closing != opening else ''}$"
        name = re.sub(pattern, r"[\1]", name)
    return name


def _number(path: Path, line: int, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"{path}, line {line}: a capacitance must be 0 or more, not {word}")
    return value
