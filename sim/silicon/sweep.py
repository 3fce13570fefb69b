"""Area against clock period: netlists for several clocks, the best of them, and the fastest."""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.progress import Progress, silent
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds
from consilico.sim.silicon.implementation import Rung
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.synthesis.synthesize import AreaAndPath, synthesize
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.timing.clock_times import check_ns
from consilico.sim.silicon.timing.sta import sta_version

__all__ = [
    "ClockPoint",
    "ClockSweep",
    "FastestClock",
    "ParetoNetlist",
    "fastest_clock",
    "pareto",
    "sweep",
]

_FIRST_STEP = 0.5  # of the shortest period met, where none is known that is missed


@dataclass(frozen=True, kw_only=True)
class ClockPoint(Facts):
    """The netlist that synthesis makes for one clock period."""

    clock_ns: float  # clock period asked for
    area_um2: float
    path_ns: float  # shortest period at which no path fails
    meets_clock: bool
    recipe: str
    tried: dict[str, AreaAndPath]  # every recipe that was run, by name
    energy_pj: float | None = None  # per result, where it was measured: of the last rung
    ladder: tuple[Rung, ...] | None = None  # where it was laid out: from cells to the last rung

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; those that were not measured are left out."""
        return {name: item for name, item in super().to_json().items() if item is not None}


@dataclass(frozen=True, kw_only=True)
class ParetoNetlist(Facts):
    """A netlist that no other one beats in both area and speed."""

    area_um2: float
    path_ns: float
    recipe: str
    clock_ns: float  # clock period that it was mapped for


@dataclass(frozen=True, kw_only=True)
class FastestClock(Facts):
    """The shortest clock period that synthesis meets, and how surely it is the shortest.

    Synthesis is not monotonic: nothing is claimed of periods between ``missed_ns`` and
    ``clock_ns``, or below ``missed_ns``.
    """

    clock_ns: float  # shortest period met
    missed_ns: float  # longest period below it that was asked for and missed; 0 if there is none
    resolution: float  # relative distance of the two at which the search stopped
    area_um2: float  # of the netlist that meets clock_ns
    recipe: str
    mapped_for_ns: float  # period that this netlist was mapped for
    syntheses: int  # number of syntheses that the search added


@dataclass(frozen=True, kw_only=True)
class ClockSweep(Facts):
    """A design mapped for several clock periods, clock and wires ideal but on a point's ladder.

    A netlist meets every period down to its longest path, whatever it was mapped for.
    """

    unit: str | None = None  # where a unit was swept
    config: dict[str, Any] | None = None  # the unit's field values by name
    rtl: str | None = None  # where anyone's Verilog was swept: its file
    top: str | None = None  # the file's top module
    front_ends: FrontEnds | None = None  # whether a simulator understands it likewise
    pdk: str
    corner: str
    voltage_v: float
    assumptions: dict[str, str]  # about clock and wires
    tools: dict[str, str]  # versions by name
    verilog_sha256: str
    points: tuple[ClockPoint, ...]  # one per period asked for, the slowest first
    pareto: tuple[ParetoNetlist, ...]  # of all netlists made, the fastest first
    fastest: FastestClock | None = None  # where it was searched for

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; those that do not apply are left out."""
        return {name: item for name, item in super().to_json().items() if item is not None}


