"""Read a flat design, as Yosys writes it in JSON, as a graph of bits.

The graph answers what depends on what: combinationally, or through registers and latches, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from consilico.sim.base.errors import ToolError

__all__ = ["BITWISE", "STATE", "Bit", "FlatCell", "FlatModule", "raw_cell"]

Bit = int | str  # number of a net, or the constant "0", "1", "x" or "z"
BITWISE = frozenset({"$and", "$or", "$xor", "$xnor", "$not", "$pos", "$mux"})
# Cells that store, and which of their inputs decides when: a clock, or the enable of a latch; a
# $ff stores in every step of a proof
STATE = {
    "$ff": "",
    "$dff": "CLK", "$dffe": "CLK", "$adff": "CLK", "$adffe": "CLK", "$sdff": "CLK",
    "$sdffe": "CLK", "$sdffce": "CLK", "$aldff": "CLK", "$dffsr": "CLK", "$dlatch": "EN",
    "$adlatch": "EN",
}  # fmt: skip


@dataclass(frozen=True)
class FlatCell:
    """One cell of the design."""

    name: str
    kind: str  # type, such as "$add"
    inputs: Mapping[str, list[Bit]]  # by port, lowest bit first
    outputs: Mapping[str, list[Bit]]

    @property
    def stores(self) -> bool:
        """Tell whether it is a register or a latch."""
        return self.kind in STATE

    def operand(self, port: str, place: int) -> list[Bit]:
        """Return the nets of an input that the output bit at a place is computed from."""
        bits = self.inputs[port]
        if (self.kind in BITWISE and port != "S") or (self.stores and port in ("D", "AD")):
            return bits[place : place + 1] or bits[-1:]  # a shorter operand is sign-extended
        return bits


class FlatModule:
    """A flat module.

    Args:
        whole: What Yosys' ``write_json`` wrote, with one module named ``top``.
        top: Name of the module.

    Raises:
        ToolError: If it holds cells that store and are not known here.
    """

    def __init__(self, whole: dict[str, Any], top: str) -> None:
        self.whole = whole
        self.module: dict[str, Any] = whole["modules"][top]
        self.driver: dict[Bit, tuple[FlatCell, str, int]] = {}  # net: cell, port and place
        # Those that were read, not those added later
        self.cells = [self._driving(name, raw) for name, raw in self.module["cells"].items()]
        self._next = 1 + max(self._numbers(), default=1)
        self._added = 0  # cells

    def _driving(self, name: str, raw: dict[str, Any]) -> FlatCell:
        """Return a cell, and enter it as the one that drives its outputs."""
        ports, directions = raw["connections"], raw["port_directions"]
        cell = FlatCell(
            name,
            raw["type"],
            {port: bits for port, bits in ports.items() if directions[port] == "input"},
            {port: bits for port, bits in ports.items() if directions[port] == "output"},
        )
        if raw["type"] not in STATE and ("CLK" in ports or "EN" in ports or not cell.outputs):
            raise ToolError(f"no proof yet with cells of type {raw['type']} ({name})")
        for port, bits in cell.outputs.items():
            for place, bit in enumerate(bits):
                self.driver[bit] = cell, port, place
        return cell

    def _numbers(self) -> Iterator[int]:
        for port in self.module["ports"].values():
            yield from (bit for bit in port["bits"] if isinstance(bit, int))
        for name in self.module["netnames"].values():
            yield from (bit for bit in name["bits"] if isinstance(bit, int))
        for cell in self.cells:
            for bits in (*cell.inputs.values(), *cell.outputs.values()):
                yield from (bit for bit in bits if isinstance(bit, int))

    def new_bits(self, count: int) -> list[Bit]:
        """Return numbers of nets that are not in use."""
        start = self._next
        self._next += count
        return list(range(start, start + count))

    def add(self, raw: dict[str, Any]) -> None:
        """Add a cell, which :func:`raw_cell` made, under a name of its own."""
        cells = self.module["cells"]
        while f"$consilico${self._added}" in cells:
            self._added += 1
        name = f"$consilico${self._added}"
        cells[name] = raw
        self._driving(name, raw)

    def add_port(self, name: str, direction: str, bits: list[Bit]) -> None:
        """Add a port, and a name for its nets."""
        self.module["ports"][name] = {"direction": direction, "bits": bits}
        self.module["netnames"][name] = {"hide_name": 0, "bits": bits, "attributes": {}}

    def port(self, name: str) -> list[Bit]:
        """Return the bits of a port; none if the module has no such port."""
        return list(self.module["ports"].get(name, {"bits": []})["bits"])

    def net(self, name: str) -> list[Bit]:
        """Return the bits of a net, or some of them, by a name such as ``total[27:0]``.

        Raises:
            ToolError: If there is no such net.
        """
        whole, _, places = name.removesuffix("]").partition("[")
        found = self.module["netnames"].get(whole)
        if found is None:
            raise ToolError(f"the design has no net {whole}, which its contract names")
        if not places:
            return list(found["bits"])
        high, _, low = places.partition(":")
        return list(found["bits"][int(low or high) : int(high) + 1])

    def fan_in(self, bit: Bit) -> list[Bit]:
        """Return the nets that a net is computed from, in one cell."""
        if bit not in self.driver:
            return []
        cell, _, place = self.driver[bit]
        found = [each for port in cell.inputs for each in cell.operand(port, place)]
        return [each for each in found if isinstance(each, int)]

    def behind(self, seeds: Iterable[Bit], *, through_state: bool = True) -> set[Bit]:
        """Return the seeds and all nets that they are computed from.

        Args:
            seeds: Nets.
            through_state: Whether to go on through registers and latches; else the nets that these
                drive are the last.
        """

        def before(bit: Bit) -> list[Bit]:
            at = self.driver.get(bit)
            return [] if at is None or (at[0].stores and not through_state) else self.fan_in(bit)

        return _reached(seeds, before)

    def ahead(self, seeds: Iterable[Bit], *, through_state: bool = True) -> set[Bit]:
        """Return the seeds and all nets that depend on them.

        Args:
            seeds: Nets.
            through_state: Whether registers and latches pass on the dependence.
        """

        def after(bit: Bit) -> list[Bit]:
            return [
                each
                for each in self._dependents.get(bit, [])
                if through_state or not self.driver[each][0].stores
            ]

        return _reached(seeds, after)

    @cached_property
    def moments(self) -> list[Bit]:
        """Return the nets that decide when something is stored: clocks and enables of latches."""
        found: dict[Bit, None] = {}
        for cell in self.cells:
            if cell.stores:
                for bit in cell.inputs.get(STATE[cell.kind], ()):
                    if isinstance(bit, int):
                        found[bit] = None
        return list(found)

    def readers(self, bit: Bit) -> list[FlatCell]:
        """Return the cells that a net is an input of."""
        return self._readers.get(bit, [])

    @cached_property
    def _dependents(self) -> dict[Bit, list[Bit]]:
        found: dict[Bit, list[Bit]] = {}
        for bit in self.driver:
            for source in self.fan_in(bit):
                found.setdefault(source, []).append(bit)
        return found

    @cached_property
    def _readers(self) -> dict[Bit, list[FlatCell]]:
        found: dict[Bit, list[FlatCell]] = {}
        for cell in self.cells:
            for bit in dict.fromkeys(bit for bits in cell.inputs.values() for bit in bits):
                found.setdefault(bit, []).append(cell)
        return found

    def leaves(self, bit: Bit) -> set[Bit]:
        """Return the ports and outputs of registers and latches that a net is computed from."""
        cone = self.behind([bit], through_state=False)
        return {each for each in cone if each not in self.driver or self.driver[each][0].stores}

    @cached_property
    def names(self) -> dict[Bit, str]:
        """Return a name for each net that has one, the shortest."""
        found: dict[Bit, str] = {}
        for name, raw in self.module["netnames"].items():
            wide = len(raw["bits"]) > 1
            for place, bit in enumerate(raw["bits"]):
                full = f"{name}[{place}]" if wide else name
                if bit not in found or len(full) < len(found[bit]):
                    found[bit] = full
        return found


def raw_cell(
    kind: str,
    inputs: Mapping[str, list[Bit]],
    outputs: Mapping[str, list[Bit]],
    parameters: Mapping[str, int | str] = {},
) -> dict[str, Any]:
    """Return a cell as Yosys' JSON has it.

    Args:
        kind: Its type.
        inputs: Nets by port.
        outputs: Likewise.
        parameters: Those that do not follow from the widths of its ports; all operands of an
            operator count as unsigned.
    """
    width = {f"{port}_WIDTH": len(bits) for port, bits in {**inputs, **outputs}.items()}
    if kind in ("$ff", "$mux", "$pmux", "$anyseq"):
        width = {"WIDTH": len(next(iter(outputs.values())))}
        if kind == "$pmux":
            width["S_WIDTH"] = len(inputs["S"])
    else:
        width |= {f"{port}_SIGNED": 0 for port in inputs}
    return {
        "hide_name": 1, "type": kind, "attributes": {},
        "parameters": {
            name: f"{value:032b}" if isinstance(value, int) else value
            for name, value in {**width, **parameters}.items()
        },
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {**inputs, **outputs},
    }  # fmt: skip


def _reached(seeds: Iterable[Bit], step: Callable[[Bit], list[Bit]]) -> set[Bit]:
    found: set[Bit] = {bit for bit in seeds if isinstance(bit, int)}
    pending = list(found)
    while pending:
        for bit in step(pending.pop()):
            if bit not in found:
                found.add(bit)
                pending.append(bit)
    return found
