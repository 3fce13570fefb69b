"""Write a flat netlist as Verilog that every tool reads: plain names, one module."""

import re
from collections.abc import Mapping, Sequence

from consilico.sim.silicon.netlist.netlist import Netlist
from consilico.sim.silicon.netlist.syntax import CONSTANTS

__all__ = ["FullNames", "PlainNames", "write_netlist"]

_CONSTANTS = {number: literal for literal, number in CONSTANTS.items()}
_WORDS = """
always and assign begin buf case cell config default defparam design edge else end endcase endmodule
event for force forever fork function if include initial inout input instance integer join large
library localparam macromodule medium module nand negedge nor not or output parameter posedge
pulldown pullup real reg release repeat scalared signed small specify specparam strength supply0
supply1 table task time tran tri triand trior trireg unsigned use vectored wait wand while wire wor
xnor xor
"""
_KEYWORDS = frozenset(_WORDS.split())


class PlainNames:
    """Names of nets and instances without escapes, for tools that cannot read those.

    Every character that is not a letter, a digit or an underscore becomes an underscore; names
    that would be equal are numbered. Bits of a port keep the port's name and index.
    """

    def __init__(self, netlist: Netlist) -> None:
        taken = {*netlist.ports, *_KEYWORDS}
        self.net: dict[int, str] = {}
        self.aliases: list[tuple[str, int]] = []  # port bits whose net has another name
        for direction in ("input", "output", "inout"):
            for name, (own, nets) in netlist.ports.items():
                if own == direction:
                    self._add_port(name, nets)
        for name, net in netlist.names.items():
            if net not in self.net and net not in _CONSTANTS:
                self.net[net] = _unused(name, taken)
        for instance in netlist.instances:
            for net in instance.pins.values():
                if net not in self.net and net not in _CONSTANTS:
                    self.net[net] = _unused(f"net_{net}", taken)
        self.instance = [_unused(instance.name, taken) for instance in netlist.instances]

    def _add_port(self, name: str, nets: Sequence[int]) -> None:
        for place, net in enumerate(nets):
            bit = f"{name}[{len(nets) - 1 - place}]" if len(nets) > 1 else name
            if net in _CONSTANTS or net in self.net:
                self.aliases.append((bit, net))
            else:
                self.net[net] = bit

    def of(self, net: int) -> str:
        """Return the name of a net, or the constant that it is."""
        return _CONSTANTS.get(net) or self.net[net]


class FullNames(PlainNames):
    """Names of nets as the netlist has them, escaped where need be, so that recordings know them.

    Instances have plain names.
    """

    def __init__(self, netlist: Netlist) -> None:
        super().__init__(netlist)
        for name, net in reversed(netlist.names.items()):  # the first name counts
            if net in self.net and self.net[net].partition("[")[0] not in netlist.ports:
                self.net[net] = f"\\{name} "


def _unused(name: str, taken: set[str]) -> str:
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "x"
    if plain[0].isdigit():
        plain = f"x{plain}"
    number, unused = 1, plain
    while unused in taken:
        number += 1
        unused = f"{plain}_{number}"
    taken.add(unused)
    return unused


def write_netlist(netlist: Netlist, names: PlainNames) -> str:
    """Return a netlist as one Verilog module of cell instances.

    Args:
        netlist: Flat.
        names: Of its nets and instances.
    """
    lines = [f"module {netlist.top}({', '.join(netlist.ports)});"]
    for name, (direction, nets) in netlist.ports.items():
        width = f"[{len(nets) - 1}:0] " if len(nets) > 1 else ""
        lines.append(f"  {direction} {width}{name};")
    ports = {bit for bit in names.net.values() if bit.partition("[")[0] in netlist.ports}
    lines += [f"  wire {name};" for name in names.net.values() if name not in ports]
    for name, instance in zip(names.instance, netlist.instances, strict=True):
        pins: Mapping[str, int] = instance.pins
        connected = ", ".join(f".{pin}({names.of(net)})" for pin, net in pins.items())
        lines.append(f"  {instance.cell} {name} ({connected});")
    lines += [f"  assign {bit} = {names.of(net)};" for bit, net in names.aliases]
    return "\n".join([*lines, "endmodule", ""])
