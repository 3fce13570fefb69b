"""A flat design as operators between registers, and its census."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from consilico.hw.census import Census, Step

__all__ = ["Operator", "OperatorNetlist", "Storage"]

_Shares = Mapping[int | None, float]  # fractions of the cycles, by net; 1 of any other


@dataclass(frozen=True, eq=False)
class Operator:
    """A cell between registers: what it counts in the census, and what it is on a path."""

    kind: str  # one of :data:`consilico.hw.census.KINDS`; "" for wires
    bits: int  # as the census counts
    steps: tuple[Step, ...]  # from its operands to its result
    operands: tuple[tuple[int, ...], ...]  # nets of each
    outputs: tuple[int, ...]
    function: str = ""  # "and", "or", "select" (1 for one value of its inputs); "": any other

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Nets of all operands, each once."""
        return tuple(dict.fromkeys(net for operand in self.operands for net in operand))


@dataclass(frozen=True, eq=False)
class Storage:
    """Flip-flops, latches or a clock gate: where paths end and begin."""

    kind: str  # "flop", "latch" or "clock_gate"
    bits: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    clock: int | None = None  # net that it takes its value with; of a clock gate its enable


@dataclass(eq=False)
class OperatorNetlist:
    """A flat design: operators and storage, joined by numbered nets of one bit."""

    operators: list[Operator] = field(default_factory=list)
    storage: list[Storage] = field(default_factory=list)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # nets by port
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def census(self, operands: Mapping[str, Sequence[int]]) -> Census:
        """Count the operators, each with the operands that it depends on, and how often it works.

        Args:
            operands: Nets of each operand. What depends on none, directly or through registers,
                is taken to be still.
        """
        reached = self._reached(operands)
        names = tuple(operands)
        totals: Counter[tuple[str, int]] = Counter()
        active: defaultdict[tuple[str, int], float] = defaultdict(
            float
        )  # times how often they work
        changes = self._changes()
        for item in self._items():
            if item.bits:
                mask = 0
                for net in item.inputs:
                    mask |= reached.get(net, 0)
                totals[item.kind, mask] += item.bits
                active[item.kind, mask] += item.bits * changes.get(item.outputs[0], 1.0)
        census = Census()
        for (kind, mask), bits in totals.items():
            drivers = [name for at, name in enumerate(names) if mask >> at & 1]
            census.add(kind, bits, drivers, rate=active[kind, mask] / bits)
        return census

    def ordered(self) -> Iterator[Operator]:
        """Yield the operators, each after those that drive it; a loop is cut where it closes."""
        drivers = {net: item for item in self.operators for net in item.outputs}
        entered, done = set[Operator](), set[Operator]()
        for root in self.operators:
            stack = [root]  # without recursion: paths may be long
            while stack:
                item = stack[-1]
                if item not in entered:
                    entered.add(item)
                    before = {drivers[net]: None for net in item.inputs if net in drivers}
                    stack += [one for one in before if one not in entered]
                    continue
                stack.pop()
                if item not in done:
                    done.add(item)
                    yield item

    def _changes(self) -> dict[int | None, float]:
        """Return the fraction of the cycles in which each net may change, as a bound.

        What is 1 for one value of ``k`` bits, as the decoded address of a word is, is 1 in one of
        ``2**k`` cycles and changes at most twice as often. A register behind a clock gate may
        change when the gate is open; a gate of several operands when one of them does while the
        others let it through. What is not driven by storage or operators may change in every
        cycle, and any other operator whenever one of its inputs does.

        Source: Najm, "Transition density, a stochastic measure of activity in digital circuits"
        (DAC 1991), with bounds in place of probabilities.
        """
        order = list(self.ordered())
        high: dict[int | None, float] = {}  # fraction of the cycles in which a net is 1; else 1
        for item in order:
            high |= dict.fromkeys(item.outputs, _high(item, high))
        for gate in self.storage:
            if gate.kind == "clock_gate":
                high |= dict.fromkeys(gate.outputs, _most((gate.clock,), high))
        changes: dict[int | None, float] = {}
        for stored in self.storage:
            changes |= dict.fromkeys(stored.outputs, _most((stored.clock,), high))
        for item in order:
            changes |= dict.fromkeys(item.outputs, _change(item, high, changes))
        return changes

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


def _most(nets: Sequence[int | None], values: _Shares) -> float:
    return max((values.get(net, 1.0) for net in nets), default=0.0)


def _high(item: Operator, high: _Shares) -> float:
    """Return the fraction of the cycles in which a result is 1, at most."""
    if item.function == "select":
        return 0.5 ** len(item.inputs)
    if item.function == "and":
        return math.prod(_most(operand, high) for operand in item.operands)
    if item.function == "or":
        return min(1.0, sum(_most(operand, high) for operand in item.operands))
    return 1.0


def _change(item: Operator, high: _Shares, changes: _Shares) -> float:
    """Return the fraction of the cycles in which a result may change."""
    if item.function == "select":
        return min(2 * _high(item, high), 1.0) * _most(item.inputs, changes)
    if item.function == "and":
        through = [_most(operand, high) for operand in item.operands]
        return min(
            1.0,
            sum(
                _most(operand, changes) * math.prod(through[:place] + through[place + 1 :])
                for place, operand in enumerate(item.operands)
            ),
        )
    if item.function == "or":
        return min(1.0, sum(_most(operand, changes) for operand in item.operands))
    return _most(item.inputs, changes)
