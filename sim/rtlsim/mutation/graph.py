"""Sequential and-inverter graphs: read from AIGER, rebuilt under a fault, written for ABC.

A literal is twice the number of a node, plus 1 if inverted; node 0 is the constant 0. Source: A.
Biere, "The AIGER and-inverter graph format", http://fmv.jku.at/aiger/.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Builder", "Graph", "read_aiger"]

FALSE, TRUE = 0, 1


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A design as an AIGER file has it: inputs first, then latches, then gates by level."""

    inputs: tuple[str, ...]  # names; the first is node 1
    outputs: Mapping[str, int]  # literals by name
    next_state: tuple[int, ...]  # literals, by latch
    gates: tuple[tuple[int, int], ...]  # literals of the operands

    @property
    def first_latch(self) -> int:
        """Return the node of the first latch."""
        return 1 + len(self.inputs)

    @property
    def first_gate(self) -> int:
        """Return the node of the first gate."""
        return self.first_latch + len(self.next_state)

    def known_after(self, held: Mapping[str, bool]) -> list[bool]:
        """Tell which latches hold the same after a step, whatever they and other inputs hold.

        Args:
            held: Inputs that are held at a value in this step.
        """
        known: dict[int, bool] = {0: False}
        for node, name in enumerate(self.inputs, 1):
            if name in held:
                known[node] = held[name]

        def value(literal: int) -> bool | None:
            found = known.get(literal >> 1)
            return None if found is None else found ^ bool(literal & 1)

        for node, (a, b) in enumerate(self.gates, self.first_gate):
            one, other = value(a), value(b)
            if one is False or other is False:
                known[node] = False
            elif one and other:
                known[node] = True
        return [value(literal) is not None for literal in self.next_state]

    def values(self, given: Sequence[int], state: Sequence[int], ones: int) -> list[int]:
        """Return the value of every node, in several cases at once: a bit for each.

        Args:
            given: Of the inputs.
            state: Of the latches.
            ones: A bit 1 for each case.
        """
        found = [0, *given, *state]
        for a, b in self.gates:
            one, other = found[a >> 1], found[b >> 1]
            found.append((one ^ ones if a & 1 else one) & (other ^ ones if b & 1 else other))
        return found


def read_aiger(raw: bytes) -> Graph:
    """Return the graph in a binary AIGER file that names its inputs and outputs."""
    head, _, rest = raw.partition(b"\n")
    inputs, latches, outputs, gates = (int(word) for word in head.split()[2:6])
    lines = []
    for _ in range(latches + outputs):
        line, _, rest = rest.partition(b"\n")
        lines.append(int(line.split()[0]))
    at, found = 0, []

    def number() -> int:
        nonlocal at
        total, shift = 0, 0
        while True:
            byte = rest[at]
            at += 1
            total |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return total

    for index in range(gates):
        high = 2 * (inputs + latches + 1 + index) - number()
        found.append((high, high - number()))
    symbols = rest[at:].decode(errors="replace")
    names = {kind: dict(re.findall(rf"^{kind}(\d+) (\S+)$", symbols, re.M)) for kind in ("i", "o")}
    return Graph(
        inputs=tuple(names["i"].get(str(index), f"input{index}") for index in range(inputs)),
        outputs={
            names["o"].get(str(index), f"output{index}"): literal
            for index, literal in enumerate(lines[latches:])
        },
        next_state=tuple(lines[:latches]),
        gates=tuple(found),
    )


class Builder:
    """A graph that grows; equal gates are one node."""

    def __init__(self) -> None:
        self._operands: list[tuple[int, int] | None] = [None]  # by node; None: no gate
        self._known: dict[tuple[int, int], int] = {}
        self._inputs: list[int] = []
        self._latches: dict[int, int] = {}  # node: literal of what it takes next

    def input(self) -> int:
        """Add an input, and return its literal."""
        self._inputs.append(len(self._operands))
        return self._added(None)

    def latch(self, begins: int = FALSE) -> int:
        """Add a latch, which holds its value unless :meth:`feed` is called; return its literal.

        Args:
            begins: Its value in the first step. In the graph it is one that begins with 0, inverted
                where this is 1.
        """
        literal = self._added(None)
        self._latches[literal >> 1] = literal
        return literal ^ begins

    def feed(self, latch: int, following: int) -> None:
        """Say what a latch takes next."""
        self._latches[latch >> 1] = following ^ latch & 1

    def _added(self, operands: tuple[int, int] | None) -> int:
        self._operands.append(operands)
        return 2 * (len(self._operands) - 1)

    def both(self, a: int, b: int) -> int:
        """Return the literal of ``a & b``."""
        if a < b:
            a, b = b, a
        if b == FALSE or a == b ^ 1:
            return FALSE
        if b == TRUE or a == b:
            return a
        key = a, b
        if key not in self._known:
            self._known[key] = self._added(key)
        return self._known[key]

    def either(self, a: int, b: int) -> int:
        """Return the literal of ``a | b``."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """Return the literal of ``a ^ b``."""
        return self.either(self.both(a, b ^ 1), self.both(a ^ 1, b))

    def choose(self, which: int, one: int, zero: int) -> int:
        """Return the literal of ``which ? one : zero``."""
        return self.either(self.both(which, one), self.both(which ^ 1, zero))

    def any_of(self, literals: Iterable[int]) -> int:
        """Return the literal of the disjunction."""
        pending = list(literals)
        while len(pending) > 1:
            pairs = [self.either(a, b) for a, b in zip(pending[::2], pending[1::2], strict=False)]
            pending = pairs + pending[len(pending) & ~1 :]
        return pending[0] if pending else FALSE

    def mark(self) -> int:
        """Return how large the graph is, for :meth:`cut`."""
        return len(self._operands)

    def cut(self, mark: int) -> None:
        """Remove what was added since a mark."""
        for operands in self._operands[mark:]:
            if operands is not None:
                del self._known[operands]
        del self._operands[mark:]
        self._inputs = [node for node in self._inputs if node < mark]
        self._latches = {node: fed for node, fed in self._latches.items() if node < mark}

    def aiger(self, output: int, *, free: bool = False) -> bytes:
        """Return an AIGER file of what one literal depends on.

        Args:
            output: The literal.
            free: Whether latches become inputs.
        """
        needed, pending = {0}, [output >> 1]
        while pending:
            node = pending.pop()
            if node in needed:
                continue
            needed.add(node)
            operands = self._operands[node]
            if operands is not None:
                pending += [literal >> 1 for literal in operands]
            elif node in self._latches and not free:
                pending.append(self._latches[node] >> 1)
        latches = [] if free else [node for node in self._latches if node in needed]
        inputs = [node for node in sorted(needed - {0, *latches}) if self._operands[node] is None]
        gates = [node for node in sorted(needed) if self._operands[node] is not None]
        place = {node: at for at, node in enumerate([0, *inputs, *latches, *gates])}

        def named(literal: int) -> int:
            return 2 * place[literal >> 1] + (literal & 1)

        head = f"aig {len(place) - 1} {len(inputs)} {len(latches)} 1 {len(gates)}\n"
        lines = [named(self._latches[node]) for node in latches] + [named(output)]
        raw = bytearray(head.encode() + "".join(f"{line}\n" for line in lines).encode())
        for node in gates:
            operands = self._operands[node]
            assert operands is not None
            high, low = sorted(map(named, operands), reverse=True)
            raw += _delta(2 * place[node] - high) + _delta(high - low)
        return bytes(raw)


def _delta(number: int) -> bytes:
    """Return a number in AIGER's code: 7 bits per byte, lowest first."""
    raw = bytearray()
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)
    return bytes(raw)
