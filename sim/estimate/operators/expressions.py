"""Expressions of Verilog with what each costs: the kinds of :mod:`consilico.hw.census`."""

from dataclasses import dataclass

from consilico.sim.base.errors import UserError

__all__ = [
    "EQUAL", "LOGICAL", "ORDER", "REDUCE", "SHIFT",
    "Expression", "binary", "constant", "joined", "made", "shortened", "truth", "wire",
]  # fmt: skip

_BITWISE = {"And": "and_or", "Or": "and_or", "Xor": "xor", "Xnor": "xor"}
REDUCE = {
    "Uand": "and_or", "Uor": "and_or", "Unand": "and_or", "Unor": "and_or", "Ulnot": "and_or",
    "Uxor": "xor", "Uxnor": "xor",
}  # fmt: skip
LOGICAL = {"Land", "Lor"}
ORDER = {"LessThan", "GreaterThan", "LessEq", "GreaterEq"}
EQUAL = {"Eq", "NotEq", "Eql", "NotEql"}
SHIFT = {"Sll", "Srl", "Sla", "Sra"}
_LONGEST = 200  # characters of a text that is kept as it is


@dataclass(frozen=True, eq=False)
class Expression:
    """An operator, or what needs none: a constant, wires, parts of wires.

    ``operands`` are what it depends on: expressions, or names of signals with their range.
    """

    kind: str  # one of KINDS, or "wire" or "constant"
    width: int  # of the result
    bits: int  # as the census counts
    text: str  # equal for equal expressions of the same wires
    operands: tuple["Expression", ...] = ()
    signal: str = ""  # of a wire that is one signal, or a part of one
    low: int = 0  # its lowest bit
    value: int = 0  # of a constant; of a table how many it has
    name: str = ""  # of an operator, with its width


def constant(value: int, width: int) -> Expression:
    """A number; of no bits, as many as it needs."""
    width = width or max(1, value.bit_length())
    value &= (1 << width) - 1
    return Expression("constant", width, 0, f"{width}'d{value}", value=value)


def wire(name: str, width: int, low: int) -> Expression:
    """A signal, or a part of it from its bit ``low`` on."""
    return Expression("wire", width, 0, f"{name}[{low}+:{width}]", signal=name, low=low)


def made(kind: str, width: int, bits: int, name: str, *operands: Expression) -> Expression:
    """What an operator makes of its operands; ``width`` bits of result, ``bits`` in the census."""
    name = f"{name}:{width}"
    text = shortened(f"{name}({','.join(item.text for item in operands)})", name)
    return Expression(kind, width, bits, text, operands, name=name)


def joined(items: list[Expression]) -> Expression:
    """A concatenation, the highest first."""
    width = sum(item.width for item in items)
    if all(item.kind == "constant" for item in items):
        value = 0
        for item in items:
            value = value << item.width | item.value
        return constant(value, width)
    return made("wire", width, 0, "cat", *items)


def truth(value: Expression) -> Expression:
    """Whether a value is not 0."""
    if value.kind == "constant":
        return constant(int(value.value != 0), 1)
    return value if value.width == 1 else made("and_or", 1, value.width - 1, "any", value)


def binary(name: str, left: Expression, right: Expression, context: int) -> Expression:
    """What a Verilog operator makes of two operands, in at least ``context`` bits.

    Raises:
        UserError: If it has no cost: a division by what is no power of two.
    """
    known = (left.kind == "constant") + (right.kind == "constant")
    width = max(left.width, right.width, context)
    if name in _BITWISE:
        kind = "wire" if known else _BITWISE[name]
        return made(kind, width, 0 if known else min(left.width, right.width), name, left, right)
    if name in LOGICAL:
        sides = truth(left), truth(right)
        return made("wire" if known else "and_or", 1, 0 if known else 1, name, *sides)
    if name in EQUAL | ORDER:
        compared = max(left.width, right.width)
        if known == 2 or (known and compared == 1):
            return made("wire", 1, 0, name, left, right)
        return made("equal" if name in EQUAL else "less", 1, compared, name, left, right)
    if name in SHIFT:
        return _shift(name, left, right, context)
    if name in ("Plus", "Minus"):
        single = known or min(left.width, right.width) == 1
        free = known == 2 or any(
            side.kind == "constant" and not side.value for side in (left, right)
        )
        kind = "wire" if free else "increment" if single else "add"
        return made(kind, width, 0 if free else width, name, left, right)
    if name == "Times":
        if known:
            factor = left.value if left.kind == "constant" else right.value
            terms = (3 * factor ^ factor).bit_count()  # digits of its non-adjacent form
            return made("add", width, max(0, terms - 1) * width, name, left, right)
        return made("multiply", width, left.width * right.width, name, left, right)
    if known == 2 or name in ("Divide", "Mod", "Power"):
        if right.kind == "constant" and right.value.bit_count() == 1:
            return made("wire", width, 0, name, left, right)
        raise UserError(f"the Verilog divides by a variable ({name}), which has no cost here")
    raise UserError(f"the Verilog uses the operator {name}, which has no cost here")


def _shift(name: str, left: Expression, right: Expression, context: int) -> Expression:
    width = max(left.width, context)
    if right.kind == "constant":
        return made("wire", width, 0, name, left, right)
    if left.kind == "constant":
        kind, bits = ("decode", width) if name in ("Sll", "Sla") else ("lookup", left.width)
        return made(kind, width, bits, name, left, right)
    return made("shift", width, width * right.width, name, left, right)


def shortened(text: str, name: str) -> str:
    """A text, or its hash after ``name`` if it is long."""
    return text if len(text) <= _LONGEST else f"{name}#{hash(text):x}"
