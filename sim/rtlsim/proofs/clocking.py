"""Turn a design's clocks and latches into enables: a cycle becomes one step of a proof.

Three kinds of cells that store have a meaning at the level of cycles. A register behind a clock
gate loads in a cycle if the gate's enable is 1 at its end. A latch that is open only while the
clock is low passes on, at the end of the cycle, what it is given, if its enable is 1, and keeps it
otherwise; the latch of a clock gate is one that is always open then. A register with an
asynchronous reset shows the reset value in the cycle of the reset. All else (falling edges, clocks
that are gated by something that may change while they are high) is refused. In a netlist with
faults that inputs switch on (:mod:`consilico.sim.rtlsim.mutation`), some of this depends on these
inputs: then nets say when the design is not what is described here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilico.sim.rtlsim.proofs.design import BITWISE, Bit, FlatCell, FlatModule, raw_cell

__all__ = ["Clocked", "UnknownClock", "in_cycles"]

_GATES = BITWISE | {"$logic_and", "$logic_or", "$logic_not"}


class UnknownClock(Exception):
    """A clock or a latch does something that no proof follows; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Clocked:
    """A design all of whose registers load in every step, and what enabled them."""

    design: FlatModule
    # Nets that are 1 in a cycle at whose end a gated clock ticks, by the name of that clock
    ticks: Mapping[str, Bit]
    opens: Mapping[str, Bit]  # likewise where a latch is open, by the name of its enable
    unlike: tuple[Bit, ...]  # that are 1 where a fault makes a cycle more than a step
    high: Mapping[Bit, Bit]  # that have the value of others while the clock is high, by these


def in_cycles(
    design: FlatModule,
    top: str,
    clock: str = "clk",
    *,
    switches: Collection[Bit] = (),
    watched: Collection[Bit] = (),
) -> Clocked:
    """Return a design in which every cell that stores is a ``$ff``, which loads in every step.

    Args:
        design: A flat design without enables and synchronous resets in its registers (Yosys'
            ``dffunmap``); it is changed and must not be used again.
        top: Name of its module.
        clock: Name of its clock port.
        switches: Inputs that never change, and switch faults on where they are not 0.
        watched: Nets whose value while the clock is high is wanted.

    Raises:
        UnknownClock: If it stores in a way that has no meaning at the level of cycles.
    """
    return _Clocking(design, top, clock, switches).apply(watched)


