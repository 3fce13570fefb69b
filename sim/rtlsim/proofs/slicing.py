"""Slice a design for proofs about its control: what decides stays exact, data become marks.

Which beat of a stream ends up in which result does not depend on what the arithmetic computes, and
no prover needs to see a multiplier for it. So the bits of a payload are divided: those that decide
when something happens (handshakes, clocks) stay, the others are data. A cell that computes with
data gets a counterpart that only computes whether data that are marked take part; where a value is
not needed otherwise, the cell itself is replaced by arbitrary values. A multiplexer, and an AND or
OR with a control signal, pass on only the marks of what they choose: so a mark shows which beats a
register really holds. The rest counts as if every bit of a word depended on every other.

Marks are information flow tracking at the level of words, as in M. Tiwari et al., "Complete
information flow tracking from the gates up", ASPLOS 2009. They err on one side only: a result
without a mark does not depend on what was marked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.rtlsim.proofs.design import Bit, Cell, Design

__all__ = ["CFG_TAG", "I_TAG", "O_TAG", "TICKS", "Slice", "sliced"]

# Ports that the sliced module has in addition
I_TAG, CFG_TAG = "consilico_i_tag", "consilico_cfg_tag"  # In: the payload is marked
O_TAG = "consilico_o_tag"  # Out: the payload on ``o`` may depend on what was marked
TICKS = "consilico_ticks"  # Out: clocks and latch enables that the module derives from its clock

# Gates whose value may follow from one operand
_GATES = frozenset(
    {"$and", "$or", "$not", "$pos", "$mux", "$pmux", "$logic_and", "$logic_or", "$logic_not"}
)
# How a control signal lets data through a gate: what is asked of all its bits, and whether the
# data pass if the answer is no. All bits 0 let nothing through an AND, all bits 1 nothing
# through an OR.
_BLOCKS = {
    "$and": ("$reduce_or", False),
    "$logic_and": ("$reduce_or", False),
    "$or": ("$reduce_and", True),
    "$logic_or": ("$reduce_or", True),
}


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A design for proofs about its control."""

    text: str  # JSON for Yosys' ``read_json``
    ticks: tuple[str, ...]  # names of the bits of port ``consilico_ticks``
    exact: str  # the same for the design as it is, without marks
    i_data: tuple[int, ...]  # places of the bits of the payload of ``i`` that are data
    cfg_data: tuple[int, ...]  # likewise of ``cfg``
    waits_for_ready: bool  # a valid or a payload of ``o`` depends on ``o__ready`` in the same cycle


def sliced(text: str, top: str, clock: str = "clk") -> Slice:
    """Slice a design.

    Args:
        text: JSON of a flat unit as Yosys writes it, with ports ``clk``, ``rst`` and the streams
            ``i``, ``o`` and perhaps ``cfg``.
        top: Name of its module.
        clock: Name of its clock port.

    Raises:
        ToolError: If it holds cells that are not known here.
    """
    design = _with_sampled_gates(Design(json.loads(text), top), top, clock)
    decisive = [
        *design.port("o__valid"), *design.port("i__ready"), *design.port("cfg__ready"),
        *design.moments,
    ]  # fmt: skip
    control = design.behind(decisive)
    sources = {
        tag: [bit for bit in design.port(port) if bit not in control]
        for tag, port in ((I_TAG, "i__payload"), (CFG_TAG, "cfg__payload"))
    }
    ready = set(design.port("o__ready"))
    waits = bool(ready & design.behind(design.port("o__valid"), through_state=False))
    ticks = _derived(design, design.port(clock))
    names = tuple(design.names.get(bit, str(bit)) for bit in ticks)
    exact = json.dumps(design.whole)
    _Marking(design, sources).apply()
    _add_port(design, TICKS, "output", ticks or ["0"])
    module = design.module
    for raw in module["netnames"].values():
        if not raw["attributes"].pop("consilico_mark", None):
            # registers hold anything when power comes: only a reset may be relied on
            raw["attributes"].pop("init", None)
    return Slice(
        text=json.dumps(design.whole),
        ticks=names,
        exact=exact,
        i_data=_places(design, "i__payload", control),
        cfg_data=_places(design, "cfg__payload", control),
        waits_for_ready=waits,
    )


def _places(design: Design, port: str, control: set[Bit]) -> tuple[int, ...]:
    return tuple(at for at, bit in enumerate(design.port(port)) if bit not in control)


def _derived(design: Design, clock: Sequence[Bit]) -> list[Bit]:
    """Return the clocks and latch enables that do not depend on the clock alone."""
    return [bit for bit in design.moments if design.leaves(bit) - set(clock)]


