"""Slice a design for proofs about its control: what decides stays exact, data become marks.

Which beat of a stream ends up in which result does not depend on what the arithmetic computes, and
no prover needs to see a multiplier for it. So the bits of a payload are divided: those that decide
when something happens (handshakes, clocks) stay, the others are data. Next to data, the design gets
marks, which only say whether data that are marked take part. A multiplexer, and an AND or OR with a
control signal, pass on only the marks of what they choose: so a mark shows which beats a register
really holds. Bits that take the same way have one mark; a register that is filled slice by slice
has one for each slice. The rest counts as if every bit of a word depended on every other. Values
of data are arbitrary, but for those that the payload of ``o`` shows and its registers hold.

Marks are information flow tracking, as in M. Tiwari et al., "Complete information flow tracking
from the gates up", ASPLOS 2009. They err on one side only: a result without a mark does not depend
on what was marked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consilico.sim.rtlsim.proofs.clocking import Clocked
from consilico.sim.rtlsim.proofs.design import BITWISE, Bit, FlatCell, FlatModule, raw_cell

__all__ = ["CFG_TAG", "I_TAG", "O_TAG", "TICKS", "Slice", "shown_net", "sliced"]

# Ports that the sliced module has in addition
I_TAG, CFG_TAG = "consilico_i_tag", "consilico_cfg_tag"  # In: the payload is marked
O_TAG = "consilico_o_tag"  # Out: the payload on ``o`` may depend on what was marked
TICKS = "consilico_ticks"  # Out: which gated clocks tick, which latches are open

# Gates whose value may follow from one operand
_GATES = frozenset(
    {"$and", "$or", "$not", "$pos", "$mux", "$pmux", "$logic_and", "$logic_or", "$logic_not"}
)
_HOLDS = frozenset({"$ff"})
# How a control signal lets data through a gate: what is asked of its bits, and whether the data
# pass if the answer is no. All bits 0 let nothing through an AND, all bits 1 nothing through an OR.
_BLOCKS = {
    "$and": ("$reduce_or", False),
    "$logic_and": ("$reduce_or", False),
    "$or": ("$reduce_and", True),
    "$logic_or": ("$reduce_or", True),
}
# What is shifted decides whether it matters by how many places: 0 stays 0
_SHIFTS = frozenset({"$shl", "$shr", "$sshl", "$sshr"})


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A design for proofs about its control."""

    text: str  # JSON for Yosys' ``read_json``
    ticks: tuple[str, ...]  # names of the bits of port ``consilico_ticks``
    nets: Mapping[str, int]  # widths of nets that became ports, by their names
    exact: str  # the same for the design as it is, without marks
    i_data: tuple[int, ...]  # places of the bits of the payload of ``i`` that are data
    cfg_data: tuple[int, ...]  # likewise of ``cfg``
    unset: tuple[str, ...]  # names of registers without an initial value
    waits_for_ready: bool  # a valid or a payload of ``o`` depends on ``o__ready`` in the same cycle


def sliced(clocked: Clocked, *, nets: Mapping[str, str] = {}, powered: bool = False) -> Slice:
    """Slice a design with ports ``clk``, ``rst`` and the streams ``i``, ``o`` and perhaps ``cfg``.

    Args:
        clocked: The design in cycles; it is changed and must not be used again.
        nets: Further nets that keep their values and become output ports (:func:`shown_net`), by
            a name for each.
        powered: Whether registers hold their initial values when power comes; else anything.
    """
    design, moments = clocked.design, {**clocked.ticks, **clocked.opens}
    ticks = list(moments.values())
    decisive = [
        *design.port("o__valid"), *design.port("i__ready"), *design.port("cfg__ready"), *ticks,
    ]  # fmt: skip
    shown = {name: design.net(net) for name, net in nets.items()}
    control = design.behind([*decisive, *(bit for bits in shown.values() for bit in bits)])
    sources = {
        tag: [bit for bit in design.port(port) if bit not in control]
        for tag, port in ((I_TAG, "i__payload"), (CFG_TAG, "cfg__payload"))
    }
    ready = set(design.port("o__ready"))
    waits = bool(ready & design.behind(design.port("o__valid"), through_state=False))
    unset = _unset(design)  # before the design gets nets that its source does not have
    design.add_port(TICKS, "output", ticks or ["0"])
    for name, bits in shown.items():
        design.add_port(shown_net(name), "output", bits)
    exact = json.dumps(design.whole)
    if not powered:
        for raw in design.module["netnames"].values():
            raw["attributes"].pop("init", None)
    _Marking(design, sources).apply()
    return Slice(
        text=json.dumps(design.whole),
        ticks=tuple(moments),
        nets={name: len(bits) for name, bits in shown.items()},
        exact=exact,
        i_data=_places(design, "i__payload", control),
        cfg_data=_places(design, "cfg__payload", control),
        unset=unset,
        waits_for_ready=waits,
    )


def shown_net(name: str) -> str:
    """Return the name of the port that shows a net."""
    return f"consilico_net_{name}"


