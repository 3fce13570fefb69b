"""The longest path of Verilog, as steps of the kinds of :mod:`consilico.hw.census`."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from consilico.hw.census import Step
from consilico.sim.estimate.operators.expressions import Expression
from consilico.sim.estimate.operators.fit import Cost
from consilico.sim.estimate.operators.rtl_reader import Design

__all__ = ["longest_steps", "step_delays"]

_SUMS = {"add", "increment"}
_LEVELS = {"and_or", "xor"}  # of gates: a reduction is a tree of them


def step_delays(cost: Cost) -> Callable[[str, int], float]:
    """Delays of operators by kind and width: see :class:`consilico.hw.census.Step`.

    Args:
        cost: Of paths.
    """
    values = dict(zip(cost.names, cost.coefficients, strict=True))

    def delay(kind: str, width: int) -> float:
        slope = values.get(f"{kind}, log2 of width", 0.0) * math.log2(max(1, width))
        return values.get(kind, 0.0) + slope + values.get(f"{kind}, width", 0.0) * width

    return delay


_Steps = tuple[tuple[str, int, int], ...]  # kind, width, levels


class _Arrival(NamedTuple):
    delay: float
    steps: _Steps


def longest_steps(design: Design, delay: Callable[[str, int], float]) -> tuple[Step, ...]:
    """Steps of the path from registers or inputs to registers or outputs that takes longest.

    Args:
        design: From :func:`consilico.sim.estimate.operators.rtl_reader.read_design`.
        delay: Of one operator of a kind and width.
    """
    walk = _Walk(design, delay)
    ends = [*design.outputs, *design.registers, *design.latches]
    ends += design.clock_gates.values()
    worst = max((walk.end(name) for name in ends), default=_Arrival(0.0, ()))
    return tuple(Step(kind, width, levels) for kind, width, levels in _gathered(worst.steps))


def _gathered(steps: _Steps) -> _Steps:
    """Steps as synthesis takes them: sums of sums are full adders in a tree, then one adder.

    The depth of the tree is that of :meth:`consilico.hw.arith.ColumnsCensus.rows`.
    """
    found: list[tuple[str, int, int]] = []
    for is_sum, run in groupby(steps, key=lambda step: step[0] in _SUMS):
        group = list(run)
        if not is_sum or len(group) == 1:
            found += group
            continue
        levels = math.ceil(math.log((len(group) + 1) / 2) / math.log(1.5))
        found += [("xor", 1, 2 * levels), ("add", max(width for _, width, _ in group), 1)]
    return tuple(found)


class _Walk:
    def __init__(self, design: Design, delay: Callable[[str, int], float]) -> None:
        self._design = design
        self._delay = delay
        self._known: dict[tuple[str, int], _Arrival] = {}
        self._stored = {*design.registers, *design.latches}

    def end(self, name: str) -> _Arrival:
        """When the last part of what a signal takes over arrives."""
        parts = self._design.drivers.get(name, ())
        return max(
            (self._part(name, place) for place in range(len(parts))), default=_Arrival(0.0, ())
        )

    def _part(self, name: str, place: int) -> _Arrival:
        """Arrival of one driver, without recursion through signals: paths may be long."""
        stack = [(name, place)]
        entered: Counter[tuple[str, int]] = Counter()
        while stack:
            node = stack[-1]
            if node in self._known:
                stack.pop()
                continue
            entered[node] += 1
            tree = self._design.drivers[node[0]][node[1]][2]
            sources = list(self._leaves(tree, ()))
            if entered[node] == 1:
                missing = [
                    driver
                    for leaf, _ in sources
                    for driver in self._drivers(leaf)
                    if driver not in self._known and not entered[driver]
                ]
                if missing:
                    stack.extend(missing)
                    continue
            arrivals = [
                self._after(before, steps)
                for leaf, steps in sources
                for before in self._before(leaf)
            ]
            self._known[node] = max(arrivals, default=_Arrival(0.0, ()))
            stack.pop()
        return self._known[name, place]

    def _after(self, before: _Arrival, steps: _Steps) -> _Arrival:
        steps = (*before.steps, *steps)
        times = (levels * self._delay(kind, width) for kind, width, levels in _gathered(steps))
        return _Arrival(sum(times), steps)

    def _before(self, leaf: Expression) -> Iterator[_Arrival]:
        yield _Arrival(0.0, ())
        for driver in self._drivers(leaf):
            if driver in self._known:  # what is not is on a loop
                yield self._known[driver]

    def _drivers(self, leaf: Expression) -> list[tuple[str, int]]:
        if leaf.signal in self._stored:
            return []
        return [
            (leaf.signal, place)
            for place, (low, high, _) in enumerate(self._design.drivers.get(leaf.signal, ()))
            if low < leaf.low + leaf.width and leaf.low <= high
        ]

    def _leaves(self, item: Expression, steps: _Steps) -> Iterator[tuple[Expression, _Steps]]:
        """Signals that an expression depends on, with what lies between."""
        if item.signal:
            yield item, steps
            return
        if item.bits:
            levels, width = 1, item.width
            if item.kind in _LEVELS and len(item.operands) == 1:
                levels = max(1, math.ceil(math.log2(item.bits + 1)))
            elif item.kind in ("less", "equal"):
                width = max(operand.width for operand in item.operands)
            elif item.kind == "table":
                width = item.value
            # a product with a constant is as many sums as the census says
            times = item.bits // item.width if item.kind == "add" else 1
            steps = (*times * ((item.kind, width, levels),), *steps)
        for operand in item.operands:
            yield from self._leaves(operand, steps)