def _with_sampled_gates(design: Design, top: str, clock: str) -> Design:
    """Return a design whose clock gates sample their enable in the step before the edge.

    A gate's latch is transparent while the clock is low, and the gated clock is low then: what
    the latch lets through matters only at the edge. To a prover it would look like a loop from
    the registers behind the gate through the enable back to them.
    """
    (clk,) = design.port(clock)
    readers: dict[Bit, list[Cell]] = {}
    for cell in design.cells:
        for bits in cell.inputs.values():
            for bit in bits:
                readers.setdefault(bit, []).append(cell)
    cells = design.module["cells"]
    for cell in [cell for cell in design.cells if cell.kind == "$dlatch"]:
        (enable,), bits = cell.inputs["EN"], cell.outputs["Q"]
        only_gates = all(
            reader.kind in ("$and", "$logic_and") and [clk] in (*reader.inputs.values(),)
            for bit in bits
            for reader in readers.get(bit, [])
        )
        if design.leaves(enable) != {clk} or not only_gates:
            continue
        held = design.new_bits(len(bits))
        high = int(cells[cell.name]["parameters"]["EN_POLARITY"], 2)
        sources = {"A": bits, "B": cell.inputs["D"]} if high else {"A": cell.inputs["D"], "B": bits}
        cells[cell.name] = _raw("$ff", {"WIDTH": len(bits)}, {"D": held}, {"Q": bits})
        cells[f"{cell.name}$sampled"] = _raw(
            "$mux", {"WIDTH": len(bits)}, sources | {"S": [enable]}, {"Y": held}
        )
    return Design(design.whole, top)


def _add_port(design: Design, name: str, direction: str, bits: list[Bit]) -> None:
    design.module["ports"][name] = {"direction": direction, "bits": bits}
    design.module["netnames"][name] = {"hide_name": 0, "bits": bits, "attributes": {}}


