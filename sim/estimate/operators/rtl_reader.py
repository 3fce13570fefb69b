"""A flat design as expressions, read from its data flow."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pyverilog.dataflow import dataflow as df

from consilico.hw.census import table_size
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.dataflow import CHOICE, SELECT, Dataflow, number
from consilico.sim.estimate.operators.expressions import (
    EQUAL,
    LOGICAL,
    ORDER,
    REDUCE,
    SHIFT,
    Expression,
    binary,
    constant,
    joined,
    made,
    truth,
    wire,
)  # fmt: skip

__all__ = ["Design", "read_design"]

_TABLE = 8  # constants that a choice must have to count as a table


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
                if term.termtype & {"Output", "Inout"}:
                    design.outputs.append(name)
        for chain, binds in self._flow.binds.items():
            if chain not in self._flow.terms or "Parameter" in self._flow.terms[chain].termtype:
                continue
            name = self._names[chain]
            scope, _, last = name.rpartition(".")
            if scope in gates:
                if last == "gclk":
                    design.clock_gates[name] = f"{scope}.enable"
                    wires = (wire(f"{scope}.{pin}", 1, 0) for pin in ("clk", "enable"))
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
                design.drivers[name].append((low, high, wire(_flat(clock), 1, 0)))
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
            case df.DFIntConst():
                return number(node.value)
            case df.DFEvalValue():
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

    def _expression(self, node: Any, context: int, target: str) -> Expression:
        """An expression of at least ``context`` bits, assigned to ``target``."""
        match node:
            case None:
                return Expression("wire", context, 0, f"held {target}")
            case df.DFIntConst():
                size = node.value.split("'")[0] if "'" in node.value else ""
                return constant(number(node.value), int(size) if size else 0)
            case df.DFEvalValue():
                return constant(int(node.value), int(node.width))
            case df.DFTerminal():
                if node.name not in self._names:
                    raise UserError(f"the Verilog uses {node.tostr()}, which is declared nowhere")
                term = self._flow.terms[node.name]
                if term.termtype & {"Parameter", "Localparam"}:
                    return constant(self._constant(node), 0)
                binds = self._flow.binds.get(node.name, [])
                whole = len(binds) == 1 and binds[0].lsb is None
                wired = not term.termtype & {"Input", "Output"}
                if whole and wired and isinstance(binds[0].tree, df.DFIntConst):
                    return self._expression(binds[0].tree, context, target)
                return wire(self._names[node.name], self._width_of(node.name), 0)
            case df.DFPartselect():
                return self._part(node, target)
            case df.DFPointer():
                inner = self._expression(node.var, 0, target)
                place = self._expression(node.ptr, 0, target)
                if isinstance(node.var, df.DFTerminal) and node.var.name in self._flow.tables:
                    return self._rom(node.var, inner, place)
                if place.kind == "constant":
                    return made("wire", inner.width, 0, f"word{place.value}", inner)
                words = self._words.get(inner.signal, 1)
                return made("mux", inner.width, (words - 1) * inner.width, "at", inner, place)
            case df.DFConcat():
                items = [self._expression(item, 0, target) for item in node.nextnodes]
                return joined(items)
            case df.DFBranch():
                parts = (node.condnode, node.truenode, node.falsenode)
                return self._choice(parts, context, target)
            case df.DFOperator(operator="Cond"):
                return self._choice(node.nextnodes, context, target)
            case df.DFOperator(operator=operator) if operator == SELECT:
                inner, place = (self._expression(item, 0, target) for item in node.nextnodes[:2])
                width = self._constant(node.nextnodes[2])
                return made("mux", width, max(0, inner.width - width), "at", inner, place)
            case df.DFOperator():
                return self._operator(node, context, target)
            case _:
                raise UserError(f"the Verilog uses what is not read here: {node.tostr()[:80]}")

    def _part(self, node: Any, target: str) -> Expression:
        inner = self._expression(node.var, 0, target)
        try:
            low, high = self._constant(node.lsb), self._constant(node.msb)
        except UserError:
            place = self._expression(node.lsb, 0, target)
            if node.msb.tostr() != node.lsb.tostr():
                raise UserError(
                    f"a part with a variable place is not read here: {node.tostr()[:80]}"
                ) from None
            return made("mux", 1, inner.width - 1, "at", inner, place)
        width = high - low + 1
        if inner.kind == "constant":
            return constant(inner.value >> low, width)
        if inner.signal:
            return wire(inner.signal, width, inner.low + low)
        return made("wire", width, 0, f"part{low}", inner)

    def _rom(self, memory: Any, word: Expression, place: Expression) -> Expression:
        """A word of a memory that nothing writes: a table."""
        words = self._flow.tables[memory.name]
        constants = tuple(words.get(address, 0) for address in range(max(words) + 1))
        name = f"table {word.signal}"
        table = made("table", word.width, table_size(constants), name, place)
        return replace(table, value=len(constants))

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
            return made("wire", width, 0, "latch", condition, one, other)
        known = (one.kind == "constant") + (other.kind == "constant")
        kind = ("mux", "and_or", "wire")[known]
        return made(kind, width, (width, width, 0)[known], "if", condition, one, other)

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
        chosen = replace(made("table", width, size, name, index), value=len(known))
        for (condition, _), outcome in zip((*cases, cases[-1]), outcomes, strict=True):
            if outcome.kind != "constant":
                asked = self._condition(condition, target)
                chosen = made("mux", width, width, "if", asked, outcome, chosen)
        return chosen

    def _condition(self, node: Any, target: str) -> Expression:
        return truth(self._expression(node, 0, target))

    def _operator(self, node: Any, context: int, target: str) -> Expression:
        name = node.operator
        if name in REDUCE:
            inner = self._expression(node.nextnodes[0], 0, target)
            return made(REDUCE[name], 1, inner.width - 1, name, inner)
        if name == "Unot":
            inner = self._expression(node.nextnodes[0], context, target)
            return made("wire", inner.width, 0, name, inner)
        if name in ("Uplus", "Uminus"):
            inner = self._expression(node.nextnodes[0], context, target)
            width = max(inner.width, context)
            return inner if name == "Uplus" else made("increment", width, width, name, inner)
        narrow = name in ORDER | EQUAL | LOGICAL
        sides = [
            self._expression(item, 0 if narrow or (name in SHIFT and place) else context, target)
            for place, item in enumerate(node.nextnodes)
        ]
        return binary(name, sides[0], sides[1], context)


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
