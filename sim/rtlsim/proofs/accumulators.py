"""Build the proof that accumulators hold every sum of their declared length.

By induction over the beats of a sum: it is enough that the register's next value is the exact sum,
for every beat within its bounds added to every sum within those of the longest, as long as the
result is within these, too; that is a question about gates without memory. What a beat and a sum
may be is taken from the unit's declaration.
"""

import json
from collections.abc import Sequence
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.rtlsim.proofs.aiger import port_values
from consilico.sim.rtlsim.proofs.design import Bit, FlatModule
from consilico.sim.units.contract import Accumulator

__all__ = ["OVERFLOW_MODULE", "accumulator_netlist", "overflow_harness", "overflow_told"]

OVERFLOW_MODULE = "consilico_overflow"
_PARTS = ("total", "beat", "fresh", "before")


def accumulator_netlist(design: FlatModule, accumulators: Sequence[Accumulator]) -> str:
    """Return the netlist, as Yosys' JSON, with accumulators, beats and all that is stored as ports.

    Ports are ``total0``, ``beat0``, ``fresh0`` and ``next0`` of the first accumulator, and so on;
    ``rest`` is all else that is stored. The design is changed and must not be used again.

    Raises:
        ToolError: If the design has no such nets, or the total is no register.
    """
    named = [
        {part: design.net(net) for part in _PARTS if (net := getattr(each, part))}
        for each in accumulators
    ]
    following = [[_fed(design, bit) for bit in nets["total"]] for nets in named]
    chosen = {bit for nets in named for bits in nets.values() for bit in bits}
    module, cells = design.module, design.module["cells"]
    rest: list[Bit] = []
    for cell in design.cells:
        if cell.stores:
            del cells[cell.name]
            rest += [bit for bits in cell.outputs.values() for bit in bits if bit not in chosen]
        else:
            for port, bits in cell.outputs.items():
                free = design.new_bits(len(bits))
                cells[cell.name]["connections"][port] = [
                    other if bit in chosen else bit for bit, other in zip(bits, free, strict=True)
                ]
    module["ports"] = {
        name: port for name, port in module["ports"].items() if port["direction"] == "input"
    }
    for number, nets in enumerate(named):
        for part, bits in nets.items():
            _add(module, f"{part}{number}", "input", bits)
        _add(module, f"next{number}", "output", following[number])
    _add(module, "rest", "input", rest or design.new_bits(1))
    return json.dumps(design.whole)


def overflow_harness(accumulators: Sequence[Accumulator], netlist: str, top: str) -> str:
    """Return Verilog whose output is 1 where an accumulator's next value is not the exact sum.

    Args:
        accumulators: What was given to :func:`accumulator_netlist`.
        netlist: What that returned.
        top: Name of the design's module.
    """
    ports = json.loads(netlist)["modules"][top]["ports"]
    lines, connected, header = [], [], ["output violated"]
    for name, port in ports.items():
        size = f"[{len(port['bits']) - 1}:0] {name}"
        if port["direction"] == "input":
            header.append(f"input {size}")
        else:
            lines.append(f"  wire {size};")
        connected.append(f".{name}({name})")
    for number, each in enumerate(accumulators):
        before = f"{'before' if each.before else 'total'}{number}"
        width = 2 + max(
            *(len(ports[port]["bits"]) for port in (f"total{number}", before, f"beat{number}")),
            max(each.greatest_sum, -each.least_sum).bit_length(),
        )
        bounds = each.least_sum, each.greatest_sum
        signal = f"wire signed [{width - 1}:0]"
        term = _within(f"term{number}", each.least, each.greatest, width)
        old = _within(f"old{number}", *bounds, width)
        fits = _within(f"sum{number}", *bounds, width)
        lines += [
            f"  {signal} wide{number} = $signed({before});",
            f"  {signal} term{number} = $signed(beat{number});",
            f"  {signal} got{number} = $signed(next{number});",
            f"  {signal} old{number} = fresh{number} ? {_number(0, width)} : wide{number};",
            f"  {signal} sum{number} = term{number} + old{number};",
            f"  wire fits{number} = {term} && {old} && {fits};",
            f"  wire wrong{number} = fits{number} && got{number} != sum{number};",
        ]
    wrong = " || ".join(f"wrong{number}" for number in range(len(accumulators)))
    lines.append(f"  assign violated = {wrong};")
    body = "\n".join(lines)
    return (
        f"module {OVERFLOW_MODULE}({', '.join(header)});\n{body}\n"
        f"  {top} unit({', '.join(connected)});\nendmodule\n"
    )


def overflow_told(aiger: bytes, inputs: Sequence[str]) -> str:
    """Return in words which sums and beats a counterexample has.

    Args:
        aiger: What was refuted.
        inputs: A digit per input; of one step.
    """
    told = []
    for name, (value, width) in sorted(port_values(aiger, inputs[0]).items()):
        if name.rstrip("0123456789") in _PARTS:
            signed = width > 1 and value >> (width - 1)
            told.append(f"{name} = {value - (1 << width) if signed else value}")
    return ", ".join(told)


def _within(name: str, low: int, high: int, width: int) -> str:
    return f"{name} >= {_number(low, width)} && {name} <= {_number(high, width)}"


def _number(value: int, width: int) -> str:
    return f"{'-' if value < 0 else ''}{width}'sd{abs(value)}"


def _fed(design: FlatModule, bit: Bit) -> Bit:
    """Return what the register that drives a net is fed with."""
    if bit not in design.driver or not design.driver[bit][0].kind.startswith("$dff"):
        raise ToolError(f"{design.names.get(bit, bit)} is no register without reset")
    cell, _, place = design.driver[bit]
    return cell.inputs["D"][place]


def _add(module: dict[str, Any], name: str, direction: str, bits: list[Bit]) -> None:
    module["ports"][name] = {"direction": direction, "bits": bits}
    module["netnames"][name] = {"hide_name": 0, "bits": bits, "attributes": {}}
