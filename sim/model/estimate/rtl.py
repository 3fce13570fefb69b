"""Operator census of Verilog, read from its data flow: the kinds of :mod:`hw.census`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pyverilog.dataflow import dataflow as df

from hw.census import KINDS, table_size
from sim.errors import UserError
from sim.model.estimate.dataflow import CHOICE, Dataflow
from sim.model.estimate.significance import significant_bits

__all__ = ["Design", "Expression", "read_design", "rtl_census"]

_BITWISE = {"And": "and_or", "Or": "and_or", "Xor": "xor", "Xnor": "xor"}
_REDUCE = {
    "Uand": "and_or", "Uor": "and_or", "Unand": "and_or", "Unor": "and_or", "Ulnot": "and_or",
    "Uxor": "xor", "Uxnor": "xor",
}  # fmt: skip
_LOGICAL = {"Land", "Lor"}
_ORDER = {"LessThan", "GreaterThan", "LessEq", "GreaterEq"}
_EQUAL = {"Eq", "NotEq", "Eql", "NotEql"}
_SHIFT = {"Sll", "Srl", "Sla", "Sra"}
_TABLE = 8  # constants that a choice must have to count as a table
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
    value: int = 0  # of a constant
    name: str = ""  # of an operator, with its width


@dataclass(eq=False)
class Design:
    """A flat design: what drives each signal."""

    widths: dict[str, int] = field(default_factory=dict)
    drivers: dict[str, list[tuple[int, int, Expression]]] = field(default_factory=dict)
    registers: dict[str, int] = field(default_factory=dict)  # flip-flops: bits by signal
    latches: dict[str, int] = field(default_factory=dict)
    clock_gates: dict[str, str] = field(default_factory=dict)  # enable by gated clock
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def rtl_census(design: Design) -> dict[str, int]:
    """Bits of operators by kind that outputs and registers depend on.

    Equal expressions count once, whatever the wires in them are called.
    """
    totals: Counter[str] = Counter()
    unnamed = _Unnamed(design)
    seen: set[str] = set()
    done: set[str] = set()
    pending = list(design.outputs)
    while pending:
        name = pending.pop()
        if name in done:
            continue
        done.add(name)
        if name in design.registers:
            totals["flop"] += design.registers[name]
        if name in design.latches:
            totals["latch"] += design.latches[name]
        if name in design.clock_gates:
            totals["clock_gate"] += 1
        stack = [expression for _, _, expression in design.drivers.get(name, ())]
        while stack:
            item = stack.pop()
            if item.signal:
                pending.append(item.signal)
                continue
            text = unnamed.text(item)
            if text in seen:
                continue
            seen.add(text)
            if item.bits:
                totals[item.kind] += item.bits
                if item.kind == "shift":  # what is known to be 0 needs no stage
                    filled = significant_bits(design, item.operands[0])
                    excess = item.width - filled if item.name.startswith("Srl") else 0
                    totals[item.kind] -= excess * item.operands[1].width
            stack.extend(item.operands)
    return {kind: totals[kind] for kind in KINDS if totals[kind]}


class _Unnamed:
    """Texts of expressions with what drives a wire in place of its name."""

    def __init__(self, design: Design) -> None:
        keeps = {*design.registers, *design.latches, *design.clock_gates}
        self._sources = {
            name: drivers[0][2]
            for name, drivers in design.drivers.items()
            if name not in keeps
            and [(low, high) for low, high, _ in drivers] == [(0, design.widths[name] - 1)]
            and drivers[0][2].width == design.widths[name]
        }
        self._texts: dict[Expression, str] = {}

    def text(self, root: Expression) -> str:
        """Equal for expressions that are equal down to registers and inputs."""
        stack, open_ = [root], set()
        while stack:
            item = stack[-1]
            source = self._sources.get(item.signal)
            below = item.operands if source is None else (source,)
            missing = [each for each in below if each not in self._texts and each not in open_]
            if missing and item not in self._texts:
                open_.add(item)  # a loop of wires ends where it closes
                stack.extend(missing)
                continue
            stack.pop()
            if item not in self._texts:
                self._texts[item] = self._composed(item, below, whole=source)
        return self._texts[root]

    def _composed(
        self, item: Expression, below: tuple[Expression, ...], whole: Expression | None
    ) -> str:
        parts = [self._texts.get(each, each.text) for each in below]
        if whole is not None:
            place = f"[{item.low}+:{item.width}]" if item.width != whole.width else ""
            return parts[0] + place
        if not (item.name and parts):
            return item.text
        return _shortened(f"{item.name}({','.join(parts)})", item.name)


def _shortened(text: str, name: str) -> str:
    return text if len(text) <= _LONGEST else f"{name}#{hash(text):x}"


def read_design(flow: Dataflow) -> Design:
    """Expressions, registers and latches of a design.

    Raises:
        UserError: If a width is not constant.
    """
    return _Reader(flow).design()


class _Reader:
    def __init__(self, flow: Dataflow) -> None:
        self._flow = flow
        self._names = {chain: _flat(chain) for chain in flow.terms}
        self._widths: dict[Any, int] = {}
        self._words: dict[str, int] = {}
        self._latching = False  # what is read is a latch's: its choice is the latch
        self._clocked = {_flat(chain) for chain in flow.clocks}

    def design(self) -> Design:
        design = Design()
        gates = {
            ".".join(path)
            for path, module in self._flow.modules.items()
            if module == "consilico_clock_gate"
        }
        for chain, term in self._flow.terms.items():
            if "Parameter" in term.termtype or "Localparam" in term.termtype:
                continue
            name = self._names[chain]
            design.widths[name] = self._width_of(chain)
            if len(chain) == 2:  # of the top module
                if "Input" in term.termtype:
                    design.inputs.append(name)
                if "Output" in term.termtype:
                    design.outputs.append(name)
        for chain, binds in self._flow.binds.items():
            if chain not in self._flow.terms or "Parameter" in self._flow.terms[chain].termtype:
                continue
            name = self._names[chain]
            scope, _, last = name.rpartition(".")
            if scope in gates:
                if last == "gclk":
                    design.clock_gates[name] = f"{scope}.enable"
                    wires = (self._wire(f"{scope}.{pin}", 1, 0) for pin in ("clk", "enable"))
                    gate = Expression("wire", 1, 0, f"gate {name}", tuple(wires))
                    design.drivers[name] = [(0, 0, gate)]
                elif last != "held":
                    self._drive(design, chain, name, binds)
                continue
            self._drive(design, chain, name, binds)
        return design

    def _drive(self, design: Design, chain: Any, name: str, binds: list[Any]) -> None:
        for bind in binds:
            if bind.tree is None:
                continue
            low, high = 0, design.widths[name] - 1
            if bind.lsb is not None and bind.msb is not None:
                low, high = self._constant(bind.lsb), self._constant(bind.msb)
            clock = self._flow.clocks.get(chain)
            holds = _incomplete(bind.tree)
            self._latching = clock is None and holds
            tree = self._expression(bind.tree, high - low + 1, name)
            design.drivers.setdefault(name, []).extend(_pieces(low, high, tree))
            bits = (high - low + 1) * (self._words.get(name, 1) if bind.ptr is not None else 1)
            if holds and clock is None:  # a latch needs no multiplexer to hold its value
                tree = replace(tree, kind="wire", bits=0)
            if clock is not None:
                design.registers[name] = design.registers.get(name, 0) + bits
                design.drivers[name].append((low, high, self._wire(_flat(clock), 1, 0)))
            elif holds:
                design.latches[name] = design.latches.get(name, 0) + bits

    def _width_of(self, chain: Any) -> int:
        if chain not in self._widths:
            term = self._flow.terms[chain]
            width = 1
            if term.msb is not None and term.lsb is not None:
                width = abs(self._constant(term.msb) - self._constant(term.lsb)) + 1
            for first, last in term.dims or ():
                words = abs(self._constant(first) - self._constant(last)) + 1
                self._words[self._names[chain]] = words
            self._widths[chain] = width
        return self._widths[chain]

    def _constant(self, node: Any) -> int:
        """Value of an expression of constants and parameters."""
        match node:
            case df.DFIntConst() | df.DFEvalValue():
                return int(node.eval())
            case df.DFTerminal():
                binds = self._flow.binds.get(node.name, [])
                term = self._flow.terms.get(node.name)
                if binds and term is not None and "Parameter" in term.termtype | {"Parameter"}:
                    return self._constant(binds[0].tree)
            case df.DFOperator():
                values = [self._constant(item) for item in node.nextnodes]
                match node.operator, values:
                    case "Plus", [a, b]:
                        return a + b
                    case "Minus", [a, b]:
                        return a - b
                    case "Times", [a, b]:
                        return a * b
                    case "Divide", [a, b]:
                        return a // b
                    case "Power", [a, b]:
                        return int(a**b)
                    case "Sll", [a, b]:
                        return a << b
                    case "Uminus", [a]:
                        return -a
        raise UserError(f"a width or place in the Verilog is not constant: {node.tostr()}")

    def _wire(self, name: str, width: int, low: int) -> Expression:
        return Expression("wire", width, 0, f"{name}[{low}+:{width}]", signal=name, low=low)

    def _expression(self, node: Any, context: int, target: str) -> Expression:
        """An expression of at least ``context`` bits, assigned to ``target``."""
        match node:
            case None:
                return Expression("wire", context, 0, f"held {target}")
            case df.DFIntConst():
                size = node.value.split("'")[0] if "'" in node.value else ""
                return self._known(int(node.eval()), int(size) if size else 0)
            case df.DFEvalValue():
                return self._known(int(node.value), int(node.width))
            case df.DFTerminal():
                if node.name not in self._names:
                    raise UserError(f"the Verilog uses {node.tostr()}, which is declared nowhere")
                term = self._flow.terms[node.name]
                if term.termtype & {"Parameter", "Localparam"}:
                    return self._known(self._constant(node), 0)
                binds = self._flow.binds.get(node.name, [])
                whole = len(binds) == 1 and binds[0].lsb is None
                wired = not term.termtype & {"Input", "Output"}
                if whole and wired and isinstance(binds[0].tree, df.DFIntConst):
                    return self._expression(binds[0].tree, context, target)
                return self._wire(self._names[node.name], self._width_of(node.name), 0)
            case df.DFPartselect():
                return self._part(node, target)
            case df.DFPointer():
                inner = self._expression(node.var, 0, target)
                place = self._expression(node.ptr, 0, target)
                if place.kind == "constant":
                    return self._made("wire", inner.width, 0, f"word{place.value}", inner)
                words = self._words.get(inner.signal, 1)
                return self._made("mux", inner.width, (words - 1) * inner.width, "at", inner, place)
            case df.DFConcat():
                items = [self._expression(item, 0, target) for item in node.nextnodes]
                return self._joined(items)
            case df.DFBranch():
                parts = (node.condnode, node.truenode, node.falsenode)
                return self._choice(parts, context, target)
            case df.DFOperator(operator="Cond"):
                return self._choice(node.nextnodes, context, target)
            case df.DFOperator():
                return self._operator(node, context, target)
            case _:
                raise UserError(f"the Verilog uses what is not read here: {node.tostr()[:80]}")

    def _known(self, value: int, width: int) -> Expression:
        width = width or max(1, value.bit_length())
        value &= (1 << width) - 1
        return Expression("constant", width, 0, f"{width}'d{value}", value=value)

    def _made(
        self, kind: str, width: int, bits: int, name: str, *operands: Expression
    ) -> Expression:
        name = f"{name}:{width}"
        text = _shortened(f"{name}({','.join(item.text for item in operands)})", name)
        return Expression(kind, width, bits, text, operands, name=name)

    def _joined(self, items: list[Expression]) -> Expression:
        width = sum(item.width for item in items)
        if all(item.kind == "constant" for item in items):
            value = 0
            for item in items:
                value = value << item.width | item.value
            return self._known(value, width)
        return self._made("wire", width, 0, "cat", *items)

    def _part(self, node: Any, target: str) -> Expression:
        inner = self._expression(node.var, 0, target)
        low = self._expression(node.lsb, 0, target)
        if low.kind != "constant":
            width = 1
            if node.msb.tostr() != node.lsb.tostr():
                raise UserError(f"a part with a variable place is not read here: {node.tostr()}")
            return self._made("mux", width, inner.width - 1, "at", inner, low)
        high = self._constant(node.msb)
        width = high - low.value + 1
        if inner.kind == "constant":
            return self._known(inner.value >> low.value, width)
        if inner.signal:
            return self._wire(inner.signal, width, inner.low + low.value)
        return self._made("wire", width, 0, f"part{low.value}", inner)

    def _choice(self, parts: Any, context: int, target: str) -> Expression:
        table = self._table(parts, context, target)
        if table is not None:
            return table
        condition = self._condition(parts[0], target)
        one, other = (self._expression(item, context, target) for item in parts[1:])
        if condition.kind == "constant":
            return one if condition.value else other
        width = max(one.width, other.width, context)
        if self._latching and None in parts[1:]:
            return self._made("wire", width, 0, "latch", condition, one, other)
        known = (one.kind == "constant") + (other.kind == "constant")
        kind = ("mux", "and_or", "wire")[known]
        return self._made(kind, width, (width, width, 0)[known], "if", condition, one, other)

    def _table(self, parts: Any, context: int, target: str) -> Expression | None:
        """A chain of comparisons of one value, most of whose outcomes are constants.

        The constants are a table; an outcome that is none takes a multiplexer.
        """
        cases: list[tuple[Any, Any]] = []
        rest = None
        while True:
            condition, one, other = parts
            if not (isinstance(condition, df.DFOperator) and condition.operator == "Eq"):
                break
            compared = condition.nextnodes[0]
            if cases and compared.tostr() != cases[0][0].nextnodes[0].tostr():
                break
            cases.append((condition, one))
            rest = other
            if not (isinstance(rest, df.DFOperator) and rest.operator == CHOICE):
                break
            parts = rest.nextnodes
        if len(cases) + 1 < _TABLE:
            return None
        outcomes = [self._expression(value, context, target) for _, value in cases]
        outcomes.append(self._expression(rest, context, target))
        known = [outcome for outcome in outcomes if outcome.kind == "constant"]
        if len(known) < _TABLE:
            return None
        width = max(item.width for item in known)
        name = f"table{hash(tuple(item.text for item in known)):x}"
        index = self._expression(cases[0][0].nextnodes[0], 0, target)
        size = table_size(tuple(item.value for item in known))
        chosen = self._made("table", width, size, name, index)
        for (condition, _), outcome in zip((*cases, cases[-1]), outcomes, strict=True):
            if outcome.kind != "constant":
                asked = self._condition(condition, target)
                chosen = self._made("mux", width, width, "if", asked, outcome, chosen)
        return chosen

    def _condition(self, node: Any, target: str) -> Expression:
        return self._truth(self._expression(node, 0, target))

    def _truth(self, value: Expression) -> Expression:
        """Whether a value is not 0."""
        if value.kind == "constant":
            return self._known(int(value.value != 0), 1)
        return value if value.width == 1 else self._made("and_or", 1, value.width - 1, "any", value)

    def _operator(self, node: Any, context: int, target: str) -> Expression:
        name = node.operator
        if name in _REDUCE:
            inner = self._expression(node.nextnodes[0], 0, target)
            return self._made(_REDUCE[name], 1, inner.width - 1, name, inner)
        if name == "Unot":
            inner = self._expression(node.nextnodes[0], context, target)
            return self._made("wire", inner.width, 0, name, inner)
        if name in ("Uplus", "Uminus"):
            inner = self._expression(node.nextnodes[0], context, target)
            width = max(inner.width, context)
            return inner if name == "Uplus" else self._made("increment", width, width, name, inner)
        narrow = name in _ORDER | _EQUAL | _LOGICAL
        sides = [
            self._expression(item, 0 if narrow or (name in _SHIFT and place) else context, target)
            for place, item in enumerate(node.nextnodes)
        ]
        return self._binary(name, sides[0], sides[1], context)

    def _binary(self, name: str, left: Expression, right: Expression, context: int) -> Expression:
        known = (left.kind == "constant") + (right.kind == "constant")
        width = max(left.width, right.width, context)
        if name in _BITWISE:
            kind = "wire" if known else _BITWISE[name]
            return self._made(
                kind, width, 0 if known else min(left.width, right.width), name, left, right
            )
        if name in _LOGICAL:
            sides = self._truth(left), self._truth(right)
            return self._made("wire" if known else "and_or", 1, 0 if known else 1, name, *sides)
        if name in _EQUAL | _ORDER:
            compared = max(left.width, right.width)
            if known == 2 or (known and compared == 1):
                return self._made("wire", 1, 0, name, left, right)
            return self._made("equal" if name in _EQUAL else "less", 1, compared, name, left, right)
        if name in _SHIFT:
            return self._shift(name, left, right, context)
        if name in ("Plus", "Minus"):
            single = known or min(left.width, right.width) == 1
            free = known == 2 or any(
                side.kind == "constant" and not side.value for side in (left, right)
            )
            kind = "wire" if free else "increment" if single else "add"
            return self._made(kind, width, 0 if free else width, name, left, right)
        if name == "Times":
            if known:
                factor = left.value if left.kind == "constant" else right.value
                terms = (3 * factor ^ factor).bit_count()  # digits of its non-adjacent form
                return self._made("add", width, max(0, terms - 1) * width, name, left, right)
            return self._made("multiply", width, left.width * right.width, name, left, right)
        if known == 2 or name in ("Divide", "Mod", "Power"):
            if right.kind == "constant" and right.value.bit_count() == 1:
                return self._made("wire", width, 0, name, left, right)
            raise UserError(f"the Verilog divides by a variable ({name}), which has no cost here")
        raise UserError(f"the Verilog uses the operator {name}, which has no cost here")

    def _shift(self, name: str, left: Expression, right: Expression, context: int) -> Expression:
        width = max(left.width, context)
        if right.kind == "constant":
            return self._made("wire", width, 0, name, left, right)
        if left.kind == "constant":
            kind, bits = ("decode", width) if name in ("Sll", "Sla") else ("lookup", left.width)
            return self._made(kind, width, bits, name, left, right)
        return self._made("shift", width, width * right.width, name, left, right)


def _pieces(low: int, high: int, tree: Expression) -> Iterator[tuple[int, int, Expression]]:
    """What drives each part of a signal: the items of a concatenation by themselves."""
    if tree.kind != "wire" or not tree.text.startswith("cat:"):
        yield low, high, tree
        return
    for item in reversed(tree.operands):
        top = min(high, low + item.width - 1)
        if low <= top:
            yield from _pieces(low, top, item)
        low += item.width


def _flat(chain: Any) -> str:
    return ".".join(label.scopename for label in chain)


def _incomplete(tree: Any) -> bool:
    """Whether a value is held: a branch is missing."""
    while isinstance(tree, df.DFBranch):
        if tree.truenode is None or tree.falsenode is None:
            return True
        tree = tree.falsenode
    return False
