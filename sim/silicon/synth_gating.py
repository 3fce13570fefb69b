"""Clock gating: registers with an enable get a gated clock instead of a multiplexer a bit.

Registers that share clock and enable share one gate. Instances of ``consilico_clock_gate`` (ports
``clk``, ``enable``, ``gclk``), which a design may place itself, become the same cell.
"""

from itertools import count
from typing import Any

from sim.silicon.pdk import Role
from sim.silicon.synth_logic import cell
from sim.silicon.synth_netlist import largest_net

__all__ = ["GATE_MODULE", "gate_clocks"]

GATE_MODULE = "consilico_clock_gate"
_MINIMUM_BITS = 3  # a gate costs about as much as two multiplexers
_ENABLED = {"$dffe": "$dff", "$adffe": "$adff", "$sdffe": "$sdff", "$sdffce": "$sdff"}

_Net = int | str


def gate_clocks(module: dict[str, Any], gate: Role | None) -> None:
    """Replace enables by gated clocks, and clock gate instances by cells, in a Yosys JSON module.

    Args:
        module: A flat module, changed in place.
        gate: The library's integrated clock gate; without one a latch and an AND gate stand in.
    """
    cells: dict[str, Any] = module["cells"]
    nets = count(1 + largest_net(module))
    groups: dict[tuple[_Net, _Net, bool], list[dict[str, Any]]] = {}
    for name, item in list(cells.items()):
        if item["type"] == GATE_MODULE:
            pins = item["connections"]
            del cells[name]
            cells.update(
                _clock_gate(gate, pins["clk"][0], pins["enable"][0], pins["gclk"][0], nets)
            )
        elif item["type"] in _ENABLED and _flag(item, "CLK_POLARITY"):
            enable = _enable(cells, item, nets)
            groups.setdefault((item["connections"]["CLK"][0], *enable), []).append(item)
    for (clock, enable_net, polarity), items in groups.items():
        if sum(len(item["connections"]["Q"]) for item in items) < _MINIMUM_BITS:
            continue
        enable_high = enable_net if polarity else _inverted(cells, enable_net, nets)
        gated = next(nets)
        cells.update(_clock_gate(gate, clock, enable_high, gated, nets))
        for item in items:
            _drop_enable(item, gated)


def _flag(item: dict[str, Any], parameter: str) -> bool:
    return bool(int(item["parameters"][parameter], 2))


def _inverted(cells: dict[str, Any], net: _Net, nets: "count[int]") -> _Net:
    if isinstance(net, str):
        return "0" if net == "1" else "1"
    made = next(nets)
    cells[f"enable${made}"] = cell("$_NOT_", {"A": [net], "Y": [made]}, {"Y"})
    return made


def _enable(
    cells: dict[str, Any], item: dict[str, Any], nets: "count[int]"
) -> tuple[_Net, bool]:
    """Net that enables a register's clock, and whether it is active high.

    A synchronous reset that overrides the enable must clock the register as well.
    """
    enable: _Net = item["connections"]["EN"][0]
    polarity = _flag(item, "EN_POLARITY")
    if item["type"] != "$sdffe":
        return enable, polarity
    reset: _Net = item["connections"]["SRST"][0]
    high = enable if polarity else _inverted(cells, enable, nets)
    if not _flag(item, "SRST_POLARITY"):
        reset = _inverted(cells, reset, nets)
    either = _known_or(cells, high, reset, nets)
    return either, True


def _known_or(cells: dict[str, Any], a: _Net, b: _Net, nets: "count[int]") -> int:
    """Output of an OR gate, made once for a pair of nets."""
    name = f"enable$or${a}${b}"
    if name not in cells:
        cells[name] = cell("$_OR_", {"A": [a], "B": [b], "Y": [next(nets)]}, {"Y"})
    output: int = cells[name]["connections"]["Y"][0]
    return output


def _drop_enable(item: dict[str, Any], clock: int) -> None:
    item["type"] = _ENABLED[item["type"]]
    item["connections"]["CLK"] = [clock]
    for where, key in (("connections", "EN"), ("port_directions", "EN"), ("parameters", "EN_POLARITY")):
        del item[where][key]


def _clock_gate(
    gate: Role | None, clock: _Net, enable: _Net, gated: int, nets: "count[int]"
) -> dict[str, Any]:
    if gate is not None:
        ports: dict[str, list[_Net]] = {
            gate.pins["clock"]: [clock],
            gate.pins["enable"]: [enable],
            gate.pins["output"]: [gated],
            **{pin: ["0"] for pin in gate.low},
        }
        return {f"gate${gated}": cell(gate.cell, ports, {gate.pins["output"]})}
    held = next(nets)
    latch: dict[str, list[_Net]] = {"E": [clock], "D": [enable], "Q": [held]}
    return {
        f"gate${held}": cell("$_DLATCH_N_", latch, {"Q"}),
        f"gate${gated}": cell("$_AND_", {"A": [clock], "B": [held], "Y": [gated]}, {"Y"}),
    }
