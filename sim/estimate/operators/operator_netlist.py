"""A flat design as operators between registers, and its census."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consilico.hw.census import Census, Step

__all__ = ["Operator", "OperatorNetlist", "Storage"]


@dataclass(frozen=True, eq=False)
class Operator:
    """A cell between registers: what it counts in the census, and what it is on a path."""

    kind: str  # one of :data:`consilico.hw.census.KINDS`; "" for wires
    bits: int  # as the census counts
    steps: tuple[Step, ...]  # from its operands to its result
    inputs: tuple[int, ...]  # nets
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Storage:
    """Flip-flops, latches or a clock gate: where paths end and begin."""

    kind: str  # "flop", "latch" or "clock_gate"
    bits: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(eq=False)
class OperatorNetlist:
    """A flat design: operators and storage, joined by numbered nets of one bit."""

    operators: list[Operator] = field(default_factory=list)
    storage: list[Storage] = field(default_factory=list)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # nets by port
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def census(self, operands: Mapping[str, Sequence[int]]) -> Census:
        """Count the operators, each with the operands that it depends on.

        Args:
            operands: Nets of each operand. What depends on none, directly or through registers,
                is taken to be still.
        """
        reached = self._reached(operands)
        names = tuple(operands)
        totals: Counter[tuple[str, int]] = Counter()
        for item in self._items():
            if item.bits:
                mask = 0
                for net in item.inputs:
                    mask |= reached.get(net, 0)
                totals[item.kind, mask] += item.bits
        census = Census()
        for (kind, mask), bits in totals.items():
            census.add(kind, bits, [name for at, name in enumerate(names) if mask >> at & 1])
        return census

    def _items(self) -> Iterator[Operator | Storage]:
        yield from self.operators
        yield from self.storage

    def _reached(self, operands: Mapping[str, Sequence[int]]) -> dict[int, int]:
        """Return the operands that each net depends on, as a mask of their places."""
        readers: dict[int, list[Operator | Storage]] = {}
        for item in self._items():
            for net in item.inputs:
                readers.setdefault(net, []).append(item)
        reached: dict[int, int] = {}
        for place, nets in enumerate(operands.values()):
            mark = 1 << place
            pending = list(nets)
            while pending:
                net = pending.pop()
                if reached.get(net, 0) & mark:
                    continue
                reached[net] = reached.get(net, 0) | mark
                for item in readers.get(net, ()):
                    pending.extend(item.outputs)
        return reached
