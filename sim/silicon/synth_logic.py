"""Logic on single bits, as the datapath generator builds it: and, xor, full adders, constants folded.

A *literal* is an integer: ``2 * node``, plus 1 for its complement; ``FALSE`` and ``TRUE`` are the
constants. Equal gates are made once. Every literal knows its arrival time, in delays of a two-input
NAND, which is what the generator balances trees by.
"""

from dataclasses import dataclass
from itertools import count
from typing import Any

__all__ = ["FALSE", "TRUE", "Logic"]

FALSE, TRUE = 0, 1
_AND_DELAY, _XOR_DELAY, _SUM_DELAY, _CARRY_DELAY = 1.5, 2.0, 4.0, 3.5


@dataclass(frozen=True)
class _Gate:
    """A gate and, for full adders, which output this node is."""

    kind: str  # "and", "xor", "sum" or "carry"
    inputs: tuple[int, ...]


class Logic:
    """A network of gates on the nets of a Yosys JSON module."""

    def __init__(self) -> None:
        self._gates: list[_Gate | None] = [None]
        self._arrival: list[float] = [0.0]
        self._known: dict[_Gate, int] = {}
        self._nets: dict[int, int] = {}  # node -> net
        self._inputs: dict[int, int] = {}  # net -> literal

    def input(self, net: int | str) -> int:
        """Literal of a net, or of a constant ``"0"``, ``"1"``, ``"x"`` (taken as 0)."""
        if isinstance(net, str):
            return TRUE if net == "1" else FALSE
        if net not in self._inputs:
            self._inputs[net] = 2 * self._node(None, 0.0)
            self._nets[self._inputs[net] >> 1] = net
        return self._inputs[net]

    def arrival(self, literal: int) -> float:
        """When a literal is there, in NAND delays."""
        return self._arrival[literal >> 1]

    def conjunction(self, a: int, b: int) -> int:
        """``a and b``."""
        if a > b:
            a, b = b, a
        if a == FALSE or a ^ b == 1:
            return FALSE
        if a in (TRUE, b):
            return b
        return 2 * self._gate("and", (a, b), _AND_DELAY)

    def disjunction(self, a: int, b: int) -> int:
        """``a or b``."""
        return self.conjunction(a ^ 1, b ^ 1) ^ 1

    def parity(self, a: int, b: int) -> int:
        """``a xor b``."""
        flip = (a & 1) ^ (b & 1)
        a, b = sorted((a & ~1, b & ~1))
        if a == b:
            return FALSE ^ flip
        if a == FALSE:
            return b ^ flip
        return 2 * self._gate("xor", (a, b), _XOR_DELAY) ^ flip

    def full_adder(self, a: int, b: int, c: int) -> tuple[int, int]:
        """Sum and carry of three literals; simpler gates where one is constant or two are equal."""
        a, b, c = sorted((a, b, c))
        if a in (FALSE, TRUE):
            carry = self.conjunction(b, c) if a == FALSE else self.disjunction(b, c)
            return self.parity(b, c) ^ a, carry
        for x, y, z in ((a, b, c), (b, c, a)):
            if x >> 1 == y >> 1:
                return (z, x) if x == y else (z ^ 1, z)
        # The adder is self-dual: complementing all inputs complements both outputs.
        flip = int((a & 1) + (b & 1) + (c & 1) >= 2)
        inputs = (a ^ flip, b ^ flip, c ^ flip)
        total = 2 * self._gate("sum", inputs, _SUM_DELAY)
        carry = 2 * self._gate("carry", inputs, _CARRY_DELAY)
        return total ^ flip, carry ^ flip

    def _node(self, gate: _Gate | None, arrival: float) -> int:
        self._gates.append(gate)
        self._arrival.append(arrival)
        return len(self._gates) - 1

    def _gate(self, kind: str, inputs: tuple[int, ...], delay: float) -> int:
        gate = _Gate(kind, inputs)
        if gate not in self._known:
            arrival = delay + max(self.arrival(item) for item in inputs)
            self._known[gate] = self._node(gate, arrival)
        return self._known[gate]

    def emit(self, outputs: list[tuple[int, int]], nets: "count[int]", adder: "AdderCell") -> dict[str, Any]:
        """Yosys JSON cells that drive nets with literals.

        Args:
            outputs: Pairs of a net and the literal that is to drive it.
            nets: Source of fresh net numbers.
            adder: Makes the cells of a full adder.

        Returns:
            Cells by name.
        """
        cells: dict[str, Any] = {}

        def place(kind: str, output: int, **inputs: int | str) -> None:
            ports = {**{pin: [net] for pin, net in inputs.items()}, "Y": [output]}
            cells[f"datapath${output}"] = cell(kind, ports, {"Y"})

        def net_of(literal: int) -> int | str:
            if literal in (FALSE, TRUE):
                return str(literal)
            if literal not in inverted:
                if literal & 1:
                    inverted[literal] = next(nets)
                    place("$_NOT_", inverted[literal], A=node_net(literal >> 1))
                else:
                    inverted[literal] = node_net(literal >> 1)
            return inverted[literal]

        def node_net(node: int) -> int:
            return self._nets[node]

        inverted: dict[int, int] = {}
        needed = sorted(self._cone([literal >> 1 for _, literal in outputs]))
        done: set[tuple[int, ...]] = set()
        for node in needed:
            gate = self._gates[node]
            if gate is None or node in self._nets:
                continue
            if gate.kind in ("and", "xor"):
                self._nets[node] = next(nets)
                a, b = (net_of(item) for item in gate.inputs)
                place("$_AND_" if gate.kind == "and" else "$_XOR_", self._nets[node], A=a, B=b)
            elif gate.inputs not in done:
                done.add(gate.inputs)
                pair = [self._known.get(_Gate(kind, gate.inputs)) for kind in ("sum", "carry")]
                total, carry = next(nets), next(nets)
                for item, net in zip(pair, (total, carry), strict=True):
                    if item is not None:
                        self._nets[item] = net
                a, b, c = (net_of(item) for item in gate.inputs)
                cells.update(adder(a, b, c, total, carry, nets))
        for net, literal in outputs:
            place("$_BUF_", net, A=net_of(literal))
        return cells

    def _cone(self, roots: list[int]) -> set[int]:
        """Nodes that the roots depend on."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            gate = self._gates[node]
            if gate is not None:
                stack.extend(item >> 1 for item in gate.inputs)
        return seen


def cell(kind: str, ports: dict[str, list[int | str]], outputs: set[str]) -> dict[str, Any]:
    """A cell of a Yosys JSON module."""
    return {
        "hide_name": 1,
        "type": kind,
        "parameters": {},
        "attributes": {},
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in ports},
        "connections": ports,
    }