class _Clocking:
    def __init__(self, design: FlatModule, top: str, clock: str, switches: Collection[Bit]) -> None:
        self._design, self._top = design, top
        (self._clk,) = design.port(clock)
        self._switches = set(switches)
        self._switched = design.ahead(switches, through_state=False)
        self._ticks: dict[str, Bit] = {}
        self._opens: dict[str, Bit] = {}
        self._unlike: list[Bit] = []
        self._at_level: dict[tuple[Bit, str], Bit] = {}
        self._latched: set[Bit] = set()  # outputs of latches that are closed while clk is high
        self._timed = {  # nets that depend on the clock by gates alone
            bit
            for bit in design.ahead([self._clk], through_state=False)
            if bit == self._clk or not design.driver[bit][0].stores
        }

    def apply(self, watched: Collection[Bit]) -> Clocked:
        design = self._design
        cells = design.module["cells"]
        stores = [cell for cell in design.cells if cell.stores]
        latches = [cell for cell in stores if cell.kind == "$dlatch"]
        for cell in latches:
            self._close(cell)
        for cell in stores:
            if cell.kind != "$dlatch":
                self._register(cell)
        at_high = {bit: self._at(bit, "1") for bit in watched}
        for raw in cells.values():  # at the end of a cycle the clock is low
            for port, bits in raw["connections"].items():
                if raw["port_directions"][port] == "input" and self._clk in bits:
                    raw["connections"][port] = ["0" if bit == self._clk else bit for bit in bits]
        return Clocked(
            design=FlatModule(design.whole, self._top),
            ticks=self._ticks,
            opens=self._opens,
            unlike=tuple(self._unlike),
            high=at_high,
        )

    def _refuse(self, found: Bit, expected: Bit, faulty: Collection[Bit], why: str) -> None:
        """Let a net be what it is expected to be, unless a fault is switched on.

        Raises:
            UnknownClock: If no fault is why it is not.
        """
        if found == expected:
            return
        if self._switched.isdisjoint(faulty):
            raise UnknownClock(why)
        self._unlike.append(found if expected == "0" else self._folded("$not", {"A": found}))

    def _close(self, cell: FlatCell) -> None:
        """Replace a latch by what it passes on at the end of a cycle."""
        (enable,) = cell.inputs["EN"]
        bits, high = cell.outputs["Q"], _parameter(self._raw(cell), "EN_POLARITY")
        shut = "0" if high else "1"
        if not self._gates_only(bits, enable):
            why = f"latch {self._name(bits[0])} is open while the clock is high"
            self._refuse(self._at(enable, "1"), shut, [enable], why)
        self._latched.update(bits)
        opens = self._at(enable, "0")
        if opens == ("1" if high else "0"):
            self._replace(cell, "$pos", {"A": cell.inputs["D"]}, {"Y": bits})
            return
        held = self._design.new_bits(len(bits))
        self._opens[self._name(enable)] = opens if high else self._gate("$not", [opens])
        chosen = (held, cell.inputs["D"]) if high else (cell.inputs["D"], held)
        self._replace(cell, "$mux", {"A": chosen[0], "B": chosen[1], "S": [opens]}, {"Y": bits})
        self._add("$ff", {"D": bits}, {"Q": held})

    def _gates_only(self, bits: Sequence[Bit], enable: Bit) -> bool:
        """Tell whether a latch that is open while a gated clock rests only gates that clock."""
        at = self._design.driver.get(enable)
        clock = (
            [enable]
            if at is None or at[0].kind not in ("$not", "$logic_not")
            else (at[0].inputs["A"])
        )
        readers = [reader for bit in bits for reader in self._design.readers(bit)]
        shown = {
            bit
            for port in self._design.module["ports"].values()
            if port["direction"] == "output"
            for bit in port["bits"]
        }
        return shown.isdisjoint(bits) and all(
            reader.kind in ("$and", "$logic_and") and clock in (*reader.inputs.values(),)
            for reader in readers
        )

    def _register(self, cell: FlatCell) -> None:
        raw = self._raw(cell)
        if cell.kind not in ("$dff", "$adff"):
            raise UnknownClock(f"register {cell.name} is of the kind {cell.kind}")
        (clock,), bits, data = cell.inputs["CLK"], cell.outputs["Q"], cell.inputs["D"]
        falls = f"register {self._name(bits[0])} loads at a falling edge"
        if not _parameter(raw, "CLK_POLARITY"):
            raise UnknownClock(falls)
        self._refuse(self._at(clock, "0"), "0", [clock], falls)
        enable = self._at(clock, "1")
        for leaf in self._design.leaves(enable) if isinstance(enable, int) else ():
            if leaf not in self._latched and leaf not in self._switches:
                raise UnknownClock(
                    f"clock {self._name(clock)} is gated by {self._name(leaf)}, which may change"
                    " while it is high"
                )
        if enable != "1":
            self._ticks[self._name(clock)] = enable
            loaded = self._design.new_bits(len(bits))
            self._add("$mux", {"A": bits, "B": data, "S": [enable]}, {"Y": loaded})
            data = loaded
        if cell.kind == "$dff":
            self._replace(cell, "$ff", {"D": data}, {"Q": bits})
            return
        value: list[Bit] = list(reversed(raw["parameters"]["ARST_VALUE"][-len(bits) :]))
        held, loaded = self._design.new_bits(len(bits)), self._design.new_bits(len(bits))
        reset, high = cell.inputs["ARST"], _parameter(raw, "ARST_POLARITY")
        for given, shown in ((held, bits), (data, loaded)):  # before the edge, and at it
            chosen = (given, value) if high else (value, given)
            self._add("$mux", {"A": chosen[0], "B": chosen[1], "S": reset}, {"Y": shown})
        self._replace(cell, "$ff", {"D": loaded}, {"Q": held})

    def _at(self, bit: Bit, level: str) -> Bit:
        """Return the net that has the value of a net while the clock has this level.

        Raises:
            UnknownClock: If anything but gates makes it from the clock.
        """
        if bit not in self._timed:
            return bit
        if bit == self._clk:
            return level
        if (bit, level) not in self._at_level:
            cell, _, place = self._design.driver[bit]
            if cell.kind not in _GATES:
                raise UnknownClock(f"{self._name(bit)} is made from the clock by a {cell.kind}")
            operands = {
                port: self._at((bits if len(bits) == 1 else bits[place : place + 1])[0], level)
                for port, bits in cell.inputs.items()
            }
            self._at_level[bit, level] = self._folded(cell.kind, operands)
        return self._at_level[bit, level]

    def _folded(self, kind: str, operands: Mapping[str, Bit]) -> Bit:
        """Return the output of a gate, without one where constants decide it."""
        if kind in ("$mux",):
            choice = operands["S"]
            if choice in ("0", "1"):
                return operands["A" if choice == "0" else "B"]
            return self._gate(kind, [operands["A"], operands["B"]], choice)
        bits = list(operands.values())
        if kind == "$pos":
            return bits[0]
        if kind in ("$not", "$logic_not"):
            return {"0": "1", "1": "0"}.get(str(bits[0])) or self._gate("$not", bits)
        if kind in ("$xor", "$xnor"):
            return self._gate(kind, bits)
        rules, leaves = ("0", "1") if kind in ("$and", "$logic_and") else ("1", "0")
        if rules in bits:
            return rules
        left = [bit for bit in bits if bit != leaves]
        return leaves if not left else left[0] if len(left) == 1 else self._gate(kind, left)

    def _gate(self, kind: str, bits: Sequence[Bit], choice: Bit | None = None) -> Bit:
        (made,) = self._design.new_bits(1)
        inputs = {port: [bit] for port, bit in zip("AB", bits, strict=False)}
        self._add(kind, inputs | ({} if choice is None else {"S": [choice]}), {"Y": [made]})
        return made

    def _name(self, bit: Bit) -> str:
        return self._design.names.get(bit, str(bit))

    def _raw(self, cell: FlatCell) -> dict[str, Any]:
        found: dict[str, Any] = self._design.module["cells"][cell.name]
        return found

    def _replace(
        self,
        cell: FlatCell,
        kind: str,
        inputs: Mapping[str, list[Bit]],
        output: dict[str, list[Bit]],
    ) -> None:
        self._design.module["cells"][cell.name] = raw_cell(kind, inputs, output)

    def _add(
        self, kind: str, inputs: Mapping[str, list[Bit]], output: dict[str, list[Bit]]
    ) -> None:
        self._design.add(raw_cell(kind, inputs, output))


def _parameter(raw: Mapping[str, Any], name: str) -> int:
    return int(raw["parameters"][name], 2)