def sweep(
    verilog: str,
    top: str,
    kit: Kit,
    clocks_ns: Sequence[float],
    *,
    resolution: float | None = None,
    clock: str = "clk",
    workers: int | None = None,
    progress: Progress | None = None,
) -> ClockSweep:
    """Synthesize a design for several clock periods, and search for the fastest clock.

    Args:
        verilog: The design.
        top: Its top module.
        kit: The process kit.
        clocks_ns: Clock periods to map for.
        resolution: Relative error to which the fastest clock is searched for; no search if None.
        clock: Name of the clock port.
        workers: Processes to use; as many as there are processors if not given.
        progress: Called with a label, steps done and steps in all.

    Raises:
        UserError: If a tool is missing, or a period or the resolution is not accepted.
        ToolError: If a tool fails.
    """
    if not clocks_ns:
        raise UserError("clocks_ns must hold at least one period")
    for period in clocks_ns:
        check_ns("clocks_ns", period)
    if resolution is not None and not 0.001 <= resolution <= 0.5:
        raise UserError(f"resolution must be within 0.001 and 0.5, not {resolution:g}")
    periods = sorted(set(clocks_ns), reverse=True)
    jobs = [(verilog, top, kit, period, clock) for period in periods]
    points = in_parallel(_point, jobs, "clock targets", workers, progress)
    found = ClockSweep(
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        assumptions={"clock": "ideal", "wires": "ideal"},
        tools={"yosys": yosys_version(), "sta": sta_version()},
        verilog_sha256=hashlib.sha256(verilog.encode()).hexdigest(),
        points=tuple(points),
        pareto=pareto(points),
    )
    if resolution is None:
        return found
    searched: list[ClockPoint] = []
    show = progress or silent
    halvings = math.ceil(math.log2(max(2.0, _FIRST_STEP / resolution)))  # if none is lucky

    def extend(period: float) -> ClockPoint:
        show("fastest clock", len(searched), max(halvings, len(searched)) + 1)
        searched.append(_point((verilog, top, kit, period, clock)))
        return searched[-1]

    fastest = fastest_clock(points, resolution, extend)
    show("fastest clock", len(searched), len(searched))
    return replace(found, pareto=pareto(points + searched), fastest=fastest)


def _point(job: tuple[str, str, Kit, float, str]) -> ClockPoint:
    verilog, top, kit, clock_ns, clock = job
    found = synthesize(verilog, top, kit, clock_ns, clock)
    return ClockPoint(
        clock_ns=clock_ns,
        area_um2=found.area_um2,
        path_ns=found.path_ns,
        meets_clock=found.path_ns <= clock_ns,
        recipe=found.recipe,
        tried=found.tried,
    )


def pareto(points: Iterable[ClockPoint]) -> tuple[ParetoNetlist, ...]:
    """Return the netlists of which no other is both smaller and faster, the fastest first."""
    best: list[ParetoNetlist] = []
    for item in sorted(_netlists(points), key=_by_path):
        if not best or item.area_um2 < best[-1].area_um2:
            best.append(item)
    return tuple(best)


def _by_path(netlist: ParetoNetlist) -> tuple[float, float]:
    return netlist.path_ns, netlist.area_um2


def _netlists(points: Iterable[ClockPoint]) -> list[ParetoNetlist]:
    """Return every netlist that was made on the way to these points."""
    return [
        ParetoNetlist(
            area_um2=made.area_um2, path_ns=made.path_ns, recipe=recipe, clock_ns=point.clock_ns
        )
        for point in points
        for recipe, made in point.tried.items()
    ]


def fastest_clock(
    points: Sequence[ClockPoint], resolution: float, extend: Callable[[float], ClockPoint]
) -> FastestClock:
    """Search for the shortest period that synthesis meets, by bisection of the period asked for.

    The search stops at a period that is met, next to one just below it that was asked for and
    missed.

    Args:
        points: Points that are known already, at least one.
        resolution: Relative distance of the two periods at which to stop, above 0.
        extend: Synthesizes for another period.
    """
    made = list(points)
    while True:
        best = min(_netlists(made), key=_by_path)
        missed = max(
            (
                point.clock_ns
                for point in made
                if not point.meets_clock and point.clock_ns < best.path_ns
            ),
            default=0.0,
        )
        if best.path_ns - missed <= resolution * best.path_ns:
            break
        target = (missed + best.path_ns) / 2 if missed else best.path_ns * _FIRST_STEP
        made.append(extend(float(f"{target:.6g}")))
    return FastestClock(
        clock_ns=best.path_ns,
        missed_ns=missed,
        resolution=resolution,
        area_um2=best.area_um2,
        recipe=best.recipe,
        mapped_for_ns=best.clock_ns,
        syntheses=len(made) - len(points),
    )
