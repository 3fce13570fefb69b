"""A flat netlist of library cells: read from Yosys' JSON, changed by sizing, written as Verilog."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["CellNetlist", "largest_net"]

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*$")


def largest_net(module: dict[str, Any]) -> int:
    """Largest net number of a Yosys JSON module."""
    groups = [bits for item in module["cells"].values() for bits in item["connections"].values()]
    groups += [item["bits"] for item in module["netnames"].values()]
    groups += [port["bits"] for port in module["ports"].values()]
    return max((bit for bits in groups for bit in bits if isinstance(bit, int)), default=1)


@dataclass
class _Instance:
    cell: str
    pins: dict[str, str]  # pin: net


class CellNetlist:
    """One module whose instances are all library cells."""

    def __init__(self, module: dict[str, Any], top: str) -> None:
        self.top = top
        self._ports: dict[str, tuple[str, int]] = {}  # name: direction, width
        self._aliases: list[tuple[str, str]] = []  # output port bit, net
        self._instances: dict[str, _Instance] = {}
        names = self._name_ports(module["ports"])
        labels = _labels(module["netnames"])
        taken = {name.partition("[")[0] for name in names.values()}
        for index, item in enumerate(module["cells"].values()):
            pins: dict[str, str] = {}
            for pin, bits in item["connections"].items():
                if len(bits) != 1:
                    raise ValueError(f"{item['type']} has a pin {pin} of {len(bits)} bits")
                net = bits[0]
                if isinstance(net, int) and net not in names:
                    names[net] = _fresh(labels.get(net, f"n{net}"), taken)
                pins[pin] = names[net] if isinstance(net, int) else f"1'b{net}"
            self._instances[f"g{index}"] = _Instance(item["type"], pins)
        for bit, net in self._unnamed_outputs(module["ports"], names):
            self._aliases.append((bit, net))

    def _name_ports(self, ports: dict[str, Any]) -> dict[int, str]:
        """Nets named by the port bit that carries them; inputs come first."""
        names: dict[int, str] = {}
        for port, item in sorted(ports.items(), key=lambda pair: pair[1]["direction"]):
            if not _IDENTIFIER.match(port):
                raise ValueError(f"port {port!r} has a name that needs escaping")
            self._ports[port] = (item["direction"], len(item["bits"]))
            for bit, net in _bits(port, item["bits"]):
                if isinstance(net, int):
                    names.setdefault(net, bit)
        return names

    @staticmethod
    def _unnamed_outputs(
        ports: dict[str, Any], names: dict[int, str]
    ) -> Iterable[tuple[str, str]]:
        for port, item in ports.items():
            if item["direction"] == "output":
                for bit, net in _bits(port, item["bits"]):
                    name = names[net] if isinstance(net, int) else f"1'b{net}"
                    if name != bit:
                        yield bit, name

    def counts(self) -> dict[str, int]:
        """Number of instances of each cell, by name."""
        return dict(sorted(Counter(item.cell for item in self._instances.values()).items()))

    def inputs(self) -> list[str]:
        """Names of the input ports."""
        return [name for name, (direction, _) in self._ports.items() if direction == "input"]

    def instances(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Name, cell and nets by pin of each instance."""
        for name, item in self._instances.items():
            yield name, item.cell, item.pins

    def pins(self, instance: str) -> dict[str, str]:
        """Nets of an instance by pin."""
        return self._instances[instance].pins

    def output_nets(self) -> set[str]:
        """Nets that output ports carry."""
        own = {bit for port, (direction, width) in self._ports.items() if direction == "output"
               for bit in _names(port, width)}
        return own | {net for _, net in self._aliases}

    def input_nets(self) -> set[str]:
        """Nets that input ports carry."""
        return {bit for port, (direction, width) in self._ports.items() if direction == "input"
                for bit in _names(port, width)}

    def swap(self, instance: str, cell: str) -> None:
        """Use another cell with the same pins for an instance."""
        self._instances[instance].cell = cell

    def buffer(
        self, name: str, cell: str, pins: tuple[str, str], source: str, sinks: Iterable[str]
    ) -> str:
        """Put a buffer between a net and some of the pins it feeds.

        Args:
            name: Of the new instance.
            cell: The buffer.
            pins: Its input and output pin.
            source: The net.
            sinks: Pins to move behind the buffer, as ``instance/pin``.

        Returns:
            The net behind the buffer.
        """
        net = f"{name}_z"
        self._instances[name] = _Instance(cell, {pins[0]: source, pins[1]: net})
        self._rewire(sinks, net)
        return net

    def unbuffer(self, name: str, source: str, sinks: Iterable[str]) -> None:
        """Take a buffer out again."""
        del self._instances[name]
        self._rewire(sinks, source)

    def _rewire(self, sinks: Iterable[str], net: str) -> None:
        for sink in sinks:
            instance, _, pin = sink.partition("/")
            self._instances[instance].pins[pin] = net

    def verilog(self) -> str:
        """Structural Verilog: scalar nets, named pins, no concatenations."""
        lines = [f"module {self.top}({', '.join(self._ports)});"]
        for name, (direction, width) in self._ports.items():
            lines.append(f"  {direction} {_range(width)}{name};")
        nets = {net for item in self._instances.values() for net in item.pins.values()}
        ports = set(self._ports)
        wires = sorted(net for net in nets if "[" not in net and "'" not in net and net not in ports)
        lines += [f"  wire {net};" for net in wires]
        for name, item in self._instances.items():
            pins = ", ".join(f".{pin}({net})" for pin, net in item.pins.items())
            lines.append(f"  {item.cell} {name} ({pins});")
        lines += [f"  assign {bit} = {net};" for bit, net in self._aliases]
        return "\n".join([*lines, "endmodule", ""])


def _names(port: str, width: int) -> list[str]:
    return [port] if width == 1 else [f"{port}[{bit}]" for bit in range(width)]


def _bits(port: str, nets: list[int | str]) -> list[tuple[str, int | str]]:
    if len(nets) == 1:
        return [(port, nets[0])]
    return [(f"{port}[{index}]", net) for index, net in enumerate(nets)]


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _labels(netnames: dict[str, Any]) -> dict[int, str]:
    """Readable names of the nets that the source named, as plain identifiers."""
    labels: dict[int, str] = {}
    for name, item in netnames.items():
        if not item["hide_name"]:
            stem = re.sub(r"\W", "_", name)
            for bit, net in _bits(stem, item["bits"]):
                if isinstance(net, int):
                    labels.setdefault(net, re.sub(r"\[(\d+)\]", r"_\1", bit))
    return labels


def _fresh(label: str, taken: set[str]) -> str:
    name = label if _IDENTIFIER.match(label) else f"n_{label}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name
