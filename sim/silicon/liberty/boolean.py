"""Boolean expressions of Liberty (``function``, ``when``) and their probabilities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError

__all__ = ["Function", "parse_function", "verilog_expression"]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\].$]*)|([01])|(.))")
Bits = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Function:
    """Truth table over variables in the order in which the expression names them.

    Bit ``i`` of a row's number is the value of ``variables[i]``.
    """

    variables: tuple[str, ...]
    table: Bits  # (2 ** variables,)

    def probability(self, duty: Mapping[str, Reals | float]) -> Reals | float:
        """Probability of being 1, variables taken as independent.

        Args:
            duty: Probability of 1 of each variable, numbers or arrays of one shape.
        """
        weights: list[Reals | float] = [float(value) for value in self.table]
        for name in self.variables:
            high = duty[name]
            weights = [
                low + high * (one - low)
                for low, one in zip(weights[::2], weights[1::2], strict=True)
            ]
        return weights[0]

    def difference(self, variable: str) -> "Function":
        """Boolean difference: 1 where the value of the function hangs on that variable."""
        low, high = self._cofactors(variable)
        return Function(self.variables, low ^ high)

    def sense(self, variable: str) -> str:
        """Unateness in a variable, in Liberty's words."""
        low, high = self._cofactors(variable)
        if not (low & ~high).any():
            return "positive_unate"
        return "non_unate" if (high & ~low).any() else "negative_unate"

    def _cofactors(self, variable: str) -> tuple[Bits, Bits]:
        rows = np.arange(len(self.table))
        bit = 1 << self.variables.index(variable)
        return self.table[rows & ~bit], self.table[rows | bit]


@cache
def parse_function(text: str) -> Function:
    """Parse an expression: ``!a``, ``a'``, ``a^b``, ``a*b``, ``a&b``, ``a b``, ``a+b``, ``a|b``.

    Precedence falls in that order (Liberty Reference Manual, ``function``).

    Raises:
        UserError: If the text is not such an expression.
    """
    names = dict.fromkeys(name for name, _, _ in _TOKEN.findall(text) if name)
    rows = np.arange(1 << len(names))
    values = {name: (rows >> bit & 1).astype(np.bool_) for bit, name in enumerate(names)}
    constants = (np.zeros(len(rows), dtype=np.bool_), np.ones(len(rows), dtype=np.bool_))
    return Function(tuple(names), _Parser[Bits](text, values, constants).whole())


def verilog_expression(text: str) -> str:
    """The same expression in Verilog, in which operators bind in another order.

    Raises:
        UserError: If the text is not such an expression.
    """
    names = {name: _Text(f"\\{name} ") for name, _, _ in _TOKEN.findall(text) if name}
    return _Parser[_Text](text, names, (_Text("1'b0"), _Text("1'b1"))).whole().text


@dataclass(frozen=True)
class _Text:
    """Verilog of an expression, in parentheses where it has an operator."""

    text: str

    def __and__(self, other: "_Text") -> "_Text":
        return _Text(f"({self.text}&{other.text})")

    def __or__(self, other: "_Text") -> "_Text":
        return _Text(f"({self.text}|{other.text})")

    def __xor__(self, other: "_Text") -> "_Text":
        return _Text(f"({self.text}^{other.text})")

    def __invert__(self) -> "_Text":
        return _Text(f"(~{self.text})")


_Value = TypeVar("_Value", Bits, _Text)


class _Parser(Generic[_Value]):
    """Recursive descent that evaluates as it goes: to truth tables, or to text."""

    def __init__(
        self, text: str, values: Mapping[str, _Value], constants: tuple[_Value, _Value]
    ) -> None:
        self.text = text
        self.values: Mapping[str, _Value] = values
        self.constants: tuple[_Value, _Value] = constants
        self.tokens = ["".join(groups) for groups in _TOKEN.findall(text.strip())] + [""]
        self.at = 0

    def whole(self) -> _Value:
        value = self.either()
        if self.tokens[self.at] != "":
            raise self.error()
        return value

    def error(self) -> UserError:
        place = self.tokens[self.at] or "its end"
        return UserError(f"cannot read the Liberty expression {self.text!r} at {place}")

    def accept(self, *tokens: str) -> bool:
        if self.tokens[self.at] in tokens:
            self.at += 1
            return True
        return False

    def either(self) -> _Value:
        value = self.both()
        while self.accept("+", "|"):
            value = value | self.both()
        return value

    def both(self) -> _Value:
        value = self.differ()
        while self.accept("*", "&") or self.tokens[self.at][:1] not in ("", ")", "+", "|"):
            value = value & self.differ()
        return value

    def differ(self) -> _Value:
        value = self.term()
        while self.accept("^"):
            value = value ^ self.term()
        return value

    def term(self) -> _Value:
        if self.accept("!"):
            return ~self.term()
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            value = self.either()
            if not self.accept(")"):
                raise self.error()
        elif token in ("0", "1"):
            value = self.constants[token == "1"]
        elif token in self.values:
            value = self.values[token]
        else:
            self.at -= 1
            raise self.error()
        while self.accept("'"):
            value = ~value
        return value
