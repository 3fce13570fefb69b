"""Ask what a prompt, or a token, costs on a chip, with one normalizer or with all of them.

:func:`system` is what ``consilico system`` prints. The work of the operators
(:mod:`consilico.sim.system.work`) meets what the parts of the chip cost
(:mod:`consilico.sim.system.prices`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import ZERO, Interval, summed
from consilico.sim.system.answer import CAUSES, OperatorCost, Rival, SystemAnswer
from consilico.sim.system.chip import Chip
from consilico.sim.system.normalizers import NormalizerUnit, find_normalizer, normalizer_names
from consilico.sim.system.prices import PartPrice, Prices, prices
from consilico.sim.system.transforms import Effect, transformed, useful_macs, weight_bytes
from consilico.sim.system.work import OperatorWork, operator_works, score_buffer_bytes
from consilico.sim.workload.graph import OperatorGraph, Workload, operator_graph

__all__ = ["Outline", "compare_normalizers", "outline", "system"]

_JOULE_PER_PJ = 1e-12


def system(
    workload: Workload,
    chip: Chip,
    normalizer: str = "consmax/log2",
    p_format: str = "int7",
    pdk: str = "nangate45",
    rung: str | None = None,
    compare: bool = False,
    transforms: Sequence[str] = (),
) -> SystemAnswer:
    """Answer everything that ``consilico system`` prints.

    Args:
        workload: The model and its tokens.
        chip: What it runs on; its tiles are widened to the values of the model.
        normalizer: Name of the unit between the arrays of a tile.
        p_format: Form of its results, one of ``int7``, ``2xint7`` and ``uint8``.
        pdk: Process kit.
        rung: Of the units: ``cells`` or ``layout``; None: the layout, where the kit was laid out.
        compare: Also tell what every other normalizer would make of it.
        transforms: Ways to compute less, one after another, as
            :func:`consilico.sim.system.transforms.transformed` takes them.

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
    effects: list[Effect] = []
    plain = found
    macs, weights = useful_macs(graph, chip), weight_bytes(graph, chip)
    for text in transforms:
        done, source = transformed(text, graph, chip)
        if done.graph is not graph or done.chip is not chip:
            graph, chip = done.graph, done.chip
            found = _answer(graph, chip, normalizer, p_format, pdk, rung)
        effects.append(
            Effect(
                name=text, source=source, kind=done.kind, needs=done.needs,
                in_cycles=done.in_cycles, macs_ratio=done.macs / macs,
                weight_bytes_ratio=done.weight_bytes / weights,
                latency_ratio=found.latency_s.value / plain.latency_s.value,
                energy_ratio=found.total_j.value / plain.total_j.value, notes=done.notes,
            )
        )  # fmt: skip
    found = replace(found, effects=tuple(effects))
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


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The sums of an answer: what a comparison of many chips needs, in a fraction of the time."""

    latency_s: Interval
    energy_j: Interval
    area_um2: Interval


def outline(
    graph: OperatorGraph,
    chip: Chip,
    normalizer: str = "consmax/log2",
    p_format: str = "int7",
    pdk: str = "nangate45",
    rung: str | None = None,
    replaced: Mapping[str, PartPrice] | None = None,
    stepped: int = 0,
) -> Outline:
    """Return latency, energy and area as :func:`system` does, without what they are made of.

    Args:
        graph: Operators of a workload.
        chip: As :func:`system` takes it, as all that follow.
        normalizer: As there.
        p_format: As there.
        pdk: As there.
        rung: As there.
        replaced: Prices by part, in place of those that would be found, such as measured ones.
        stepped: Cycles of a tile up to which its event model is run where its closed form is but a
            bound.

    Raises:
        UserError: As :func:`system`.
    """
    made = _put_together(graph, chip, normalizer, p_format, pdk, rung, stepped)
    costs = made.costs
    if replaced:
        costs = replace(costs, parts=costs.parts | dict(replaced))
        made = replace(made, costs=costs)
    whole = OperatorWork(
        name="all", engine="", basis="", m=0, k=0, n=0, count=1,
        cycles=summed(work.cycles for work in made.works),
        dram_read_bytes=sum(work.dram_read_bytes for work in made.works),
        dram_written_bytes=sum(work.dram_written_bytes for work in made.works),
        sram_read_bytes=sum(work.sram_read_bytes for work in made.works),
        sram_written_bytes=sum(work.sram_written_bytes for work in made.works),
    )  # fmt: skip
    for work in made.works:
        whole.operations.update(work.operations)
    per_cycle = made.chip.bytes_per_cycle
    traffic = whole.dram_bytes / per_cycle
    value = sum(max(work.cycles.value, work.dram_bytes / per_cycle) for work in made.works)
    low = min(value, max(whole.cycles.low, traffic))
    latency = Interval(value, low, whole.cycles.high + traffic) * (made.chip.clock_ns * 1e-9)
    spent = summed(_cost(whole, made.chip, costs).energy_j.values())
    return Outline(
        latency_s=latency,
        energy_j=spent + made.leakage_w * latency,
        area_um2=summed(made.areas.values()),
    )


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A chip for a workload, what its parts cost, and what they have to do."""

    chip: Chip
    normalizer: NormalizerUnit
    buffer_bytes: int
    costs: Prices
    works: list[OperatorWork]

    @property
    def areas(self) -> dict[str, Interval]:
        """Return the area by part."""
        buffer = self.costs.score_buffer
        return {part: price.area_um2 for part, price in self.costs.parts.items()} | {
            "score buffers": buffer.area_um2 if buffer else ZERO,
            "SRAM": self.costs.sram.area_um2,
        }

    @property
    def leakage_w(self) -> Interval:
        """Return the leakage of all parts."""
        buffer = self.costs.score_buffer
        found = summed(part.leakage_w for part in self.costs.parts.values())
        found = found + self.costs.sram.leakage_w
        return found + buffer.leakage_w if buffer else found


