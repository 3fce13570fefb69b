"""Measured costs: synthesis, timing and power in a process kit.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.api.catalogue import configured
from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.base.progress import Progress
    from consilico.sim.silicon.flow import Flow
    from consilico.sim.silicon.implementation import Implementation
    from consilico.sim.silicon.kits.kit import Kit, KitCorner
    from consilico.sim.silicon.layout.place import PlacementOptions
    from consilico.sim.silicon.power.clock_tree import ClockTreeOptions
    from consilico.sim.silicon.power.report import PowerReport
    from consilico.sim.silicon.sweep import ClockSweep
    from consilico.sim.units.unit import Unit

__all__ = ["implement", "kits", "planned", "power", "sweep", "sweep_rtl"]

CLOCK_NS = 4.0  # where nobody says another


def implement(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: "str | Kit" = "nangate45",
    liberty: Sequence[Path] = (),
    clock_ns: float | None = None,
    traffic: str | None = None,
    prove: bool | None = None,
    rung: str | None = None,
    placement: "PlacementOptions | None" = None,
    placed: Path | None = None,
    check_with: str | None = None,
    sdc: Path | None = None,
    output: Path | None = None,
    progress: "Progress | None" = None,
) -> "Implementation":
    """Synthesize a unit, time it, compare the netlist with the RTL and compute its power.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``, as :func:`kits` lists them.
        liberty: Liberty files in place of a kit.
        clock_ns: Clock period in ns, which synthesis aims at and power is given at; None: the
            period of ``sdc``, or 4.0 without one.
        traffic: Source of the input that causes the switching activity, one of the unit's; None:
            the language model's where the unit has that.
        prove: Whether to prove the netlist equal to the RTL; None: where that is quick.
        rung: How far to go: ``"cells"``, with ideal wires and clock, the quick one; ``"wires"``,
            placed, repaired and connected; ``"clock"``, with the clock's tree; ``"layout"``, with
            glitches, too. None: the last one, or cells if the kit knows no rows or no wires.
        placement: Utilization, aspect and seed of the placement; None: 0.7, square, 1.
        placed: DEF file with a placement of the mapped netlist that was made elsewhere, in place of
            one of ours; None: the netlist is placed.
        check_with: ``"openroad"`` routes the layout with the OpenROAD on PATH, too, and compares.
        sdc: File with constraints that paths are measured with; None: inputs come and outputs are
            due at the edge of the clock.
        output: Folder that netlist, constraints, wires, placement and activity go to, for other
            tools, with metrics under the names of OpenROAD-flow-scripts; None: none.
        progress: Called with a description, steps done and steps in total.

    Returns:
        Area, longest path, power and energy, each with the conditions it holds for. A path that
        is longer than the clock period is a result, not an exception.

    Raises:
        UserError: If the kit, a tool or the traffic is not there, or constraints and ``clock_ns``
            contradict each other.
        ToolError: If a tool fails.
        CheckFailed: If the netlist does not do what the RTL does.
    """
    with needing("implement", "torch"):
        from consilico.sim.silicon.implement import implement as run

        found, chosen = configured(unit, config)
        flow, kit, period_ns = planned(
            pdk, liberty, clock_ns, rung, placement, placed, check_with, sdc
        )
        return run(
            found, chosen, kit, period_ns,
            source=traffic, progress=progress, prove=prove, flow=flow, output=output,
        )  # fmt: skip


def planned(
    pdk: "str | Kit",
    liberty: Sequence[Path],
    clock_ns: float | None,
    rung: str | None,
    placement: "PlacementOptions | None",
    placed: Path | None,
    check_with: str | None,
    sdc: Path | None,
) -> "tuple[Flow, Kit, float]":
    """Return how an implementation goes, its kit and its clock period in ns.

    Args and errors are those of :func:`implement`.
    """
    from consilico.sim.silicon.flow import Flow, last_rung
    from consilico.sim.silicon.implementation import RUNGS
    from consilico.sim.silicon.kits.kit import find_kit, liberty_kit
    from consilico.sim.silicon.timing.sdc import read_sdc

    kit = liberty_kit(liberty) if liberty else find_kit(pdk) if isinstance(pdk, str) else pdk
    own = None if sdc is None else read_sdc(sdc, kit)
    if clock_ns is None:
        clock_ns = CLOCK_NS if own is None else own.clock_ns
    # who asks for a layout in other ways is told what the kit lacks for one
    laid_out = placement is not None or placed is not None or check_with is not None
    flow = Flow(
        rung=rung or (RUNGS[-1] if laid_out else last_rung(kit)),
        placement=placement,
        placed=placed,
        check_with=check_with,
        sdc=own,
    )
    return flow, kit, clock_ns


def sweep(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: str = "nangate45",
    clocks_ns: Sequence[float] = (4.0, 2.0, 1.4, 1.1, 0.9, 0.7),
    resolution: float | None = 0.01,
    energy: bool = False,
    rung: str = "cells",
    placement: "PlacementOptions | None" = None,
    traffic: str | None = None,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ClockSweep":
    """Synthesize a unit for several clock periods: area against speed.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        clocks_ns: Clock periods in ns to synthesize for.
        resolution: Relative error to which the shortest period that is met is searched for; None:
            it is not.
        energy: Whether to measure the energy of each netlist too, which takes a simulation each.
        rung: How far to lay out the netlist of each clock period asked for, as in
            :func:`implement`: its ladder is part of the point, and so is its energy. The Pareto
            netlists and the fastest clock stay those of cells.
        placement: With a layout: as in :func:`implement`.
        traffic: With ``energy`` or a layout: as in :func:`implement`.
        jobs: Processes to use; None for as many as there are processors.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the kit or a tool is not there.
        ToolError: If a tool fails.
    """
    with needing("sweep", "torch"):
        from consilico.sim.silicon.flow import Flow
        from consilico.sim.silicon.implement import implement as measure
        from consilico.sim.units.catalogue import verilog

        found, chosen = configured(unit, config)
        flow = Flow(rung=rung, placement=placement)
        text = verilog(found, chosen)
        swept = replace(
            _swept(text, found.module_name, pdk, clocks_ns, resolution, "clk", jobs, progress),
            unit=found.name,
            config=chosen.to_json(),
        )
        if not energy and not flow.lays_out:
            return swept
        points = []
        for done, point in enumerate(swept.points):
            if progress is not None:
                progress("energy" if rung == "cells" else rung, done, len(swept.points))
            made = measure(found, chosen, pdk, point.clock_ns, traffic, flow=flow)
            ladder = made.ladder if flow.lays_out else None
            points.append(replace(point, energy_pj=made.energy_pj, ladder=ladder))
        return replace(swept, points=tuple(points))


def sweep_rtl(
    files: Sequence[Path],
    top: str,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    clock: str | None = None,
    pdk: str = "nangate45",
    clocks_ns: Sequence[float] = (4.0, 2.0, 1.4, 1.1, 0.9, 0.7),
    resolution: float | None = 0.01,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ClockSweep":
    """Synthesize anyone's RTL for several clock periods, as :func:`sweep` does a unit.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name.
        clock: Name of its clock port; None: the one that clocks its registers.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        clocks_ns: Clock periods in ns to synthesize for.
        resolution: As in :func:`sweep`.
        jobs: Processes to use; None for as many as there are processors.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the Verilog cannot be read, or the kit or a tool is not there.
        ToolError: If a tool fails.
    """
    with needing("sweep", "torch"):
        from consilico.sim.rtlsim.foreign.design import read_design

        design = read_design(files, top, include=include, defines=defines, parameters=parameters)
        text, port = design.synthesized(), design.clock(clock)
        swept = _swept(text, top, pdk, clocks_ns, resolution, port, jobs, progress)
        return replace(swept, rtl=design.source, top=top, front_ends=design.front_ends())


def power(
    netlist: Path | Sequence[Path],
    top: str,
    *,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    clock: str,
    period_ns: float,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    window_ns: float | None = None,
    clock_tree: "ClockTreeOptions | None" = None,
    spef: Path | None = None,
    sdf: Path | None = None,
) -> "PowerReport":
    """Compute the power of any mapped netlist from Liberty tables and recorded activity.

    Args:
        netlist: Gate-level Verilog or SystemVerilog, one file or several.
        top: Its top module.
        liberty: Liberty files of its cells.
        activity: VCD, FST or SAIF file of a simulation of the netlist.
        scope: Instance of the top module in the activity, such as ``"tb/dut"``.
        clock: Clock port of the top module.
        period_ns: Clock period in ns.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name.
        window_ns: Width in ns of the windows of power over time; None: no windows.
        clock_tree: Assumptions of an estimated clock tree; None: no estimate.
        spef: SPEF file with the capacitances of the wires; None: ideal wires.
        sdf: SDF file with the delays of cells and wires: the inputs of the activity, a VCD then,
            are replayed with them, so that glitches count; None: toggles count as recorded.

    Raises:
        UserError: If a file cannot be read or is damaged, or does not hold what is named.
        CheckFailed: If outputs are not what they were once there are delays.
    """
    from consilico.sim.base.processes import work_folder
    from consilico.sim.silicon.glitch_replay import SCOPE, replay_with_delays
    from consilico.sim.silicon.layout.spef import read_spef
    from consilico.sim.silicon.liberty.read import read_liberty
    from consilico.sim.silicon.netlist.elaborated import plain_netlist
    from consilico.sim.silicon.power.analysis import analyze_power

    wires_f = None if spef is None else read_spef(spef)
    netlist = plain_netlist(
        netlist, top, read_liberty(liberty).cells,
        include=include, defines=defines, parameters=parameters,
    )  # fmt: skip
    with work_folder("power") as folder:
        if sdf is not None:
            activity = replay_with_delays(
                netlist, top, liberty, activity, scope, clock, period_ns, sdf, folder
            )
            scope = SCOPE
        return analyze_power(
            netlist, top, liberty, activity, scope, clock, period_ns,
            window_ns=window_ns, clock_tree=clock_tree, wires_f=wires_f,
        )  # fmt: skip


def kits() -> "list[KitCorner]":
    """Return each process kit and corner, and where it was found or how to get it."""
    from consilico.sim.silicon.kits.kit import describe_kits

    return describe_kits()


def _swept(
    text: str,
    top: str,
    pdk: str,
    clocks_ns: Iterable[float],
    resolution: float | None,
    clock: str,
    jobs: int | None,
    progress: "Progress | None",
) -> "ClockSweep":
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.sweep import sweep as run

    return run(
        text, top, find_kit(pdk), [*clocks_ns], resolution=resolution, clock=clock,
        workers=jobs, progress=progress,
    )  # fmt: skip