class _Marking:
    """The marks of a design, added to it cell by cell.

    Args:
        design: Where they are added.
        sources: Bits of payloads that are data, by the port that marks them.
    """

    def __init__(self, design: Design, sources: Mapping[str, list[Bit]]) -> None:
        self._design = design
        self._made = 0  # cells
        self._marks: dict[Bit, Bit] = {}  # net of data: net of its mark
        self._words: dict[str, Bit] = {}  # cell: net of its mark
        self._steering: set[str] = set()
        self._unions: dict[tuple[Bit, ...], Bit] = {}
        for tag, bits in sources.items():
            (mark,) = design.new_bits(1)
            _add_port(design, tag, "input", [mark])
            self._marks |= dict.fromkeys(bits, mark)
        self._data = design.ahead(self._marks)

    def apply(self) -> None:
        """Add marks and their output, and replace values that nothing needs."""
        design = self._design
        shown = design.behind(design.port("o__payload"), through_state=False)
        of_data = [
            cell
            for cell in design.cells
            if any(bit in self._data for bits in cell.outputs.values() for bit in bits)
        ]
        for cell in of_data:  # first all nets, so that cells may come in any order
            (mark,) = design.new_bits(1)
            self._words[cell.name] = mark
            for bits in cell.outputs.values():
                self._marks |= {bit: mark for bit in bits if bit in self._data}
        self._steering = self._found_steered(of_data)
        for cell in of_data:
            mark = self._words[cell.name]
            if cell.stores:
                self._store(cell, mark)
                continue
            self._pass_on(cell, mark)
            bits = [bit for each in cell.outputs.values() for bit in each]
            needed = any(bit in shown or bit not in self._data for bit in bits)
            if not needed and not self._steered(cell):
                del design.module["cells"][cell.name]
                self._cell("$anyseq", {"WIDTH": len(bits)}, {}, {"Y": bits})
        _add_port(design, O_TAG, "output", [self._union(design.port("o__payload"))])

    def _steered(self, cell: Cell) -> bool:
        """Tell whether control takes part in a value by gates and multiplexers alone.

        Such a value may decide which marks pass, so it is not replaced.
        """
        return cell.name in self._steering

    def _found_steered(self, of_data: Sequence[Cell]) -> set[str]:
        """Return the names of the cells that are steered."""
        readers: dict[Bit, list[Cell]] = {}
        pending: list[Cell] = []
        for cell in of_data:
            if cell.kind in _GATES:
                bits = {bit for port in cell.inputs.values() for bit in port}
                for bit in bits:
                    readers.setdefault(bit, []).append(cell)
                if any(isinstance(bit, int) and bit not in self._data for bit in bits):
                    pending.append(cell)
        steered: set[str] = set()
        while pending:
            cell = pending.pop()
            if cell.name not in steered:
                steered.add(cell.name)
                for port in cell.outputs.values():
                    pending += [reader for bit in port for reader in readers.get(bit, ())]
        return steered

    def _any_data(self, bits: Sequence[Bit]) -> bool:
        return any(bit in self._data for bit in bits)

    def _store(self, cell: Cell, mark: Bit) -> None:
        raw = self._design.module["cells"][cell.name]
        kept = {port for port in cell.inputs if port not in ("D", "AD")}
        if any(self._any_data(cell.inputs[port]) for port in kept) or cell.kind == "$dffsr":
            raise ToolError(f"no proof yet of registers like {cell.name} ({cell.kind})")
        parameters = {
            name: "0" if name in ("ARST_VALUE", "SRST_VALUE") else value
            for name, value in raw["parameters"].items()
        } | {"WIDTH": 1}
        inputs = {
            port: [self._union(bits)] if port not in kept else bits
            for port, bits in cell.inputs.items()
        }
        self._cell(cell.kind, parameters, inputs, {"Q": [mark]})
        self._design.module["netnames"][f"consilico_mark_{mark}"] = {
            "hide_name": 0, "bits": [mark],
            "attributes": {"init": "0", "consilico_mark": "1"},
        }  # fmt: skip

    def _pass_on(self, cell: Cell, mark: Bit) -> None:
        """Add what computes the mark of a cell that does not store."""
        inputs = cell.inputs
        if cell.kind in ("$mux", "$pmux"):
            count = len(inputs["S"])
            size = len(inputs["B"]) // count
            parts = [inputs["B"][at * size : (at + 1) * size] for at in range(count)]
            parameters = {"WIDTH": 1} | ({"S_WIDTH": count} if cell.kind == "$pmux" else {})
            (chosen,) = self._design.new_bits(1)
            choice = {
                "A": [self._union(inputs["A"])],
                "B": [self._union(part) for part in parts],
                "S": inputs["S"],
            }
            self._cell(cell.kind, parameters, choice, {"Y": [chosen]})
            self._gate("$or", [[chosen], [self._union(inputs["S"])]], mark)
        elif cell.kind in _BLOCKS and self._steered(cell):
            # what is marked passes unless the other operand blocks it and is not marked itself
            a, b = self._passes(cell, "A", "B"), self._passes(cell, "B", "A")
            self._gate("$or", [[a], [b]], mark)
        else:
            bits = [bit for each in inputs.values() for bit in each]
            self._gate("$reduce_or", [self._of(bits)], mark)

    def _passes(self, cell: Cell, data: str, other: str) -> Bit:
        """Return whether the mark of an operand passes a gate, given the other operand."""
        by, word = self._union(cell.inputs[data]), cell.inputs[other]
        if by == "0" or (cell.kind == "$or" and len(word) < len(cell.inputs[data])):
            return by
        gate, inverted = _BLOCKS[cell.kind]
        some, open_, either, made = self._design.new_bits(4)
        self._gate(gate, [word], some)
        self._gate("$not" if inverted else "$pos", [[some]], open_)
        self._gate("$or", [[open_], [self._union(word)]], either)
        self._gate("$and", [[by], [either]], made)
        return made

    def _of(self, bits: Sequence[Bit]) -> list[Bit]:
        """Return the marks of nets, each once."""
        return list(dict.fromkeys(self._marks[bit] for bit in bits if bit in self._marks))

    def _union(self, bits: Sequence[Bit]) -> Bit:
        """Return the mark of nets together."""
        marks = self._of(bits)
        if len(marks) < 2:
            return marks[0] if marks else "0"
        key = tuple(sorted(marks, key=str))
        if key not in self._unions:
            (made,) = self._design.new_bits(1)
            self._gate("$reduce_or", [list(key)], made)
            self._unions[key] = made
        return self._unions[key]

    def _gate(self, kind: str, operands: Sequence[Sequence[Bit]], output: Bit) -> None:
        parameters: dict[str, Any] = {"Y_WIDTH": 1}
        inputs: dict[str, list[Bit]] = {}
        for port, bits in zip("AB", operands, strict=False):
            parameters |= {f"{port}_WIDTH": max(1, len(bits)), f"{port}_SIGNED": 0}
            inputs[port] = list(bits) or ["0"]
        self._cell(kind, parameters, inputs, {"Y": [output]})

    def _cell(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, list[Bit]],
        outputs: Mapping[str, list[Bit]],
    ) -> None:
        self._made += 1
        self._design.module["cells"][f"$consilico${self._made}"] = _raw(
            kind, parameters, inputs, outputs
        )


def _raw(
    kind: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, list[Bit]],
    outputs: Mapping[str, list[Bit]],
) -> dict[str, Any]:
    """Return a cell as Yosys' JSON has it; a number as a parameter has 32 bits."""
    return {
        "hide_name": 1, "type": kind, "attributes": {},
        "parameters": {
            name: f"{value:032b}" if isinstance(value, int) else value
            for name, value in parameters.items()
        },
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {**inputs, **outputs},
    }  # fmt: skip
