"""Inference on a chip: what a prompt or a token costs.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.sim.base.progress import Progress
    from consilico.sim.explore.exploration import Exploration
    from consilico.sim.system.answer import SystemAnswer
    from consilico.sim.system.chip import Chip

__all__ = ["chip", "explore", "system"]


def chip(
    *,
    rows: int = 64,
    columns: int = 64,
    tiles: int = 4,
    gemv_lanes: int = 512,
    lanes: int = 256,
    weights: str = "int8",
    sram_kib: int = 8192,
    dram: str = "hbm2",
    clock_ns: float = 2.0,
) -> "Chip":
    """Return the description of a chip, as :func:`system` takes it.

    Args:
        rows: Queries that an attention tile holds at a time.
        columns: Keys of a beat of scores.
        tiles: Attention tiles, whose arrays multiply with weights, too.
        gemv_lanes: Products per cycle of all dot-product units; 0: there are none.
        lanes: Element-wise units, each with one operation per cycle.
        weights: Format of weights: ``"int8"``, ``"int4-g128"`` (groups of 32 to 256) or ``"2:4"``.
        sram_kib: SRAM in KiB.
        dram: Kind of DRAM, such as ``"hbm2"``; an unknown one is refused with the list of all.
        clock_ns: Clock period in ns.

    Raises:
        UserError: If a value is not accepted.
    """
    from consilico.sim.accelerator.accelerator import find_dram
    from consilico.sim.system.chip import Chip, weight_format

    return Chip(
        rows=rows,
        columns=columns,
        tiles=tiles,
        gemv_lanes=gemv_lanes,
        lanes=lanes,
        weights=weight_format(weights),
        sram_kib=sram_kib,
        dram=find_dram(dram),
        clock_ns=clock_ns,
    )


def system(
    model: str,
    chip: "Chip",
    *,
    phase: str = "decode",
    context: int = 4096,
    new: int = 0,
    batch: int = 1,
    normaliser: str = "consmax/log2",
    p_format: str = "int7",
    pdk: str = "nangate45",
    rung: str | None = None,
    compare_normalisers: bool = False,
    transforms: Sequence[str] = (),
) -> "SystemAnswer":
    """Say what a prompt, or a token, costs on a chip: latency, energy by cause, area by part.

    Args:
        model: Name of a built-in model such as ``"llama-7b"``, or path of a Hugging Face
            ``config.json``.
        chip: What it runs on, of :func:`chip`.
        phase: ``"prefill"``: a prompt; ``"decode"``: tokens whose context is in a cache.
        context: Tokens that the last new token sees, itself included.
        new: New tokens of a sequence; 0: the whole context of a prompt, one in decoding.
        batch: Sequences.
        normaliser: Unit that normalizes scores, by its name in the catalogue.
        p_format: Form of a normalized score: ``"int7"``, ``"2xint7"``, two slices of it, or
            ``"uint8"``, for which cells are a bit wider.
        pdk: Process kit.
        rung: Of the units: ``"cells"`` or ``"layout"``; None: the layout, where the kit was laid
            out.
        compare_normalisers: Also tell what every other normalizer would make of the chip.
        transforms: Ways to compute less, one after another: ``"ffn-skip:0.25"``, ``"welore:512"``,
            ``"eora:128"``, ``"2:4"``, ``"owl:0.7"``, ``"scatterbrain:0.1,64"``.

    Raises:
        UserError: If something is not accepted, not priced, or slower than the clock.
    """
    from consilico.sim.memory.presets import find_model
    from consilico.sim.system.simulate import system as answer
    from consilico.sim.workload.graph import Workload

    workload = Workload(model=find_model(model), phase=phase, context=context, new=new, batch=batch)
    return answer(workload, chip, normaliser, p_format, pdk, rung, compare_normalisers, transforms)


def explore(
    space: Path,
    *,
    objectives: Sequence[str] = ("latency", "energy", "area"),
    workers: int | str | None = None,
    synthesize_front: int = 0,
    progress: "Progress | None" = None,
) -> "Exploration":
    """Find the chips of a space that are worth building: those that no other one dominates.

    Closed forms of all points, an event model of those that may be on the front, and, where asked
    for, the units of the best ones implemented. What was computed before answers from the cache.

    Args:
        space: TOML file with the workload, the values of each field of a chip, and constraints
            (docs/explore.md).
        objectives: What is to be small: some of ``"latency"``, ``"energy"``, ``"area"`` and
            ``"perplexity"``, which is known where ``consilico accuracy`` measured it.
        workers: Processes; ``"dask:tcp://host:8786"``: the workers of a Dask scheduler; None: as
            many processes as there are processors. Results are the same.
        synthesize_front: Points of the front whose units are implemented; 0: none.
        progress: Called with a label, chunks done and chunks in all.

    Raises:
        UserError: If the space or an argument is not accepted, no scheduler answers, or nothing is
            left of the space.
    """
    modules = ["distributed"] if isinstance(workers, str) else []
    modules += ["torch"] if synthesize_front else []
    with needing("explore", *modules):
        from consilico.sim.explore.explore import explore as run
        from consilico.sim.explore.space import read_space

        return run(read_space(space), objectives, workers, synthesize_front, progress)
