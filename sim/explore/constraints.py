"""Conditions that a user's space sets: arithmetic and comparisons of named quantities, no more.

Such as ``tiles * rows * columns <= 16384`` or ``weights != "2:4" or gemv_lanes > 0``. The text is a
user's: it is parsed as Python's syntax, and what is not in the list below is refused; nothing is
ever executed.
"""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from consilico.sim.base.errors import UserError

__all__ = ["Constraint", "read_constraint"]

_LONGEST = 1000  # characters of a condition
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_ACCEPTED = "names, numbers, texts, + - * / // %, comparisons, in, and, or, not"


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A condition on named quantities."""

    text: str
    names: frozenset[str]
    tree: ast.expr

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the condition is met.

        Args:
            values: Numbers and texts by name, all of :attr:`names` among them.

        Raises:
            UserError: If it divides by zero, or does with a text what only numbers can.
        """
        try:
            return bool(_value(self.tree, values))
        except (ZeroDivisionError, TypeError, OverflowError) as error:
            raise UserError(f"constraint {self.text!r}: {error}") from error


def read_constraint(text: str, known: Collection[str]) -> Constraint:
    """Return the condition that a text states.

    Args:
        text: The condition.
        known: Names that it may have.

    Raises:
        UserError: If it has another form or other names; the message tells what is accepted.
    """
    try:
        if len(text) > _LONGEST:
            raise SyntaxError(f"it is longer than {_LONGEST} characters")
        tree = ast.parse(text.strip(), mode="eval").body
        names = frozenset(_names(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", "") or "it is no condition"
        raise UserError(f"constraint {text[:80]!r}: {reason}; accepted: {_ACCEPTED}") from error
    for name in sorted(names - set(known)):
        raise UserError(f"constraint {text!r}: {name} is unknown; accepted: {', '.join(known)}")
    return Constraint(text=text, names=names, tree=tree)


def _names(node: ast.expr) -> list[str]:
    """Return the names in an expression.

    Raises:
        SyntaxError: If something in it is not accepted.
    """
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Constant(value=value) if type(value) in (int, float, str):
            return []
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return _names(operand)
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
            pass
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            parts = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            parts = [left, *others]
        case _:
            raise SyntaxError(f"{ast.unparse(node)[:40]!r} is not accepted")
    return [name for part in parts for name in _names(part)]


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """Return what an expression is worth."""
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=op, operand=operand):
            inner = _value(operand, values)
            return not inner if isinstance(op, ast.Not) else -inner
        case ast.BoolOp(op=op, values=parts):
            ends = (bool(_value(part, values)) for part in parts)
            return all(ends) if isinstance(op, ast.And) else any(ends)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_value(part, values) for part in parts]
        case ast.BinOp(left=left, op=op, right=right):
            operands = _value(left, values), _value(right, values)
            if any(isinstance(operand, str | list) for operand in operands):
                raise TypeError(f"{ast.unparse(node)} needs numbers")
            return _ARITHMETIC[type(op)](*operands)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(part, values) for part in (left, *others)]
            return all(
                _COMPARISONS[type(op)](first, second)
                for op, first, second in zip(ops, sides, sides[1:], strict=False)
            )
    raise AssertionError(ast.dump(node))  # _names refused it
