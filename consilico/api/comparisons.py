"""Comparisons of units that do the same work.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.sim.base.progress import Progress
    from consilico.sim.comparison.facts import Comparison

__all__ = ["compare"]


def compare(
    *units: str,
    lanes: Sequence[int] = (1,),
    rows: Sequence[int] = (256,),
    buffers: Sequence[str] = ("none", "latch"),
    pdk: str = "nangate45",
    clock_ns: float = 4.0,
    traffic: str = "normal",
    rung: str | None = None,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "Comparison":
    """Implement units that take rows of attention scores alike, and compare them with the first.

    Args:
        units: Two or more: names, each perhaps with settings, ``"online_softmax:slack=8"``, or with
            a unit in front, ``"softermax+base2_scores"``.
        lanes: Scores per cycle.
        rows: Scores per row.
        buffers: What row buffers are made of: ``"none"`` (the logic alone), ``"sram"`` (estimated),
            ``"latch"``, ``"flop"``.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        clock_ns: Clock period in ns.
        traffic: ``"normal"``: drawn scores, rows as long as asked for; ``"model"``: rows of a
            language model, with their masks.
        rung: How far to go, as in :func:`implement`; None: as far as the kit allows.
        jobs: Implementations at a time; None: as many as there are processors.
        progress: Called with a description, implementations done and in all.

    Returns:
        Areas, path, energy, cycles and errors of each unit in each combination, ratios to the
        first unit, and combinations that a unit is not built in.

    Raises:
        UserError: If fewer than two units are named, or a unit, setting, buffer, kit or traffic is
            unknown, or a unit is built in none of the combinations.
        ToolError: If a tool fails.
        CheckFailed: If a netlist does not do what its RTL does.
    """
    with needing("compare", "torch"):
        from consilico.sim.comparison.compare import candidate
        from consilico.sim.comparison.compare import compare as run
        from consilico.sim.silicon.flow import last_rung
        from consilico.sim.silicon.kits.kit import find_kit

        return run(
            [candidate(unit) for unit in units],
            lanes=lanes, rows=rows, buffers=buffers, pdk=pdk, clock_ns=clock_ns, traffic=traffic,
            rung=rung or last_rung(find_kit(pdk)), workers=jobs, progress=progress,
        )  # fmt: skip
