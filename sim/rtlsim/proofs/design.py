"""Read a flat design, as Yosys writes it in JSON, as a graph of bits.

The graph answers what depends on what: combinationally, or through registers and latches, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from consilico.sim.base.errors import ToolError

__all__ = ["BITWISE", "STATE", "Bit", "Cell", "Design"]

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
class Cell:
    """One cell of the design."""

    name: str
    kind: str  # type, such as "$add"
    inputs: Mapping[str, list[Bit]]  # by port, lowest bit first
    outputs: Mapping[str, list[Bit]]

    @property
    def stores(self) -> bool:
        """Tell whether it is a register or a latch."""
        return self.kind in STATE


class Design:
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
        self.cells: list[Cell] = []
        self.driver: dict[Bit, tuple[Cell, str, int]] = {}  # net: cell, port and place
        for name, raw in self.module["cells"].items():
            ports = raw["connections"]
            directions = raw["port_directions"]
            cell = Cell(
                name,
                raw["type"],
                {port: bits for port, bits in ports.items() if directions[port] == "input"},
                {port: bits for port, bits in ports.items() if directions[port] == "output"},
            )
            if raw["type"] not in STATE and ("CLK" in ports or "EN" in ports or not cell.outputs):
                raise ToolError(f"no proof yet with cells of type {raw['type']} ({name})")
            self.cells.append(cell)
            for port, bits in cell.outputs.items():
                for place, bit in enumerate(bits):
                    self.driver[bit] = cell, port, place
        self._next = 1 + max(self._numbers(), default=1)

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

    def port(self, name: str) -> list[Bit]:
        """Return the bits of a port; none if the module has no such port."""
        return list(self.module["ports"].get(name, {"bits": []})["bits"])

    def fan_in(self, bit: Bit) -> list[Bit]:
        """Return the nets that a net is computed from, in one cell."""
        if bit not in self.driver:
            return []
        cell, _, place = self.driver[bit]
        found: list[Bit] = []
        for port, bits in cell.inputs.items():
            aligned = (cell.kind in BITWISE and port != "S") or (
                cell.stores and port in ("D", "AD")
            )
            if aligned and len(bits) > place:
                found.append(bits[place])
            elif aligned:  # a shorter operand, sign-extended
                found += bits[-1:]
            else:
                found += bits
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

    def ahead(self, seeds: Iterable[Bit]) -> set[Bit]:
        """Return the seeds and all nets that depend on them, through registers and latches, too."""
        return _reached(seeds, lambda bit: self._readers.get(bit, []))

    @cached_property
    def _readers(self) -> dict[Bit, list[Bit]]:
        readers: dict[Bit, list[Bit]] = {}
        for bit in self.driver:
            for source in self.fan_in(bit):
                readers.setdefault(source, []).append(bit)
        return readers

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


def _reached(seeds: Iterable[Bit], step: Callable[[Bit], list[Bit]]) -> set[Bit]:
    found: set[Bit] = {bit for bit in seeds if isinstance(bit, int)}
    pending = list(found)
    while pending:
        for bit in step(pending.pop()):
            if bit not in found:
                found.add(bit)
                pending.append(bit)
    return found
