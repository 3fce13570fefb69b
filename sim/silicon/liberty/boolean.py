"""Boolean expressions of Liberty (``function``, ``when``) and their probabilities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError

__all__ = ["Function", "parse_function", "variable_names", "verilog_expression"]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\].$]*)|([01])|(.))", re.S)
_NAME = re.compile(r"[A-Za-z_][\w\[\].$]*")
_MOST_CHARACTERS = 1 << 14
_MOST_VARIABLES = 16  # of a truth table: 65,536 rows
_BINDING = {"+": 1, "|": 1, "*": 2, "&": 2, "^": 3}  # infix operators; the tighter the higher
Bits = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Function:
    """A truth table over variables in the order in which the expression names them.

    Bit ``i`` of a row's number is the value of ``variables[i]``.
    """

    variables: tuple[str, ...]
    table: Bits  # (2 ** variables,)

    def probability(self, duty: Mapping[str, Reals | float]) -> Reals | float:
        """Return the probability of being 1, with variables taken as independent.

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
        """Return the Boolean difference: 1 where the function depends on that variable."""
        low, high = self._cofactors(variable)
        return Function(self.variables, low ^ high)

    def sense(self, variable: str) -> str:
        """Return the unateness in a variable, in Liberty's words such as ``positive_unate``."""
        low, high = self._cofactors(variable)
        if not (low & ~high).any():
            return "positive_unate"
        return "non_unate" if (high & ~low).any() else "negative_unate"

    def _cofactors(self, variable: str) -> tuple[Bits, Bits]:
        rows = np.arange(len(self.table))
        bit = 1 << self.variables.index(variable)
        return self.table[rows & ~bit], self.table[rows | bit]


def variable_names(text: str) -> list[str]:
    """Return the names in an expression, each once, in the order of their first use."""
    return list(dict.fromkeys(_NAME.findall(text)))


@cache
def parse_function(text: str) -> Function:
    """Parse an expression: ``!a``, ``a'``, ``a^b``, ``a*b``, ``a&b``, ``a b``, ``a+b``, ``a|b``.

    Precedence falls in that order (Liberty Reference Manual, ``function``).

    Raises:
        UserError: If the text is not such an expression, is longer than 16,384 characters or has
            more than 16 variables.
    """
    names = _checked_names(text)
    if len(names) > _MOST_VARIABLES:
        raise UserError(
            f"the Liberty expression {_shown(text)} has {len(names)} variables;"
            f" accepted: {_MOST_VARIABLES}"
        )
    rows = np.arange(1 << len(names))
    values = {name: (rows >> bit & 1).astype(np.bool_) for bit, name in enumerate(names)}
    constants = (np.zeros(len(rows), dtype=np.bool_), np.ones(len(rows), dtype=np.bool_))
    return Function(tuple(names), _evaluated(text, values, constants))


def verilog_expression(text: str) -> str:
    """Return the same expression in Verilog, in which operators bind in another order.

    Raises:
        UserError: If the text is not such an expression, or longer than 16,384 characters.
    """
    names = {name: _Text(f"\\{name} ") for name in _checked_names(text)}
    return _evaluated(text, names, (_Text("1'b0"), _Text("1'b1"))).text


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


def _checked_names(text: str) -> list[str]:
    if len(text) > _MOST_CHARACTERS:
        raise UserError(
            f"the Liberty expression {_shown(text)} has {len(text):,} characters;"
            f" accepted: {_MOST_CHARACTERS:,}"
        )
    return list(dict.fromkeys(name for name, _, _ in _TOKEN.findall(text) if name))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _evaluated(text: str, names: Mapping[str, _Value], constants: tuple[_Value, _Value]) -> _Value:
    """Evaluate an expression to a truth table or to text, by operator precedence.

    Pending operators are on a stack of ours, not on Python's: nesting has no limit.
    """
    tokens = ["".join(groups) for groups in _TOKEN.findall(text.strip())] + [""]
    values: list[_Value] = []
    pending: list[str] = []  # "(", "!" and infix operators

    def error(at: int) -> UserError:
        place = tokens[at] or "its end"
        return UserError(f"cannot read the Liberty expression {_shown(text)} at {place}")

    def apply(binding: int) -> None:
        """Apply the pending operators that bind as tightly or tighter."""
        while pending and _BINDING.get(pending[-1], 4 if pending[-1] == "!" else 0) >= binding:
            sign = pending.pop()
            right = values.pop()
            if sign == "!":
                values.append(~right)
            elif sign in "+|":
                values.append(values.pop() | right)
            elif sign in "*&":
                values.append(values.pop() & right)
            else:
                values.append(values.pop() ^ right)

    operand = True  # whether one must come next
    for at, token in enumerate(tokens):
        if not operand and token not in _BINDING and token not in ("'", ")", ""):
            apply(_BINDING["*"])  # two operands next to each other are a product
            pending.append("*")
            operand = True
        if operand:
            if token in ("!", "("):
                pending.append(token)
                continue
            if token not in names and token not in ("0", "1"):
                raise error(at)
            values.append(names[token] if token in names else constants[token == "1"])
            operand = False
        elif token == "'":
            # it binds tighter than a "!" before it, which comes to the same
            values.append(~values.pop())
        elif token in _BINDING:
            apply(_BINDING[token])
            pending.append(token)
            operand = True
        else:  # a closing parenthesis, or the end
            apply(_BINDING["+"])
            if bool(pending) != (token == ")"):
                raise error(at)
            if pending:
                pending.pop()
    return values.pop()
