"""The cells that Yosys makes of Verilog, read as the operators of the census.

Yosys' word-level cells (``$add``, ``$mux``, ``$dff``, ...) are the operators that
:mod:`consilico.hw.census` counts. Source: Yosys manual, "Word-level cells".
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from consilico.hw.census import Step, table_size
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.operator_netlist import Operator, OperatorNetlist, Storage

__all__ = ["read_cells"]

Bits = Sequence[int | str]  # lowest first: a net's number, or "0", "1", "x", "z"

_BITWISE = {"$and": "and_or", "$or": "and_or", "$xor": "xor", "$xnor": "xor"}
_REDUCE = {
    "$reduce_and": "and_or", "$reduce_or": "and_or", "$reduce_bool": "and_or",
    "$reduce_xor": "xor", "$reduce_xnor": "xor",
}  # fmt: skip
_LOGICAL = {"$logic_and", "$logic_or"}
_FUNCTIONS = {
    "$and": "and", "$reduce_and": "and", "$logic_and": "and",
    "$or": "or", "$reduce_or": "or", "$reduce_bool": "or", "$logic_or": "or",
}  # fmt: skip
_ORDER = {"$lt", "$le", "$gt", "$ge"}
_EQUAL = {"$eq", "$ne", "$eqx", "$nex"}
_SHIFTS = {"$shl", "$sshl", "$shr", "$sshr", "$shift"}
_WIRES = {"$not", "$pos", "$slice", "$concat", "$buf"}
_NO_HARDWARE = {"$assert", "$assume", "$cover", "$live", "$fair", "$print", "$check", "$scopeinfo"}
_FLOPS = {
    "$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff", "$adffe", "$aldff", "$aldffe",
    "$dffsr", "$dffsre", "$ff",
}  # fmt: skip
_LATCHES = {"$dlatch", "$adlatch", "$dlatchsr", "$sr"}
_CLOCK_GATE = "consilico_clock_gate"
_TABLE = 8  # constants that a choice must have to count as a table


def read_cells(module: Mapping[str, Any], source: str) -> OperatorNetlist:
    """Read a flat module of the JSON that Yosys writes.

    Args:
        module: What stands under the module's name in ``modules``.
        source: What to call the design in messages.

    Raises:
        UserError: If a cell has no cost: a division by a variable, a black box.
    """
    reader = _Reader(source, module["cells"])
    for name, port in module["ports"].items():
        nets = _nets(port["bits"])
        if port["direction"] != "output":
            reader.netlist.inputs[name] = nets
        if port["direction"] != "input":
            reader.netlist.outputs[name] = nets
    return reader.netlist


class _Reader:
    def __init__(self, source: str, cells: Mapping[str, Any]) -> None:
        self._source = source
        self.netlist = OperatorNetlist()
        self._fresh = 0  # numbers of nets in front of registers: negative
        self._driver: dict[int | str, Any] = {
            net: cell
            for cell in cells.values()
            for pin in ("Y",)
            for net in _nets(cell["connections"].get(pin, ()))
        }
        self._readers = Counter(
            net
            for cell in cells.values()
            for pin, bits in cell["connections"].items()
            if pin not in ("Y", "Q", "RD_DATA")
            for net in set(_nets(bits))
        )
        self._absorbed: Counter[int] = Counter()  # readers of a net that a table stands for
        for cell in cells.values():
            self._read(cell)
        readers = Counter(net for item in self._items() for net in item.inputs)
        self.netlist.operators = [
            item
            for item in self.netlist.operators
            if not (set(item.outputs) <= set(self._absorbed))
            or any(readers[net] for net in item.outputs)
        ]

    def _items(self) -> Iterator[Operator | Storage]:
        yield from self.netlist.operators
        yield from self.netlist.storage

    def _read(self, cell: Mapping[str, Any]) -> None:
        kind, pins, parameters = cell["type"], cell["connections"], cell["parameters"]
        if kind in _FLOPS or kind in _LATCHES:
            self._storage(kind, pins)
        elif kind == "$mem_v2":
            self._table(pins, parameters)
        elif kind == _CLOCK_GATE:
            enable = _nets(pins["enable"])
            gate = Storage("clock_gate", 1, enable, _nets(pins["gclk"]), *enable)
            self.netlist.storage.append(gate)
        elif kind not in _NO_HARDWARE:
            self._operator(kind, pins, parameters)

    def _add(
        self,
        kind: str,
        bits: int,
        steps: Sequence[Step],
        operands: Sequence[Bits],
        output: Bits,
        function: str = "",
    ) -> None:
        self.netlist.operators.append(
            Operator(
                kind if bits else "",
                bits,
                tuple(steps) if bits else (),
                tuple(nets for part in operands if (nets := _nets(part))),
                _nets(output),
                function,
            )
        )

    def _new(self, width: int) -> tuple[int, ...]:
        self._fresh -= width
        return tuple(range(self._fresh, self._fresh + width))

    def _storage(self, kind: str, pins: Mapping[str, Bits]) -> None:
        """Add registers; what lets them keep or clear their value synchronously is in front."""
        data, result = pins.get("D", ()), pins["Q"]
        width = len(result)
        if kind in _FLOPS:
            for pin, before in (("EN", "mux"), ("SRST", "and_or")):
                if pin in pins and _nets(pins[pin]):
                    chosen = self._new(width)
                    self._add(before, width, [Step(before, width, 1)], [data, pins[pin]], chosen)
                    data = chosen
        others = (bits for pin, bits in pins.items() if pin in ("EN", "SET", "CLR", "ALOAD", "AD"))
        inputs = [data, *(others if kind in _LATCHES else ())]
        nets = tuple(dict.fromkeys(net for part in inputs for net in _nets(part)))
        kept = "flop" if kind in _FLOPS else "latch"
        clock = _nets(pins.get("CLK" if kind in _FLOPS else "EN", ()))
        self.netlist.storage.append(Storage(kept, width, nets, _nets(result), *clock))

    def _table(self, pins: Mapping[str, Bits], parameters: Mapping[str, str]) -> None:
        """Add the read ports of a memory that nothing writes."""
        width, size = _number(parameters["WIDTH"]), _number(parameters["SIZE"])
        places = _number(parameters["ABITS"])
        text = parameters["INIT"].rjust(width * size, "0")
        words = [
            _number(text[len(text) - (at + 1) * width : len(text) - at * width])
            for at in range(size)
        ]
        bits = table_size(tuple(words))
        for port in range(_number(parameters["RD_PORTS"])):
            address = pins["RD_ADDR"][port * places : (port + 1) * places]
            data: Bits = pins["RD_DATA"][port * width : (port + 1) * width]
            if parameters["RD_CLK_ENABLE"][::-1][port] == "1":
                read = self._new(width)
                stored = Storage("flop", width, read, _nets(data))
                self.netlist.storage.append(stored)
                data = read
            self._add("table", bits, [Step("table", size, 1)], [address], data)

    def _operator(self, kind: str, pins: Mapping[str, Bits], parameters: Mapping[str, str]) -> None:
        a, b, result = pins.get("A", ()), pins.get("B", ()), pins.get("Y", ())
        width = len(result)
        if kind in _WIRES:
            self._add("", 0, (), [a, b], result)
        elif kind in _BITWISE:
            signed = parameters["A_SIGNED"].endswith("1")
            sides = zip(_extended(a, width, signed), _extended(b, width, signed), strict=True)
            bits = sum(_is_net(one) and _is_net(other) for one, other in sides)
            step = Step(_BITWISE[kind], width, 1)
            self._add(_BITWISE[kind], bits, [step], [a, b], result, _FUNCTIONS.get(kind, ""))
        elif kind in _REDUCE:
            bits = max(0, len(_nets(a)) - 1)
            step, each = _tree(_REDUCE[kind], bits), [[bit] for bit in a]
            self._add(_REDUCE[kind], bits, [step], each, result, _FUNCTIONS.get(kind, ""))
        elif kind == "$logic_not":  # is it zero
            bits = max(0, len(_nets(a)) - 1)
            self._add("and_or", bits, [_tree("and_or", bits)], [a], result, "select")
        elif kind in _LOGICAL:
            bits = max(0, len(_nets(a)) + len(_nets(b)) - 1)
            single = len(a) == len(b) == 1
            function = _FUNCTIONS.get(kind, "") if single else ""
            self._add("and_or", bits, [_tree("and_or", bits)], [a, b], result, function)
        elif kind in _ORDER | _EQUAL:
            self._compare(kind, a, b, result)
        elif kind == "$mux":
            self._mux(a, b, pins["S"], result)
        elif kind == "$pmux":
            self._case(a, b, pins["S"], result)
        elif kind in _SHIFTS:
            self._shift(kind, a, b, result)
        elif kind == "$shiftx":
            bits = max(0, len(_significant(a)) - width) if _nets(b) else 0
            self._add("mux", bits, [Step("mux", width, 1)], [a, b], result)
        elif kind == "$tribuf":
            self._add("and_or", width, [Step("and_or", width, 1)], [a, pins["EN"]], result)
        else:
            self._arithmetic(kind, a, b, result)

    def _read_once(self, bits: Bits) -> bool:
        return all(self._readers[net] == 1 for net in _nets(bits))

    def _mux(self, a: Bits, b: Bits, choice: Bits, result: Bits) -> None:
        """Add a multiplexer; of what has one constant side a gate.

        Of nested choices that keep the same value the outer one is a question more and no choice:
        where both are true.
        """
        for side, other in ((a, b), (b, a)):
            inner = self._driver.get(side[0]) if _is_net(side[0]) else None
            if inner and inner["type"] == "$mux" and inner["connections"]["Y"] == side:
                pins = inner["connections"]
                if other in (pins["A"], pins["B"]) and self._read_once(side):
                    self._add("and_or", 1, [Step("and_or", 1, 1)], [a, b, choice], result)
                    return
        width = len(result)
        kind = ("mux", "and_or", "")[(not _nets(a)) + (not _nets(b))]
        self._add(kind, width if kind else 0, [Step(kind, width, 1)], [a, b, choice], result)

    def _case(self, default: Bits, outcomes: Bits, choices: Bits, result: Bits) -> None:
        """Add what chooses among several values: a table of those that are constant, if many are.

        What is not constant, and all if there is no table, is chosen by a multiplexer each.
        """
        width = len(result)
        words = [tuple(outcomes[at : at + width]) for at in range(0, len(outcomes), width)]
        addressed = self._addressed(choices)
        if addressed is not None:
            index, addresses = addressed
            if len({one for found in addresses for one in found}) == 1 << len(index):
                default = words[-1]  # the others are for all other values
        known = [place for place, word in enumerate(words) if not _nets(word)]
        chosen: Bits = default
        if addressed is not None and len(known) + (not _nets(default)) >= _TABLE:
            values = {one: _value(words[place]) for place in known for one in addresses[place]}
            if not _nets(default):
                values = {-1: _value(default)} | values
            constants = tuple(value for _, value in sorted(values.items()))
            chosen = self._new(width)
            step = Step("table", len(constants), 1)
            self._add("table", table_size(constants), [step], [index], chosen)
            self._absorb([choices[place] for place in known])
            cases = [case for case in zip(words, choices, strict=True) if _nets(case[0])]
            if _nets(default):
                cases.append((tuple(default), choices[0]))
        else:
            cases = list(zip(words, choices, strict=True))
        outcomes_of: dict[tuple[int | str, ...], list[int | str]] = {tuple(chosen): []}
        for word, choice in cases:
            outcomes_of.setdefault(word, []).append(choice)
        level: list[tuple[Bits, list[int | str]]] = list(outcomes_of.items())
        while len(level) > 1:  # a tree, as the choices exclude each other
            pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
            level = [pair[0] if len(pair) == 1 else self._either(*pair) for pair in pairs]
        for net, source in zip(result, level[0][0], strict=True):
            self._add("", 0, (), [[source]], [net])

    def _either(
        self, one: tuple[Bits, list[int | str]], other: tuple[Bits, list[int | str]]
    ) -> tuple[Bits, list[int | str]]:
        """Add the choice between two outcomes; the second one is for any of its choices."""
        asked: Bits = other[1]
        if len(asked) > 1:
            gates, asked = len(asked) - 1, self._new(1)
            self._add("and_or", gates, [_tree("and_or", gates)], [other[1]], asked)
        chosen = self._new(len(one[0]))
        self._mux(one[0], other[0], asked, chosen)
        return chosen, [*one[1], *other[1]]

    def _addressed(self, choices: Bits) -> tuple[Bits, list[set[int]]] | None:
        """Return the signal whose values the choices stand for, and the values of each choice.

        Returns None where they do not stand for values of one signal.
        """
        index: tuple[int | str, ...] | None = None
        found = []
        for choice in choices:
            addresses = set()
            for cell in self._comparisons(choice):
                compared, address = _compared(cell)
                if compared is None or index not in (None, compared):
                    return None
                index = compared
                addresses.add(address)
            found.append(addresses)
        return None if index is None else (index, found)

    def _comparisons(self, choice: int | str) -> Iterator[Mapping[str, Any]]:
        """Yield the cells that a choice is true for any of."""
        cell = self._driver.get(choice, {"type": ""})
        if cell["type"] in ("$or", "$reduce_or", "$logic_or"):
            for net in (*cell["connections"]["A"], *cell["connections"].get("B", ())):
                yield from self._comparisons(net)
        else:
            yield cell

    def _absorb(self, choices: Bits) -> None:
        """Note comparisons that a table does by itself."""
        for choice in choices:
            cell = self._driver.get(choice, {"type": ""})
            self._absorbed.update(_nets([choice]))
            if cell["type"] in ("$or", "$reduce_or", "$logic_or"):
                self._absorb([*cell["connections"]["A"], *cell["connections"].get("B", ())])

    def _compare(self, kind: str, a: Bits, b: Bits, result: Bits) -> None:
        made = "less" if kind in _ORDER else "equal"
        compared = max(len(_significant(a)), len(_significant(b)))
        known = (not _nets(a)) + (not _nets(b))
        bits = 0 if known == 2 or (known and compared == 1) else compared
        function = "select" if known and kind in ("$eq", "$eqx") else ""
        self._add(made, bits, [Step(made, compared, 1)], [a, b], result, function)

    def _shift(self, kind: str, a: Bits, b: Bits, result: Bits) -> None:
        left, width = kind in ("$shl", "$sshl"), len(result)
        if not _nets(b):
            self._add("", 0, (), [a], result)
        elif not _nets(a):
            bits = width if left else len(_significant(a))
            made = "decode" if left else "lookup"
            function = "select" if left and _value(a).bit_count() == 1 else ""
            self._add(made, bits, [Step(made, bits, 1)], [b], result, function)
        else:  # what is known to be 0 needs no stage
            filled = width if left else min(width, len(_significant(a)))
            self._add("shift", filled * len(_nets(b)), [Step("shift", width, 1)], [a, b], result)

    def _arithmetic(self, kind: str, a: Bits, b: Bits, result: Bits) -> None:
        """Add sums and products.

        Raises:
            UserError: If it is neither.
        """
        width, known = len(result), (not _nets(a)) + (not _nets(b))
        if kind == "$neg":
            self._add("increment", width, [Step("increment", width, 1)], [a], result)
        elif kind in ("$add", "$sub"):
            single = known or min(len(_significant(a)), len(_significant(b))) == 1
            made = "increment" if single else "add"
            free = known == 2 or not _significant(a) or not _significant(b)
            self._add(made, 0 if free else width, [Step(made, width, 1)], [a, b], result)
        elif kind == "$mul" and known:
            factor = _value(b if not _nets(b) else a)
            # digits of its non-adjacent form: as many terms
            sums = max(0, (3 * factor ^ factor).bit_count() - 1)
            self._add("add", sums * width, sums * [Step("add", width, 1)], [a, b], result)
        elif kind == "$mul":
            bits = len(_significant(a)) * len(_significant(b))
            self._add("multiply", bits, [Step("multiply", width, 1)], [a, b], result)
        elif kind in ("$div", "$mod", "$divfloor", "$modfloor", "$pow"):
            raise UserError(
                f"{self._source} divides by a variable or takes its power ({kind[1:]}), which has "
                "no cost here"
            )
        elif kind.startswith("$"):
            raise UserError(f"{self._source} has a cell {kind}, which has no cost here")
        else:
            raise UserError(f"{self._source}: {kind} is a black box, which holds nothing to count")


def _compared(cell: Mapping[str, Any]) -> tuple[tuple[int | str, ...] | None, int]:
    """Return the signal that a cell compares with a constant, and the constant; or None."""
    pins = cell.get("connections", {})
    if cell["type"] == "$logic_not":
        return tuple(pins["A"]), 0
    if cell["type"] == "$eq" and not _nets(pins["B"]):
        return tuple(pins["A"]), _value(pins["B"])
    if cell["type"] == "$eq" and not _nets(pins["A"]):
        return tuple(pins["B"]), _value(pins["A"])
    return None, 0


def _is_net(bit: int | str) -> bool:
    return not isinstance(bit, str)


def _nets(bits: Bits) -> tuple[int, ...]:
    return tuple(bit for bit in bits if not isinstance(bit, str))


def _significant(bits: Bits) -> Bits:
    """Return a number without the bits on top that only extend it: zeros, or copies of its sign."""
    end = len(bits)
    while end > 1 and (
        bits[end - 1] == "0" or (_is_net(bits[end - 1]) and bits[end - 1] == bits[end - 2])
    ):
        end -= 1
    return bits[:end] if end > 1 or (bits and bits[0] != "0") else ()


def _extended(bits: Bits, width: int, signed: bool) -> Bits:
    fill: int | str = bits[-1] if signed and bits else "0"
    return [*bits, *(width - len(bits)) * [fill]][:width]


def _value(bits: Bits) -> int:
    return sum(1 << place for place, bit in enumerate(bits) if bit == "1")


def _number(text: str) -> int:
    """Return the value of digits 0, 1 and x, which counts as 0."""
    return int("".join(digit if digit == "1" else "0" for digit in text) or "0", 2)


def _tree(kind: str, gates: int) -> Step:
    return Step(kind, 1, max(1, math.ceil(math.log2(gates + 1))))