def _put_together(
    graph: OperatorGraph,
    chip: Chip,
    name: str,
    p_format: str,
    pdk: str,
    rung: str | None,
    stepped: int = 0,
) -> _Made:
    """Return a chip whose tiles are as wide as the model's values, with its prices and work."""
    chip = replace(chip, value_dim=max(o.value_dim for o in graph.attention))
    context = graph.workload.context
    normalizer = find_normalizer(name, chip.columns, p_format, context)
    buffer_bytes = score_buffer_bytes(chip, normalizer, context)
    return _Made(
        chip=chip,
        normalizer=normalizer,
        buffer_bytes=buffer_bytes,
        costs=prices(chip, normalizer, buffer_bytes, pdk, rung),
        works=operator_works(graph, chip, normalizer, stepped),
    )


def _answer(
    graph: OperatorGraph, chip: Chip, name: str, p_format: str, pdk: str, rung: str | None
) -> SystemAnswer:
    """Return the answer for one normalizer."""
    made = _put_together(graph, chip, name, p_format, pdk, rung)
    costs = made.costs
    slowest, path = costs.slowest
    doubt = (
        f"{slowest} meets the clock: its path is estimated at {path.value:.3g} ns"
        f" ({path.low:.3g} to {path.high:.3g}) where no clock presses"
    )
    return SystemAnswer(
        workload=graph.workload,
        graph=graph,
        chip=made.chip,
        normalizer=made.normalizer,
        p_format=p_format,
        kit=costs.kit,
        operators=tuple(_cost(work, made.chip, costs) for work in made.works),
        leakage_w=made.leakage_w,
        area_um2=made.areas,
        buffer_bytes=made.buffer_bytes,
        bases={part: price.basis for part, price in costs.parts.items()}
        | {"SRAM": costs.sram.basis, "DRAM": "published"},
        doubts=(
            *([doubt] if chip.clock_ns < path.value else ()),
            *(price.doubt for price in costs.parts.values() if price.doubt),
        ),
    )


_PARTS = {  # operations by the part that does them, and the cause of their energy
    "MAC": ("score arrays", "MACs"),
    "value MAC": ("value arrays", "MACs"),
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
