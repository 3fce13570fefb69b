"""Ask what a prompt, or a token, costs on a chip, with one normalizer or with all of them.

:func:`system` is what ``consilico system`` prints. The work of the operators
(:mod:`consilico.sim.system.work`) meets what the parts of the chip cost
(:mod:`consilico.sim.system.prices`).
"""

from collections.abc import Iterable
from dataclasses import replace

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import ZERO, Interval, summed
from consilico.sim.system.answer import CAUSES, OperatorCost, Rival, SystemAnswer
from consilico.sim.system.chip import Chip
from consilico.sim.system.normalizers import find_normalizer, normalizer_names
from consilico.sim.system.prices import Prices, prices
from consilico.sim.system.work import OperatorWork, operator_works, score_buffer_bytes
from consilico.sim.workload.graph import OperatorGraph, Workload, operator_graph

__all__ = ["compare_normalizers", "system"]

_JOULE_PER_PJ = 1e-12


def system(
    workload: Workload,
    chip: Chip,
    normalizer: str = "consmax/log2",
    p_format: str = "int7",
    pdk: str = "nangate45",
    rung: str | None = None,
    compare: bool = False,
) -> SystemAnswer:
    """Answer everything that ``consilico system`` prints.

    Args:
        workload: The model and its tokens.
        chip: What it runs on; its tiles are widened to the values of the model.
        normalizer: Name of the unit between the arrays of a tile.
        p_format: Form of its results, one of ``int7`` and ``2xint7``.
        pdk: Process kit.
        rung: Of the units: ``cells`` or ``layout``; None: the layout, where the kit was laid out.
        compare: Also tell what every other normalizer would make of it.

    Raises:
        UserError: If something is not accepted, not priced, or slower than the clock.
    """
    if workload.phase == "training":
        raise UserError(
            "phase must be prefill or decode, not 'training': a training step is answered by"
            " training-hw"
        )
    graph = operator_graph(workload)
    found = _answer(graph, chip, normalizer, p_format, pdk, rung)
    if not compare:
        return found
    return replace(found, rivals=tuple(compare_normalizers(found, pdk, rung)))


def compare_normalizers(base: SystemAnswer, pdk: str, rung: str | None = None) -> Iterable[Rival]:
    """Yield what every other normalizer of the catalogue would make of the same chip."""
    for name in normalizer_names():
        if name == base.normalizer.unit.name:
            continue
        try:
            other = _answer(base.graph, base.chip, name, base.p_format, pdk, rung)
        except UserError as error:
            yield Rival(
                name=name, kind="", latency_ratio=0.0, energy_ratio=0.0,
                attention_energy_ratio=0.0, area_ratio=0.0, normaliser_um2=ZERO, buffer_kib=0.0,
                basis="", refused=str(error),
            )  # fmt: skip
            continue
        yield Rival(
            name=name,
            kind=other.normalizer.kind,
            latency_ratio=other.latency_s.value / base.latency_s.value,
            energy_ratio=other.total_j.value / base.total_j.value,
            attention_energy_ratio=other.attention_j / base.attention_j,
            area_ratio=other.total_um2.value / base.total_um2.value,
            normaliser_um2=other.normalizer_um2,
            buffer_kib=other.buffer_bytes / 1024,
            basis=other.bases["normaliser"],
            doubt="; ".join(doubt for doubt in other.doubts if doubt not in base.doubts),
        )


def _answer(
    graph: OperatorGraph, chip: Chip, name: str, p_format: str, pdk: str, rung: str | None
) -> SystemAnswer:
    """Return the answer for one normalizer."""
    workload = graph.workload
    chip = replace(chip, value_dim=max(o.value_dim for o in graph.attention))
    normalizer = find_normalizer(name, chip.columns, p_format, workload.context)
    buffer_bytes = score_buffer_bytes(chip, normalizer, p_format, workload.context)
    costs = prices(chip, normalizer, buffer_bytes, pdk, rung)
    works = operator_works(graph, chip, normalizer, p_format)
    buffer = costs.score_buffer
    leakage = summed(part.leakage_w for part in costs.parts.values()) + costs.sram.leakage_w
    areas = {part: price.area_um2 for part, price in costs.parts.items()}
    if buffer is not None:
        leakage = leakage + buffer.leakage_w
    slowest, path = costs.slowest
    doubt = (
        f"{slowest} meets the clock: its path is estimated at {path.value:.3g} ns"
        f" ({path.low:.3g} to {path.high:.3g}) where no clock presses"
    )
    return SystemAnswer(
        workload=workload,
        graph=graph,
        chip=chip,
        normalizer=normalizer,
        p_format=p_format,
        kit=costs.kit,
        operators=tuple(_cost(work, chip, costs) for work in works),
        leakage_w=leakage,
        area_um2=areas
        | {"score buffers": buffer.area_um2 if buffer else ZERO, "SRAM": costs.sram.area_um2},
        buffer_bytes=buffer_bytes,
        bases={part: price.basis for part, price in costs.parts.items()}
        | {"SRAM": costs.sram.basis, "DRAM": "published"},
        doubts=(
            *([doubt] if chip.clock_ns < path.value else ()),
            *(price.doubt for price in costs.parts.values() if price.doubt),
        ),
    )


_PARTS = {  # operations by the part that does them, and the cause of their energy
    "MAC": ("score arrays", "MACs"),
    "GEMV MAC": ("GEMV lanes", "MACs"),
    "requantization": ("requantizers", "requantizer"),
    "normalization": ("normaliser", "normaliser"),
    "float operation": ("vector lanes", "other units"),
}


def _cost(work: OperatorWork, chip: Chip, costs: Prices) -> OperatorCost:
    """Return an operator with its energy and time."""
    energy = dict.fromkeys(CAUSES[:-1], ZERO)
    for operation, count in work.operations.items():
        if operation not in _PARTS or not count:
            continue
        part, cause = _PARTS[operation]
        price = costs.parts[part]
        spent = price.energy_pj * (count * _JOULE_PER_PJ)
        energy[cause] += spent * (1 - price.registers)
        energy["registers"] += spent * price.registers
    moves = work.operations["weight move"] * _JOULE_PER_PJ
    energy["registers"] += costs.weight_move_pj * moves
    read, written = (
        8 * size * _JOULE_PER_PJ for size in (work.sram_read_bytes, work.sram_written_bytes)
    )
    energy["SRAM"] = costs.sram.read_pj_per_bit * read + costs.sram.write_pj_per_bit * written
    energy["DRAM"] = chip.dram.energy_pj_per_bit * (8 * work.dram_bytes * _JOULE_PER_PJ)
    if costs.score_buffer is not None:
        both = costs.score_buffer.read_pj_per_bit + costs.score_buffer.write_pj_per_bit
        energy["score buffer"] = both * (8 * work.operations["buffered score byte"] * _JOULE_PER_PJ)
    traffic = work.dram_bytes / chip.bytes_per_cycle
    cycle = chip.clock_ns * 1e-9
    low, value, high = work.cycles.low, work.cycles.value, work.cycles.high
    return OperatorCost(
        work=work, energy_j=energy, dram_cycles=traffic,
        time_s=Interval(max(value, traffic), max(low, traffic), high + traffic) * cycle,
    )  # fmt: skip
