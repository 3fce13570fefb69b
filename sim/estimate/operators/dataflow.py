"""Data flow of a Verilog design, by pyverilog, as we need it.

Of pyverilog's visitor some methods are replaced: ``casez`` is read as ``case`` (pyverilog 1.3
passes over it, so that the last item always wins), a combinational process for one signal is read
as one expression (item by item, a ``case`` of 128 takes minutes), any edge is a clock's, and no
operator is copied into the branches of a conditional operand.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

from pyverilog.dataflow.bindvisitor import BindVisitor
from pyverilog.dataflow.dataflow import DFConcat, DFIntConst, DFOperator, DFPartselect
from pyverilog.dataflow.modulevisitor import ModuleVisitor
from pyverilog.dataflow.signalvisitor import SignalVisitor
from pyverilog.utils.verror import DefinitionError, FormatError
from pyverilog.vparser import ast
from pyverilog.vparser.parser import ParseError, VerilogParser

from consilico.sim.base.errors import UserError

__all__ = ["CHOICE", "SELECT", "Dataflow", "number", "read_dataflow"]

CHOICE = "Cond"  # operator of a conditional expression: condition, value if true, value if not
SELECT = "Select"  # operator of a part at a variable place: signal, lowest bit, width

_ATTRIBUTE = re.compile(r"\(\*.*?\*\)", re.S)
_SIGNED = re.compile(r"(?<!\$)\b(signed|integer)\b")
_UNKNOWN = re.compile(r"(?<=[0-9a-fA-FxXzZ?_bohBOH])[xXzZ?]")
_STAR = re.compile(r"@\s*\(\s*\*\s*\)")


@dataclass(frozen=True, eq=False)
class Dataflow:
    """Signals of a design, flattened, and what drives them."""

    terms: dict[Any, Any]  # pyverilog's Term by scope chain
    binds: dict[Any, list[Any]]  # pyverilog's Bind by scope chain
    modules: dict[tuple[str, ...], str]  # module by path of the instance, the top's included
    clocks: dict[Any, Any]  # clock by register, both scope chains
    tables: dict[Any, dict[int, int]]  # initial words of memories by address, by scope chain


class _Visitor(BindVisitor):  # type: ignore[misc] # pyverilog has no types
    """Binds of all signals, and the clocks of registers."""

    def __init__(self, modules: Any, top: str, frames: Any, *, unsigned: bool) -> None:
        super().__init__(modules, top, frames, noreorder=True)
        self.clocks: dict[Any, Any] = {}
        self.tables: dict[Any, dict[int, int]] = {}
        self._unsigned = unsigned  # no signal is declared as signed
        self._clock: Any = None

    def visit_Always(self, node: Any) -> None:
        """Read a process; one that computes a single signal as the expression that it is."""
        edges = _edges(node)
        chosen = None if edges else _as_assignment(node.statement)
        if chosen is not None:
            self.visit(chosen)
            return
        if edges:
            name = self._get_signal_name(edges[0].sig)
            self._clock = self.searchTerminal(name, self.frames.getCurrent())
        super().visit_Always(node)
        self._clock = None

    def visit_Initial(self, node: Any) -> None:
        """Note the words of a memory that are set one by one."""
        for item in _assignments(node):
            match item.left.var, item.right.var:
                case (
                    ast.Pointer(var=ast.Identifier(), ptr=ast.IntConst()) as word,
                    ast.IntConst() as value,
                ):
                    name = self._get_signal_name(word.var)
                    chain = self.searchTerminal(name, self.frames.getCurrent())
                    address = number(word.ptr.value)
                    self.tables.setdefault(chain, {})[address] = number(value.value)

    def addBind(self, left: Any, right: Any, alwaysinfo: Any = None, bindtype: Any = None) -> None:
        """Add what drives a signal; one that is assigned at a clock's edge is a register."""
        if self._clock is not None:
            for target, *_ in self.getDestinations(left, self.frames.getCurrent()):
                self.clocks[target] = self._clock
        super().addBind(left, right, alwaysinfo, bindtype)

    def visit_CasezStatement(self, node: Any) -> None:
        """Read a ``casez`` as ``case``."""
        self.visit_CaseStatement(node)

    def _createAlwaysinfo(self, node: Any, scope: Any) -> tuple[Any, ...]:
        """Nothing: clocks are found by their edges, whatever they are called."""
        return (None,) * 6 + ([],)

    def makeDFTree(self, node: Any, scope: Any) -> Any:
        """Tree of an expression, as it stands."""
        match node:
            case ast.Cond():
                # as an operator: pyverilog copies what is around a branch into both sides
                parts = (node.cond, node.true_value, node.false_value)
                return DFOperator(tuple(self.makeDFTree(part, scope) for part in parts), CHOICE)
            case ast.GreaterEq(left=ast.Identifier(), right=ast.IntConst()) if (
                self._unsigned and not int(DFIntConst(node.right.value).eval())
            ):
                return DFIntConst("1'd1")  # no number without sign is less than 0
            case ast.UnaryOperator():
                return DFOperator((self.makeDFTree(node.right, scope),), type(node).__name__)
            case ast.Operator():
                sides = (self.makeDFTree(side, scope) for side in (node.left, node.right))
                return DFOperator(tuple(sides), type(node).__name__)
            case ast.Partselect(lsb=ast.Plus(left=place, right=width)) if place is node.msb:
                parts = (node.var, place, width)  # var[place +: width], as pyverilog has it
                return DFOperator(tuple(self.makeDFTree(part, scope) for part in parts), SELECT)
            case ast.Partselect():
                parts = (node.var, node.msb, node.lsb)
                return DFPartselect(*(self.makeDFTree(part, scope) for part in parts))
            case ast.Concat():
                return DFConcat(tuple(self.makeDFTree(item, scope) for item in node.list))
            case _:
                return super().makeDFTree(node, scope)


