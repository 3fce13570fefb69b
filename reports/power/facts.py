"""Facts of the report on power: accuracy, one unit by class and module, its power over time."""

import tempfile
from pathlib import Path
from typing import Any

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cached, digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.silicon.activity.gatesim import PERIOD_NS
from consilico.sim.silicon.implement import gate_level_power
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.power.accuracy import accuracy_table
from consilico.sim.silicon.synthesis.synthesize import map_once, recipes_of, yosys_files
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.timing.opensta import sta_version
from consilico.sim.units.catalogue import find_unit, verilog

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
        ``accuracy`` (see :func:`accuracy.accuracy_table`) and ``unit``: what was
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
    key = digest(
        text, stimulus.kind.tobytes(), stimulus.bits.tobytes(), stimulus.expected.tobytes(),
        kit.sha256, yosys_version(), sta_version(), tool_versions(["iverilog"]),
        code_digest(__name__, unit.generator_module(config)),
    )  # fmt: skip
    return {
        "accuracy": accuracy_table().to_json(),
        "unit": cached("power_facts", key, lambda: _measure(kit, text)),
    }


def _measure(kit: Kit, text: str) -> dict[str, Any]:
    unit = find_unit(_UNIT)
    config = unit.config()
    top = unit.module_name
    stimulus = unit.traffic(config, _SOURCE, _BEATS)
    files = yosys_files(text, top, kit, _CLOCK_NS, recipes_of(kit)[0], boundaries=_BOUNDARIES)
    mapped = map_once(files, top, kit)
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        netlist = Path(name, "netlist.v")
        netlist.write_text(mapped.netlist)
        replayed = gate_level_power(
            unit, config, kit, netlist, mapped.cells_by_type, stimulus,
            window_ns=_WINDOW_CYCLES * PERIOD_NS,
        )  # fmt: skip
    return replayed.report.to_json() | {
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