def _unset(design: FlatModule) -> tuple[str, ...]:
    stored = {bit for cell in design.cells if cell.stores for bit in cell.outputs["Q"]}
    return tuple(
        name
        for name, raw in design.module["netnames"].items()
        if stored.issuperset(raw["bits"]) and "init" not in raw["attributes"]
    )


def _places(design: FlatModule, port: str, control: set[Bit]) -> tuple[int, ...]:
    return tuple(at for at, bit in enumerate(design.port(port)) if bit not in control)


class _Marking:
    """The marks of a design, added to it class by class.

    Args:
        design: Where they are added.
        sources: Bits of payloads that are data, by the port that marks them.
    """

    def __init__(self, design: FlatModule, sources: Mapping[str, list[Bit]]) -> None:
        self._design = design
        self._unions: dict[tuple[Bit, ...], Bit] = {}
        self._signals: dict[Bit, Bit] = {}  # bit of control: one that is always equal
        self._same: dict[object, Bit] = {}
        self._data = design.ahead([bit for bits in sources.values() for bit in bits])
        self._steered = self._found_steered()
        classes = self._classes(sources)
        nets: dict[int, Bit] = {}
        for number in dict.fromkeys(classes.values()):
            (nets[number],) = design.new_bits(1)
        self._marks = {bit: nets[number] for bit, number in classes.items()}
        for tag, bits in sources.items():
            mark = [self._marks[bit] for bit in bits[:1]] or design.new_bits(1)
            design.add_port(tag, "input", mark)

    def _classes(self, sources: Mapping[str, list[Bit]]) -> dict[Bit, int]:
        """Return a number for each bit of data; bits that take the same way share it.

        This is the coarsest partition in which bits of a word that a gate or a register treats
        bit by bit share a class only if what they come from does.
        """
        driver = self._design.driver
        classes: dict[Bit, int] = {}
        words: dict[object, int] = {}
        for bit in self._data:
            if bit in driver:
                classes[bit] = words.setdefault(driver[bit][0].name, len(words))
        for tag, bits in sources.items():
            classes |= dict.fromkeys(bits, words.setdefault(("port", tag), len(words)))
        count = 0
        while True:
            numbers: dict[object, int] = {}
            refined = {
                bit: numbers.setdefault(self._signature(bit, classes), len(numbers))
                for bit in classes
            }
            if len(numbers) == count:
                return refined
            classes, count = refined, len(numbers)

    def _signature(self, bit: Bit, classes: Mapping[Bit, int]) -> object:
        """Return what two bits must have in common to stay in one class."""
        if bit not in self._design.driver:
            return classes[bit]
        cell, _, place = self._design.driver[bit]
        if cell.kind not in BITWISE and not cell.stores:
            return classes[bit]
        found: list[object] = [classes[bit]]
        for port in cell.inputs:
            for operand in cell.operand(port, place):
                # which control signal lets data through matters, not which one is added to them
                blocks = cell.kind in _BLOCKS or port == "S"
                other = self._signal(operand) if blocks else None
                found.append(classes.get(operand, other))
        return tuple(found)

    def _signal(self, bit: Bit) -> Bit:
        """Return what a control bit is; bits of a word that are always equal are the same."""
        if bit not in self._signals:
            self._signals[bit] = bit
            cell, _, place = self._design.driver.get(bit, (None, "", 0))
            if cell is not None and cell.kind in BITWISE and len(cell.outputs["Y"]) > 1:
                parts = (
                    self._signal(one) for port in cell.inputs for one in cell.operand(port, place)
                )
                key = cell.kind, *parts
                self._signals[bit] = self._same.setdefault(key, bit)
        return self._signals[bit]

    def _found_steered(self) -> set[Bit]:
        """Return the single bits of data that control takes part in by gates, and hold that.

        Whether a marked word passes may depend on them, so they keep their value.
        """
        design = self._design
        found: set[Bit] = set()
        pending = [cell for cell in design.cells if cell.kind in _GATES]
        while pending:
            cell = pending.pop()
            (bit, *others) = cell.outputs["Q" if cell.stores else "Y"]
            if others or bit in found or bit not in self._data:
                continue
            operands = {each for port in cell.inputs.values() for each in port}
            if any(isinstance(each, int) and self._decides([each], found) for each in operands):
                found.add(bit)
                pending += [each for each in design.readers(bit) if each.kind in _GATES | _HOLDS]
        return found

    def _decides(self, bits: Sequence[Bit], steered: set[Bit]) -> bool:
        """Tell whether nets have a value that marks may depend on."""
        return all(bit not in self._data or bit in steered for bit in bits)

    def apply(self) -> None:
        """Add marks and their output, and replace values that nothing needs."""
        design, made = self._design, set()
        kept = self._kept()
        for bit in self._data:
            mark = self._marks[bit]
            if mark in made or bit not in design.driver:
                continue
            made.add(mark)
            cell, _, place = design.driver[bit]
            if cell.stores:
                self._store(cell, place, mark)
            else:
                self._pass_on(cell, place, mark)
        replaced = self._data - self._steered
        for cell in design.cells:
            bits = [bit for each in cell.outputs.values() for bit in each]
            if cell.name not in kept and all(bit in replaced for bit in bits):
                del design.module["cells"][cell.name]
                design.add(raw_cell("$anyseq", {}, {"Y": bits}))
        design.add_port(O_TAG, "output", [self._union(design.port("o__payload"))])

    def _kept(self) -> set[str]:
        """Return the cells whose value ``o`` shows, and those by which their registers hold it."""
        design = self._design
        shown = design.behind(design.port("o__payload"), through_state=False)
        cells = [design.driver[bit][0] for bit in shown if bit in design.driver]
        pending = [bit for cell in cells if cell.stores for bit in cell.inputs["D"]]
        walked: set[Bit] = set()
        while pending:  # backward, by gates
            bit = pending.pop()
            if bit not in walked and bit in design.driver:
                walked.add(bit)
                if design.driver[bit][0].kind in _GATES:
                    pending += design.fan_in(bit)
        held: set[str] = set()
        pending = [bit for cell in cells if cell.stores for bit in cell.outputs["Q"]]
        while pending:  # and forward
            for reader in design.readers(pending.pop()):
                outputs = [bit for bit in reader.outputs.get("Y", []) if bit in walked]
                if reader.kind in _GATES and outputs and reader.name not in held:
                    held.add(reader.name)
                    pending += outputs
        return held | {cell.name for cell in cells}

    def _store(self, cell: FlatCell, place: int, mark: Bit) -> None:
        fed = [self._union(cell.operand("D", place))]
        self._design.add(raw_cell("$ff", {"D": fed}, {"Q": [mark]}))
        name = self._design.names.get(cell.outputs["Q"][place], "")
        self._design.module["netnames"][f"consilico_mark_{mark}_{name}"] = {
            "hide_name": 0, "bits": [mark], "attributes": {"init": "0"},
        }  # fmt: skip

    def _pass_on(self, cell: FlatCell, place: int, mark: Bit) -> None:
        """Add what computes the mark of a cell that does not store."""
        inputs = {port: cell.operand(port, place) for port in cell.inputs}
        if cell.kind in ("$mux", "$pmux") and self._decides(inputs["S"], self._steered):
            count = len(inputs["S"])
            size = len(inputs["B"]) // count
            parts = [inputs["B"][at * size : (at + 1) * size] for at in range(count)]
            choice = {
                "A": [self._union(inputs["A"])],
                "B": [self._union(part) for part in parts],
                "S": inputs["S"],
            }
            (chosen,) = self._design.new_bits(1)
            self._design.add(raw_cell(cell.kind, choice, {"Y": [chosen]}))
            self._gate("$or", [[chosen], [self._union(inputs["S"])]], mark)
        elif cell.kind in _SHIFTS:
            places = self._gated(self._union(inputs["B"]), inputs["A"])
            self._gate("$or", [[self._union(inputs["A"])], [places]], mark)
        elif cell.kind in _BLOCKS:
            a, b = self._passes(cell, inputs, "A", "B"), self._passes(cell, inputs, "B", "A")
            self._gate("$or", [[a], [b]], mark)
        else:
            bits = [bit for each in inputs.values() for bit in each]
            self._gate("$reduce_or", [self._of(bits)], mark)

    def _passes(
        self, cell: FlatCell, inputs: Mapping[str, list[Bit]], data: str, other: str
    ) -> Bit:
        """Return whether the mark of an operand passes a gate, given the other operand."""
        by, control = self._union(inputs[data]), inputs[other]
        if by == "0" or not self._decides(control, self._steered):
            return by
        asked, inverted = _BLOCKS[cell.kind]
        some, opens, either, made = self._design.new_bits(4)
        self._gate(asked, [control], some)
        self._gate("$not" if inverted else "$pos", [[some]], opens)
        self._gate("$or", [[opens], [self._union(control)]], either)
        self._gate("$and", [[by], [either]], made)
        return made

    def _gated(self, by: Bit, shifted: Sequence[Bit]) -> Bit:
        """Return the mark of a number of places, unless all that is shifted is certainly 0."""
        may = [self._may_be_one(bit) for bit in shifted]
        if by == "0" or "1" in may:
            return by
        some, made = self._design.new_bits(2)
        self._gate("$reduce_or", [list(dict.fromkeys(may))], some)
        self._gate("$and", [[by], [some]], made)
        return made

    def _may_be_one(self, bit: Bit) -> Bit:
        """Return a bit that is 1 if another one may be: control knows when an AND is not."""
        if bit not in self._data:
            return bit
        cell, _, place = self._design.driver.get(bit, (None, "", 0))
        if cell is None or cell.kind != "$and":
            return "1"
        operands = [cell.operand(port, place)[0] for port in "AB"]
        decided = [each for each in operands if self._decides([each], self._steered)]
        others = [self._may_be_one(each) for each in operands if each not in decided]
        factors = [each for each in (*decided, *others) if each != "1"]
        if len(factors) < 2:
            return factors[0] if factors else "1"
        (made,) = self._design.new_bits(1)
        self._gate("$and", [[each] for each in factors], made)
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
        inputs = {port: list(bits) or ["0"] for port, bits in zip("AB", operands, strict=False)}
        self._design.add(raw_cell(kind, inputs, {"Y": [output]}))
