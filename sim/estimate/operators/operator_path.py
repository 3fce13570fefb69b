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
    arrivals: dict[int, tuple[float, _Steps]] = {}  # by net
    for item in netlist.ordered():
        before = {arrivals[net] for net in item.inputs if net in arrivals}
        arrivals |= dict.fromkeys(item.outputs, _after(item, before, delay))
    ends = [net for item in netlist.storage for net in item.inputs]
    ends += [net for nets in netlist.outputs.values() for net in nets]
    return _gathered(max((arrivals[net] for net in ends if net in arrivals), default=(0.0, ()))[1])


def _after(
    item: Operator, before: Iterable[tuple[float, _Steps]], delay: Callable[[str, int], float]
) -> tuple[float, _Steps]:
    """Return when a result settles, and the steps of the slowest path to it."""
    if not item.steps:
        return max(before, default=(0.0, ()))
    paths = ((*steps, *item.steps) for steps in {(), *(steps for _, steps in before)})
    return max((_time(steps, delay), steps) for steps in paths)


def _time(steps: _Steps, delay: Callable[[str, int], float]) -> float:
    return sum(int(step.levels) * delay(step.kind, int(step.width)) for step in _gathered(steps))


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
