"""Facts of the report on power: accuracy, one unit by class and module, its power over time."""

import tempfile
from pathlib import Path
from typing import Any

from sim.catalog import find_unit, verilog
from sim.errors import CheckFailed
from sim.results import cached, digest
from sim.silicon.gatesim import PERIOD_NS, SCOPE, simulate_gates
from sim.silicon.liberty import read_liberty
from sim.silicon.pdk import Kit, find_kit
from sim.silicon.power import analyse
from sim.silicon.power_accuracy import accuracy_table
from sim.silicon.synth import map_once, recipes_of, yosys_files
from sim.silicon.yosys import yosys_version

__all__ = ["power_facts"]

_UNIT, _KIT, _CLOCK_NS, _SOURCE, _BEATS = "consmax/split", "nangate45", 4.0, "model", 2048
_WINDOW_CYCLES = 16
# As synthesis has it, but that no module is flattened: power can be told by module.
_BOUNDARIES = """
setattr -mod -set keep_hierarchy 1 *
setattr -mod -unset keep_hierarchy consilico_* $paramod*consilico_*
flatten
"""


def power_facts() -> dict[str, Any]:
    """All of it, JSON-able.

    Returns:
        ``accuracy`` (see :func:`sim.silicon.power_accuracy.accuracy_table`) and ``unit``: what was
        measured on which activity, with ``by_class``, ``by_module`` and ``profile``.

    Raises:
        UserError: If a tool or the process kit is missing.
        CheckFailed: If the netlist's results are wrong.
    """
    kit = find_kit(_KIT)
    unit = find_unit(_UNIT)
    config = unit.config()
    text = verilog(unit, config)
    stimulus = unit.traffic(config, _SOURCE, _BEATS)
    code = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    key = digest(text, stimulus.bits.tobytes(), kit.sha256, yosys_version(), *code)
    return {
        "accuracy": accuracy_table(),
        "unit": cached("power_facts", key, lambda: _measure(kit, text)),
    }


def _measure(kit: Kit, text: str) -> dict[str, Any]:
    unit = find_unit(_UNIT)
    config = unit.config()
    top = unit.module_name
    stimulus = unit.traffic(config, _SOURCE, _BEATS)
    files = yosys_files(text, top, kit, _CLOCK_NS, recipes_of(kit)[0], boundaries=_BOUNDARIES)
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        netlist, waveform = Path(name, "netlist.v"), Path(name, "activity.vcd")
        mapped = map_once(files, top, kit, netlist)
        gates = simulate_gates(
            netlist.read_text(), list(mapped["cells_by_type"]), read_liberty(kit.liberty), top,
            unit.ports(config), stimulus, waveform,
        )  # fmt: skip
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        report = analyse(
            netlist, top, kit.liberty, waveform, SCOPE, "clk", PERIOD_NS,
            window_ns=_WINDOW_CYCLES * PERIOD_NS,
        )  # fmt: skip
    return report.to_json() | {
        "unit": unit.name,
        "config": config.to_json(),
        "traffic": _SOURCE,
        "kit": kit.name,
        "node_nm": kit.node_nm,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "clock_ns": PERIOD_NS,
        "window_cycles": _WINDOW_CYCLES,
    }
