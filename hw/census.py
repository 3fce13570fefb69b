"""Operator census: what a unit is made of, as closed formulas of its configuration.

A unit's formulas stand next to its component, or it has none and its elaborated design is read
(``sim/estimate/operators/unit_census.py``). A census counts bits of operators by kind, as they are
in the generated Verilog, identical expressions once:

========== ======================================================================================
and_or     two-input AND and OR, also of reductions; a multiplexer with one constant input
xor        two-input XOR, also of reductions
add        sum or difference of two numbers, bits of the result
increment  the same where one of them is a constant or a single bit; a negation
multiply   product of two numbers, bits of one times bits of the other
mux        choice between two values, bits of the result; also of a bit at a variable place
shift      by a variable number of places: bits of the result times bits of the number
less       comparison for order, bits compared
equal      comparison for equality, bits compared
lookup     a constant shifted right by a variable number of places: bits of the constant
decode     a constant shifted left by a variable number of places: bits of the result
table      a choice among constants: see :func:`table_size`
flop       bits of registers
latch      bits of latches
clock_gate clock gates
========== ======================================================================================

Inverters, wires and constants count nothing: mapping absorbs them. An AND, OR, XOR, sum or
comparison of two constants, or an AND, OR or XOR with one, is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Batch", "Census", "Operators", "Size", "Step", "bit_length", "table_size"]

KINDS: Final = (
    "and_or", "xor", "add", "increment", "multiply", "mux", "shift", "less", "equal",
    "lookup", "decode", "table", "flop", "latch", "clock_gate",
)  # fmt: skip

Size = int | float | NDArray[Any]  # a number, or one for each configuration of a batch


class Operators(NamedTuple):
    """Return the operators of one kind that see the same traffic."""

    kind: str
    bits: Size
    drivers: tuple[str, ...]  # of the input payload, or random; none: they are still
    rate: Size  # fraction of the cycles in which what they see may change


class Step(NamedTuple):
    """Return the operators of one kind in a row on a path from register to register."""

    kind: str
    width: Size  # bits of the result; of a comparison those compared; of a table its constants
    levels: Size


@dataclass
class Census:
    """Return the operators of a unit, and the paths of which one is its longest."""

    operators: list[Operators] = field(default_factory=list)
    paths: list[tuple[Step, ...]] = field(default_factory=list)

    def add(self, kind: str, bits: Size, drivers: Sequence[str] = (), *, rate: Size = 1) -> None:
        """Add operators of one kind to the census.

        Args:
            kind: One of :data:`KINDS`.
            bits: Of all of them.
            drivers: Names of the input payload's fields that make them toggle.
            rate: Fraction of the cycles in which they may.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind of operator {kind!r}")
        self.operators.append(Operators(kind, bits, tuple(drivers), rate))

    def path(self, *steps: Step | tuple[str, Size, Size]) -> None:
        """Add a path that may be the longest, from its start."""
        self.paths.append(tuple(Step(*step) for step in steps))

    def include(self, part: Self, times: Size = 1, *, rate: Size = 1) -> None:
        """Count the operators of a part as often as it is there; its paths are not taken over.

        Args:
            part: Its census.
            times: Such parts.
            rate: Fraction of the cycles in which it works.
        """
        for kind, bits, drivers, own in part.operators:
            self.operators.append(Operators(kind, bits * times, drivers, own * rate))

    def totals(self) -> dict[str, Size]:
        """Bits by kind, in the order of :data:`KINDS`, kinds without any left out."""
        sums: dict[str, Size] = {}
        for kind in KINDS:
            parts = [item.bits for item in self.operators if item.kind == kind]
            if parts and np.any(total := sum(parts)):
                sums[kind] = total
        return sums


class Batch:
    """Configurations of one unit, as one whose numbers are arrays.

    An attribute is what the configurations have there: an array, shape ``(configurations,)``, of
    numbers; a text is the same in all of them, so that a formula may ask for it with ``if``.

    Args:
        configs: At least one; texts are equal in all.
    """

    def __init__(self, configs: Sequence[Any]) -> None:
        self.configs = configs

    def __getattr__(self, name: str) -> Any:
        value = self.of(lambda config: getattr(config, name))
        self.__dict__[name] = value
        return value

    def of(self, function: Callable[[Any], Any]) -> Any:
        """Return the function's values, shape ``(configurations,)``, or the text common to all."""
        first = function(self.configs[0])
        if isinstance(first, str):
            return first
        return np.array([function(config) for config in self.configs])


def bit_length(value: Size) -> NDArray[np.int64]:
    """Bits of non-negative integers: 0 for 0."""
    return np.frexp(np.asarray(value, dtype=np.float64))[1].astype(np.int64)


@cache
def table_size(constants: tuple[int, ...]) -> int:
    """Size of a table: how often its bits change from each constant to the next.

    A bit that changes at few places is the choice among few ranges of addresses, however many
    constants there are; a bit that goes with another, or never changes, costs nothing.

    Args:
        constants: In the order of their addresses; of negative ones two's complement.
    """
    width = max((value if value >= 0 else ~value).bit_length() + 1 for value in constants)
    words = np.array(constants, dtype=object)
    columns = {tuple((words >> place) & 1) for place in range(width)}
    return sum(int(np.count_nonzero(np.diff(column))) for column in columns)
