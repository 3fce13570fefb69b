"""A design as it looks from cycle to cycle: each register and latch stores once per clock cycle.

What is derived from the clock is looked at in both halves of a cycle. At the rising edge registers
store, those on a gated clock if that is 1 in the high half. Latches that are open in the high half,
then those that are open in the low half, pass on what they are fed. This describes a design exactly
if every derived clock is 0 in the low half, and the latches that gate clocks, or let others through
in the high half, hold then: output ``unlike`` has a 1 where a design breaks that. Output ``ticks``
has the derived clocks in the high half, and an output per fault is 1 where the fault would change
the net that it is in.
"""

from collections.abc import Iterable
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.rtlsim.mutation.mutants import SELECT
from consilico.sim.rtlsim.proofs.design import Bit, Cell, Design

__all__ = ["ACTIVE", "TICKS", "UNLIKE", "StoresOtherwise", "per_cycle"]

# Output ports that are added, the first with the number of a fault
ACTIVE, TICKS, UNLIKE = "consilico_active", "consilico_ticks", "consilico_unlike"


class StoresOtherwise(ToolError):
    """A design whose registers or latches are not followed here, such as at the falling edge."""


def per_cycle(design: Design, clock: str = "clk") -> None:
    """Change a design into one that makes a step per cycle, without a clock.

    Args:
        design: Flat, with registers and latches of types ``$dff``, ``$dffe`` and ``$dlatch``.
        clock: Name of its clock port.

    Raises:
        StoresOtherwise: If it stores in other ways.
    """
    module, cells = design.module, design.module["cells"]
    (clk,) = design.port(clock)
    high = _HighHalf(design, clk)
    ticks: dict[Bit, Bit] = {}
    unlike: list[Bit] = []
    gating = set().union(*(design.leaves(bit) for bit in design.moments))
    made = 0

    def add(kind: str, parameters: dict[str, int], inputs: Any, outputs: Any) -> None:
        nonlocal made
        made += 1
        cells[f"$consilico$cycle{made}"] = _raw(kind, parameters, inputs, outputs)

    def chosen(width: int, which: Bit, one: list[Bit], zero: list[Bit]) -> list[Bit]:
        result = design.new_bits(width)
        add("$mux", {"WIDTH": width}, {"A": zero, "B": one, "S": [which]}, {"Y": result})
        return result

    for cell in [cell for cell in design.cells if cell.stores]:
        raw = cells.pop(cell.name)
        polarity = int(raw["parameters"].get("CLK_POLARITY", "1"), 2)
        enabled = int(raw["parameters"].get("EN_POLARITY", "1"), 2)
        (stored,), (fed,) = cell.outputs.values(), [cell.inputs["D"]]
        width = len(stored)
        if cell.kind in ("$dff", "$dffe") and polarity:
            if "EN" in cell.inputs:
                (enable,) = cell.inputs["EN"]
                fed = chosen(width, enable, *((fed, stored) if enabled else (stored, fed)))
            (edge,) = cell.inputs["CLK"]
            if edge != clk:
                ticks[edge] = high.of(edge)
                fed = chosen(width, ticks[edge], fed, stored)
            add("$ff", {"WIDTH": width}, {"D": fed}, {"Q": stored})
        elif cell.kind == "$dlatch":
            (enable,) = cell.inputs["EN"]
            before = design.new_bits(width)
            add("$ff", {"WIDTH": width}, {"D": stored}, {"Q": before})
            opens = high.of(enable)
            if not enabled:
                (inverted,) = design.new_bits(1)
                add("$not", _SIZES, {"A": [opens]}, {"Y": [inverted]})
                opens = inverted
            if set(stored) & gating:
                unlike.append(opens)
            else:
                before = chosen(width, opens, fed, before)
            open_, shut = (fed, before) if enabled else (before, fed)
            add("$mux", {"WIDTH": width}, {"A": shut, "B": open_, "S": [enable]}, {"Y": stored})
        else:
            raise StoresOtherwise(f"no equivalence yet of registers like {cell.name} ({cell.kind})")
    unlike += ticks
    outputs = {TICKS: list(ticks.values()), UNLIKE: unlike}
    for number, name in _faults(design).items():
        for half in ("", "$high"):
            if name + half in cells:
                (changes,) = design.new_bits(1)
                ports = cells[name + half]["connections"]
                inputs = {port: ports[port] for port in "AB"}
                add("$xor", _SIZES | {"B_WIDTH": 1, "B_SIGNED": 0}, inputs, {"Y": [changes]})
                outputs[f"{ACTIVE}{number}{half.replace('$', '_')}"] = [changes]
    for name, bits in outputs.items():
        module["ports"][name] = {"direction": "output", "bits": bits or ["0"]}
        module["netnames"][name] = {"hide_name": 0, "bits": bits or ["0"], "attributes": {}}
    del module["ports"][clock]
    add("$pos", _SIZES, {"A": ["0"]}, {"Y": [clk]})
    for net in module["netnames"].values():
        net["attributes"].pop("init", None)
    for kind in ("cells", "netnames"):  # Yosys numbers the names it makes up anew in each run
        module[kind] = {
            f"$was{name}" if name.startswith("$") else name: item
            for name, item in module[kind].items()
        }