def number(text: str) -> int:
    """Value of a number as Verilog writes it; digits that are x or z count as 0."""
    return int(DFIntConst(_UNKNOWN.sub("0", text) if "'" in text else text).eval())


def _edges(process: Any) -> list[Any]:
    return [item for item in process.sens_list.list if item.type in ("posedge", "negedge")]


class _NoExpression(Exception):
    """A process is not one expression."""


def _as_assignment(statement: Any) -> Any:
    """The assignment that a process for one signal is; None where it is none, or a latch."""
    targets = set(_targets(statement))
    if len(targets) != 1 or None in targets:
        return None
    try:
        value = _value(statement, None)
    except _NoExpression:
        return None
    (name,) = targets
    if value is None or name in set(_names(value)):
        return None
    return ast.Assign(ast.Lvalue(ast.Identifier(name)), ast.Rvalue(value))


def _targets(node: Any) -> Iterator[str | None]:
    """Names that a statement assigns to; None for a part of a signal."""
    for item in _assignments(node):
        target = item.left.var
        yield target.name if isinstance(target, ast.Identifier) else None


def _assignments(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.BlockingSubstitution | ast.NonblockingSubstitution):
        yield node
    for child in node.children():
        yield from _assignments(child)


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, ast.Identifier):
        yield node.name
    for child in node.children():
        yield from _names(child)


def _value(statement: Any, before: Any) -> Any:
    """What a signal is after a statement, ``before`` if that does nothing; None: unchanged."""
    match statement:
        case None | ast.EventStatement():  # the latter is what pyverilog makes of a lone semicolon
            return before
        case ast.Block():
            for inner in statement.statements or ():
                before = _value(inner, before)
            return before
        case ast.BlockingSubstitution():
            return statement.right.var
        case ast.IfStatement():
            branches = (statement.true_statement, statement.false_statement)
            return _choice(statement.cond, *(_value(branch, before) for branch in branches))
        case ast.CaseStatement():
            value = before
            disjoint = all(
                item.cond and all(_is_number(label) for label in item.cond)
                for item in statement.caselist
            )
            for item in reversed(statement.caselist):
                chosen = _value(item.statement, before)
                if disjoint and chosen is before and before is not None:
                    continue  # without effect, as no other item is for the same number
                if item.cond is None or (item is statement.caselist[-1] and before is None):
                    value = chosen  # the last one of a full case needs no question
                    continue
                equal = [ast.Eq(statement.comp, label) for label in item.cond]
                value = _choice(reduce(ast.Lor, equal), chosen, value)
            return value
        case _:
            raise _NoExpression


def _is_number(label: Any) -> bool:
    """Whether a label of a ``casez`` stands for one value only."""
    return isinstance(label, ast.IntConst) and not set("xXzZ?") & set(label.value)


def _choice(condition: Any, chosen: Any, other: Any) -> Any:
    if chosen is other:
        return chosen
    if chosen is None or other is None:
        raise _NoExpression  # it holds its value: a latch
    if isinstance(chosen, ast.Cond) and chosen.false_value is other:
        return ast.Cond(ast.Land(condition, chosen.cond), chosen.true_value, other)
    return ast.Cond(condition, chosen, other)


def read_dataflow(verilog: str, top: str, source: str = "the Verilog") -> Dataflow:
    """Parse Verilog and bring its modules together.

    Args:
        verilog: Text of all modules, Verilog-2005.
        top: Module to start at.
        source: What to call the text in messages.

    Raises:
        UserError: If it cannot be parsed, has no such module, or uses what pyverilog cannot read.
    """
    text = _STAR.sub("@*", _ATTRIBUTE.sub("", verilog))
    try:
        tree = _parser().parse(text)
    except ParseError as error:
        raise UserError(f"{source}: cannot be read as Verilog-2005: {error}") from error
    visitor = ModuleVisitor()
    visitor.visit(tree)
    names = visitor.get_modulenames()
    if top not in names:
        raise UserError(f"{source} has no module {top!r}; there are: {', '.join(names) or 'none'}")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 16384))
    try:
        return _bound(visitor.get_moduleinfotable(), top, unsigned=not _SIGNED.search(text))
    except DefinitionError as error:
        _, told, name = str(error).partition("No such module: ")
        if not told:
            raise UserError(f"{source}: pyverilog cannot follow its data flow: {error}") from error
        raise UserError(f"{source}: {name} is a black box, which holds nothing to count") from error
    except (FormatError, KeyError, AttributeError, ValueError) as error:
        raise UserError(f"{source}: pyverilog cannot follow its data flow: {error}") from error
    finally:
        sys.setrecursionlimit(limit)


@cache
def _parser() -> Any:
    """Making its tables takes a second."""
    with tempfile.TemporaryDirectory(prefix="consilico-pyverilog-") as folder:
        return VerilogParser(outputdir=folder, debug=False)


def _bound(modules: Any, top: str, *, unsigned: bool) -> Dataflow:
    signals = SignalVisitor(modules, top)
    signals.start_visit()
    frames = signals.getFrameTable()
    binder = _Visitor(modules, top, frames, unsigned=unsigned)
    binder.start_visit()
    found = binder.getDataflows()
    return Dataflow(
        terms=found.getTerms(),
        clocks=binder.clocks,
        tables=binder.tables,
        binds=found.getBinddict(),
        modules={
            tuple(label.scopename for label in chain): module
            for chain, module in frames.getAllInstances()
        },
    )
