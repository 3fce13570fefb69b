"""The longest path of an operator netlist, as steps of the kinds of :mod:`consilico.hw.census`."""

import math
from collections.abc import Callable, Iterable
from itertools import groupby

from consilico.hw.census import Step
from consilico.sim.estimate.operators.fit import Cost
from consilico.sim.estimate.operators.operator_netlist import Operator, OperatorNetlist

__all__ = ["longest_steps", "step_delays"]

_SUMS = {"add", "increment"}

_Steps = tuple[Step, ...]


def step_delays(cost: Cost) -> Callable[[str, int], float]:
    """Return the delay of operators by kind and width: see :class:`consilico.hw.census.Step`.

    Args:
        cost: Costs of paths, in ns.
    """
    values = dict(zip(cost.names, cost.coefficients, strict=True))

    def delay(kind: str, width: int) -> float:
        slope = values.get(f"{kind}, log2 of width", 0.0) * math.log2(max(1, width))
        return values.get(kind, 0.0) + slope + values.get(f"{kind}, width", 0.0) * width

    return delay


def longest_steps(netlist: OperatorNetlist, delay: Callable[[str, int], float]) -> _Steps:
    """Return the steps of the path from storage or inputs to storage or outputs that takes longest.

    A loop of operators is cut where it closes.

    Args:
        netlist: The design.
        delay: Delay of one operator of a kind and width.
    """
    walk = _Walk(netlist, delay)
    ends = [net for item in netlist.storage for net in item.inputs]
    ends += [net for nets in netlist.outputs.values() for net in nets]
    return _gathered(max((walk.arrival(net) for net in ends), default=(0.0, ()))[1])


def _gathered(steps: _Steps) -> _Steps:
    """Return steps as synthesis takes them: sums of sums are full adders in a tree, then one adder.

    The depth of the tree is that of :meth:`consilico.hw.arith.ColumnsCensus.rows`.
    """
    found: list[Step] = []
    for is_sum, run in groupby(steps, key=lambda step: step.kind in _SUMS):
        group = list(run)
        if not is_sum or len(group) == 1:
            found += group
            continue
        levels = math.ceil(math.log((len(group) + 1) / 2) / math.log(1.5))
        found += [Step("xor", 1, 2 * levels), Step("add", max(step.width for step in group), 1)]
    return tuple(found)


class _Walk:
    """Arrival times of nets, each computed once."""

    def __init__(self, netlist: OperatorNetlist, delay: Callable[[str, int], float]) -> None:
        self._delay = delay
        self._drivers = {net: item for item in netlist.operators for net in item.outputs}
        self._known: dict[Operator, tuple[float, _Steps]] = {}

    def arrival(self, net: int) -> tuple[float, _Steps]:
        """Return when a net settles, and the steps of the slowest path to it."""
        root = self._drivers.get(net)
        if root is None:
            return 0.0, ()
        stack, entered = [root], set()  # without recursion: paths may be long
        while stack:
            item = stack[-1]
            if item in self._known:
                stack.pop()
                continue
            before = list(self._before(item))
            if item not in entered:
                entered.add(item)
                missing = [one for one in before if one not in self._known and one not in entered]
                if missing:
                    stack.extend(missing)
                    continue
            stack.pop()
            self._known[item] = self._after(item, before)
        return self._known[root]

    def _before(self, item: Operator) -> Iterable[Operator]:
        return dict.fromkeys(
            driver for net in item.inputs if (driver := self._drivers.get(net)) is not None
        )

    def _after(self, item: Operator, before: Iterable[Operator]) -> tuple[float, _Steps]:
        arrivals = [self._known[one] for one in before if one in self._known]  # else on a loop
        if not item.steps:
            return max(arrivals, default=(0.0, ()))
        return max(self._through(steps, item) for steps in {(), *(steps for _, steps in arrivals)})

    def _through(self, steps: _Steps, item: Operator) -> tuple[float, _Steps]:
        steps = (*steps, *item.steps)
        times = (
            int(step.levels) * self._delay(step.kind, int(step.width)) for step in _gathered(steps)
        )
        return sum(times), steps