def _faults(design: Design) -> dict[int, str]:
    """Return the multiplexer that chooses between a net and the same with a fault, by number."""
    select = design.port(SELECT)
    asks: dict[Bit, int] = {}  # net that is 1 for a fault
    for cell in design.cells:
        if cell.kind == "$eq" and cell.inputs["A"] == select:
            (asked,) = cell.outputs["Y"]
            asks[asked] = sum(1 << at for at, bit in enumerate(cell.inputs["B"]) if bit == "1")
    return {
        asks[cell.inputs["S"][0]]: cell.name
        for cell in design.cells
        if cell.kind == "$mux" and cell.inputs["S"][0] in asks
    }


_SIZES = {"A_WIDTH": 1, "Y_WIDTH": 1, "A_SIGNED": 0}


class _HighHalf:
    """Copies of the logic that derives clocks, fed with a clock that is 1."""

    def __init__(self, design: Design, clk: Bit) -> None:
        self._design, self._clk = design, clk
        self._copies: dict[Bit, Bit] = {clk: "1"}
        self._depends: dict[Bit, bool] = {}

    def of(self, bit: Bit) -> Bit:
        """Return the net that has the value of a net in the high half of a cycle."""
        self._copy([bit])
        return self._copies.get(bit, bit)

    def _copy(self, bits: Iterable[Bit]) -> None:
        for bit in bits:
            if bit in self._copies or not self._on_clock(bit):
                continue
            cell, _, _ = self._design.driver[bit]
            inputs = {each for port in cell.inputs.values() for each in port}
            self._copy(inputs)
            outputs = {port: self._design.new_bits(len(old)) for port, old in cell.outputs.items()}
            for port, old in cell.outputs.items():
                self._copies |= dict(zip(old, outputs[port], strict=True))
            self._add(cell, outputs)

    def _add(self, cell: Cell, outputs: dict[str, list[Bit]]) -> None:
        raw = self._design.module["cells"][cell.name]
        inputs = {
            port: [self._copies.get(bit, bit) for bit in bits] for port, bits in cell.inputs.items()
        }
        self._design.module["cells"][f"{cell.name}$high"] = {
            **raw, "connections": {**inputs, **outputs},
        }  # fmt: skip

    def _on_clock(self, bit: Bit) -> bool:
        """Tell whether a net depends on the clock without a register or latch between."""
        if bit == self._clk:
            return True
        if bit not in self._depends:
            self._depends[bit] = False  # in a loop
            at = self._design.driver.get(bit)
            self._depends[bit] = (
                at is not None
                and not at[0].stores
                and any(self._on_clock(each) for each in self._design.fan_in(bit))
            )
        return self._depends[bit]


def _raw(kind: str, parameters: dict[str, int], inputs: Any, outputs: Any) -> dict[str, Any]:
    return {
        "hide_name": 1, "type": kind, "attributes": {},
        "parameters": {name: f"{value:032b}" for name, value in parameters.items()},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {**inputs, **outputs},
    }  # fmt: skip
