"""Area against clock period: netlists for several clocks, the best of them, and the fastest."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.progress import Progress, silent
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.synthesis.synthesize import synthesize

__all__ = ["fastest_clock", "pareto", "sweep"]

_FIRST_STEP = 0.5  # of the shortest period met, where none is known that is missed


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
) -> dict[str, Any]:
    """Synthesize a design for several clock periods.

    A netlist meets every period down to its longest path, whatever it was mapped for. Every
    synthesis comes from the cache where it is there.

    Args:
        verilog: The design.
        top: Its top module.
        kit: The process kit.
        clocks_ns: Clock periods to map for.
        resolution: Where given, the fastest clock is looked for to this relative error.
        clock: Name of the clock port.
        workers: Processes to use; as many as there are processors if not given.
        progress: Called with a label, steps done and steps in all.

    Returns:
        ``points``, a row for each period: ``clock_ns``, ``area_um2``, ``path_ns``,
        ``meets_clock``, ``recipe`` and ``tried`` (area and path of every recipe run); ``pareto``
        (:func:`pareto`) of all netlists made; and, with ``resolution``, ``fastest``
        (:func:`fastest_clock`).

    Raises:
        UserError: If a tool is missing.
        ToolError: If a tool fails.
    """
    periods = sorted(set(clocks_ns), reverse=True)
    jobs = [(verilog, top, kit, period, clock) for period in periods]
    points = in_parallel(_point, jobs, "clock targets", workers, progress)
    if resolution is None:
        return {"points": points, "pareto": pareto(points)}
    searched: list[dict[str, Any]] = []
    show = progress or silent

    def extend(period: float) -> dict[str, Any]:
        show("fastest clock", len(searched), len(searched) + 1)
        searched.append(_point((verilog, top, kit, period, clock)))
        return searched[-1]

    fastest = fastest_clock(points, resolution, extend)
    show("fastest clock", len(searched), len(searched))
    return {"points": points, "pareto": pareto(points + searched), "fastest": fastest}


def _point(job: tuple[str, str, Kit, float, str]) -> dict[str, Any]:
    verilog, top, kit, clock_ns, clock = job
    found = synthesize(verilog, top, kit, clock_ns, clock)
    return {
        "clock_ns": clock_ns,
        "area_um2": found.area_um2,
        "path_ns": found.path_ns,
        "meets_clock": found.path_ns <= clock_ns,
        "recipe": found.recipe,
        "tried": found.tried,
    }


def pareto(points: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the netlists of which no other is both smaller and faster, the fastest first.

    Returns:
        ``path_ns``, ``area_um2``, ``recipe`` and ``clock_ns`` (what it was mapped for).
    """
    made = sorted(_netlists(points), key=lambda item: (item["path_ns"], item["area_um2"]))
    best: list[dict[str, Any]] = []
    for item in made:
        if not best or item["area_um2"] < best[-1]["area_um2"]:
            best.append(item)
    return best


def _netlists(points: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every netlist that was made on the way to these points."""
    return [
        {**values, "recipe": recipe, "clock_ns": point["clock_ns"]}
        for point in points
        for recipe, values in point["tried"].items()
    ]


def fastest_clock(
    points: Sequence[dict[str, Any]],
    resolution: float,
    extend: Callable[[float], dict[str, Any]],
) -> dict[str, Any]:
    """Find the shortest period that synthesis meets, by bisection of the period asked for.

    Synthesis is not monotonic: the answer is the shortest period met, with the longest one below
    it that was asked for and missed. Between and below them nothing is claimed.

    Args:
        points: Synthesized already, at least one.
        resolution: Relative distance of the two periods at which to stop, above 0.
        extend: Synthesizes for another period.

    Returns:
        ``clock_ns`` (met), ``missed_ns``, ``resolution``; ``area_um2``, ``recipe`` and
        ``mapped_for_ns`` of the netlist that meets it; ``syntheses`` added.
    """
    made = list(points)
    while True:
        best = min(_netlists(made), key=lambda item: (item["path_ns"], item["area_um2"]))
        missed = max(
            (
                point["clock_ns"]
                for point in made
                if not point["meets_clock"] and point["clock_ns"] < best["path_ns"]
            ),
            default=0.0,
        )
        if best["path_ns"] - missed <= resolution * best["path_ns"]:
            break
        target = (missed + best["path_ns"]) / 2 if missed else best["path_ns"] * _FIRST_STEP
        made.append(extend(float(f"{target:.6g}")))
    return {
        "clock_ns": best["path_ns"],
        "missed_ns": missed,
        "resolution": resolution,
        "area_um2": best["area_um2"],
        "recipe": best["recipe"],
        "mapped_for_ns": best["clock_ns"],
        "syntheses": len(made) - len(points),
    }
