"""The ladder from mapped cells to a layout: the netlist on each rung, and what it costs there."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.golden.config import Config
from consilico.sim.base.errors import CheckFailed
from consilico.sim.silicon.activity.gatesim import bench_timing
from consilico.sim.silicon.circuit import Circuit
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.gate_level import Delays, GateLevelPower, gate_level_power
from consilico.sim.silicon.implementation import Rung
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.layout import PhysicalLayout, clocked, closed, lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.power.report import Power
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist
from consilico.sim.silicon.timing.delays import write_sdf
from consilico.sim.silicon.timing.opensta import PathTiming, longest_path

if TYPE_CHECKING:
    from consilico.sim.units.stimulus import Stimulus

__all__ = ["ACTIVITY", "STEPS", "Climbed", "LadderJob", "RungNetlist", "climb", "stages"]

ACTIVITY = "activity.vcd"  # in a job's folder
STEPS = {"cells": 2, "wires": 4, "clock": 3, "layout": 2}  # that begin on each rung


@dataclass(frozen=True, kw_only=True, eq=False)
class LadderJob:
    """Order to implement a circuit: in what, how far, and on what traffic."""

    circuit: Circuit
    config: Config  # of the unit that the circuit is
    kit: Kit
    clock_ns: float
    stimulus: "Stimulus"
    flow: Flow
    folder: Path  # where files are written
    begin: Callable[[str], None]  # is told which step begins


@dataclass(frozen=True, kw_only=True, eq=False)
class RungNetlist:
    """A netlist on one rung, as the files that tools read."""

    rung: str  # one of RUNGS
    netlist: Path
    cells_by_type: dict[str, int]
    area_um2: float  # of the cells
    layout: PhysicalLayout | None = None  # None: not placed
    spef: Path | None = None  # its wires; None: ideal
    sdf: Path | None = None  # delays that it is simulated with; None: none

    @property
    def insertion_ns(self) -> float | None:
        """Delay of the clock's tree; None: the clock is ideal."""
        tree = None if self.layout is None else self.layout.clock
        return None if tree is None else tree.insertion_delay_ns

    @property
    def cells(self) -> int:
        """Return the number of cells in the netlist."""
        return sum(self.cells_by_type.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Climbed:
    """Measurements of the netlist on one rung."""

    stage: RungNetlist
    timing: PathTiming
    replayed: GateLevelPower  # at the recording's clock
    power: Power  # at the clock that was asked for
    facts: Rung


def stages(job: LadderJob, mapped: MappedNetlist) -> Iterator[RungNetlist]:
    """Yield the netlist of each rung up to the last that is asked for.

    Args:
        job: What is implemented.
        mapped: Its netlist of cells.

    Raises:
        UserError: If the cells cannot be placed.
    """
    circuit, kit, flow = job.circuit, job.kit, job.flow
    yield RungNetlist(
        rung="cells",
        netlist=mapped.netlist,
        cells_by_type=mapped.cells_by_type,
        area_um2=mapped.area_um2,
    )
    if flow.rung == "cells":
        return
    job.begin("placement")
    options = flow.placement or PlacementOptions()
    layout = lay_out(mapped.netlist, circuit.top, kit, circuit.clock, options, flow.placed)
    job.begin("closure")
    layout = closed(layout, kit, circuit.clock, job.clock_ns, flow.sdc)
    yield _laid_out("wires", layout, kit, job.folder / "wires")
    if flow.rung == "wires":
        return
    job.begin("clock tree")
    layout = clocked(layout, kit, circuit.clock, job.clock_ns, flow.sdc)
    stage = _laid_out("clock", layout, kit, job.folder / "clock")
    yield stage
    if flow.rung == "clock":
        return
    job.begin("delays")
    sdf = job.folder / "delays.sdf"
    write_sdf(
        stage.netlist, circuit.top, kit, circuit.clock, job.clock_ns, sdf,
        spef=stage.spef, sdc=flow.sdc, propagated=True,
    )  # fmt: skip
    yield replace(stage, rung="layout", sdf=sdf)


def _laid_out(rung: str, layout: PhysicalLayout, kit: Kit, folder: Path) -> RungNetlist:
    folder.mkdir()
    netlist, spef = layout.write(folder)
    library = read_liberty((kit.mapping_liberty,)).cells
    found = Counter(each.cell for each in layout.placement.design.netlist.instances)
    return RungNetlist(
        rung=rung,
        netlist=netlist,
        cells_by_type=dict(sorted(found.items())),
        area_um2=sum(library[cell].area_um2 * count for cell, count in found.items()),
        layout=layout,
        spef=spef,
    )


def climb(job: LadderJob, stage: RungNetlist, below: Climbed | None) -> Climbed:
    """Measure the netlist on one rung: its path, its results, its power.

    The recording of its simulation is left as ``activity.vcd`` in the job's folder.

    Args:
        job: What is implemented.
        stage: The netlist.
        below: What was measured on the rung before it; the paths of one netlist are timed once.

    Raises:
        UserError: If a tool is missing, or constraints do not fit.
        ToolError: If a tool fails.
        CheckFailed: If a result is wrong.
    """
    circuit, kit, clock_ns, layout = job.circuit, job.kit, job.clock_ns, stage.layout
    if below is not None and below.stage.netlist == stage.netlist:
        timing = below.timing
    else:
        job.begin(f"timing ({stage.rung})")
        timing = longest_path(
            stage.netlist, circuit.top, kit, circuit.clock, clock_ns, stage.spef, job.flow.sdc,
            stage.insertion_ns,
        )  # fmt: skip
    job.begin(f"simulation ({stage.rung})")
    try:
        replayed = gate_level_power(
            circuit.unit, job.config, kit, stage.netlist, stage.cells_by_type, job.stimulus,
            circuit=circuit,
            waveform=job.folder / ACTIVITY,
            delays=_delays(stage, clock_ns, timing),
            wires_f=None if layout is None else layout.wire_capacitances_f(),
            propagated=stage.insertion_ns is not None,
        )  # fmt: skip
    except CheckFailed as error:
        raise CheckFailed(f"{error} ({stage.rung}){_early(layout)}") from error
    gates = replayed.gates
    # the energy per cycle does not depend on the period
    power = replayed.report.total.at_speed(gates.period_ns / clock_ns)
    return Climbed(
        stage=stage,
        timing=timing,
        replayed=replayed,
        power=power,
        facts=Rung(
            rung=stage.rung,
            area_um2=stage.area_um2,
            core_um2=None if layout is None else layout.placement.core.area_um2,
            path_ns=timing.path_ns,
            energy_pj=power.total_w * clock_ns * 1e-9 * gates.cycles / gates.results * 1e12,
            leakage_w=power.leakage_w,
        ),
    )


def _early(layout: PhysicalLayout | None) -> str:
    hold = None if layout is None else layout.hold
    if hold is None or not hold.violations:
        return ""
    worst_ns = -(hold.worst_slack_ns or 0.0)
    return f"; data are too early at {hold.violations} pins, by up to {worst_ns:g} ns"


def _delays(stage: RungNetlist, clock_ns: float, timing: PathTiming) -> Delays | None:
    if stage.sdf is None:
        return None
    late_ns = stage.insertion_ns or 0.0
    bench = bench_timing(clock_ns, timing.path_ns, late_ns)
    return Delays(sdf=stage.sdf, timing=bench, propagated=stage.insertion_ns is not None)
