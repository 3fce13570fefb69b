"""The work of a step on an accelerator: operations, bytes and cycles of each phase."""

from collections import Counter
from dataclasses import dataclass, field

from consilico.sim.accelerator.accelerator import Accelerator
from consilico.sim.accelerator.elementwise import operators, passes
from consilico.sim.accelerator.products import Operand, Product, planned, products
from consilico.sim.accelerator.tiling import array_work, dram_work
from consilico.sim.accelerator.update import held_bytes, svd_work, update_operations
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["PHASES", "Part", "Phase", "step_work"]

PHASES = ("forward", "recompute", "backward", "projection", "svd", "update")


@dataclass(kw_only=True)
class Part:
    """What runs at one time: a product, a pass over tensors, an update, decompositions."""

    name: str
    cycles: float = 0.0
    read: dict[str, float] = field(default_factory=dict)  # bytes from DRAM by kind of tensor
    written: dict[str, float] = field(default_factory=dict)
    sram_read_bytes: float = 0.0  # by the units, and by DRAM writes
    sram_written_bytes: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)  # as in OperationCosts
    tiling: str = ""

    @property
    def dram_bytes(self) -> float:
        """Read and written."""
        return sum(self.read.values()) + sum(self.written.values())


@dataclass(kw_only=True)
class Phase:
    """One phase of a step."""

    name: str  # of PHASES
    flops: float = 0.0  # of matrix products, as torch counts; of decompositions
    scalars: float = 0.0  # operations element by element
    parts: list[Part] = field(default_factory=list)

    @property
    def operations(self) -> Counter[str]:
        """Those of all parts."""
        total: Counter[str] = Counter()
        for part in self.parts:
            total.update(part.operations)
        return total

    def bytes(self, direction: str) -> dict[str, float]:
        """DRAM bytes by kind of tensor; ``direction`` is ``read`` or ``written``."""
        total: dict[str, float] = {}
        for part in self.parts:
            for kind, size in getattr(part, direction).items():
                total[kind] = total.get(kind, 0.0) + size
        return total


def step_work(run: TrainingRun, accelerator: Accelerator, svd: str, gap: int) -> list[Phase]:
    """The phases of a step that there are.

    Every product reads its operands from DRAM and writes its result there, every pass over
    activations too: what SRAM saves is counted inside a product alone. Scalars of a quantized
    weight, projection or state go with it, as the memory ledger has them.

    Args:
        run: As the memory ledger takes it.
        accelerator: Where it runs.
        svd: ``full`` or ``randomised``.
        gap: Steps between two subspaces.

    Raises:
        UserError: If something is not counted or not accepted.
    """
    plan = planned(run)
    builder = _Builder(plan, accelerator)
    phases = {name: Phase(name=name) for name in PHASES}
    for product in products(plan):
        phase = phases[product.phase]
        phase.flops += product.flops
        phase.parts.append(builder.product(product))
    for item in passes(plan):
        phases[item.phase].parts.append(
            builder.elements(item.name, item.reads, item.writes, item.stays)
        )
    for operator in operators(plan):
        phases[operator.phase].scalars += operator.operations
    for phase in phases.values():
        builder.spread(phase)
    if not plan.method.forward_only:
        builder.decompose(phases["svd"], svd, gap)
        builder.update(phases["update"])
    return [phase for phase in phases.values() if phase.parts]


class _Builder:
    def __init__(self, plan: TensorPlan, accelerator: Accelerator) -> None:
        self.plan, self.acc = plan, accelerator
        self.tensors = {t.parameter.name: t for t in plan.tensors}
        if plan.arch.tied:
            self.tensors["output layer"] = self.tensors["embedding"]

    def width(self, operand: Operand) -> float:
        """Bytes of an element in DRAM, its share of the constants of its group included."""
        if operand.stays:
            return 0.0
        if operand.kind in ("activation", "gradient", "scores"):
            return self.acc.activation_bytes
        if operand.kind in ("weight gradient", "low-rank", "update"):
            return self.plan.weight_bytes
        kinds = {"weight": "weights", "adapter": "adapters"}
        tensor = self.tensors[operand.name]
        kind = kinds.get(operand.kind, "projections")
        holding = next(h for h in tensor.treatment.holdings if h.kind == kind)
        size, _ = held_bytes(self.plan, tensor, holding)
        return size / float(holding.elements(tensor.dims))

    def product(self, p: Product) -> Part:
        """On the array; results become codes again where the array computes on integers."""
        operation, array, times = self.acc.engine(p)
        widths = (self.width(p.a), self.width(p.b), self.width(p.c))
        work = array_work(p.m, p.k, p.n, array)
        dram = dram_work(p.m, p.k, p.n, widths, self.acc.sram_bytes, array)
        (a, b, c), count = p.elements, p.count
        # an INT4 code of a projection comes with its zero point: a byte
        chip = 1.0 if operation == "projection MAC" else self.acc.activation_bytes
        part = Part(
            name=p.name, cycles=work.cycles * times * count / array.count, tiling=dram.tiling,
            operations=Counter({operation: p.macs * times}),
        )  # fmt: skip
        for operand, width, elements, fetches in (
            (p.a, widths[0], a, dram.a_fetches), (p.b, widths[1], b, dram.b_fetches),
        ):  # fmt: skip
            size = width * elements * fetches * count
            if self.acc.integer and operation != "projection MAC" and self._wide(operand):
                part.operations["value quantization"] += elements * fetches * count
            if size:
                part.read[operand.kind] = part.read.get(operand.kind, 0.0) + size
        if widths[2]:
            part.written[p.c.kind] = widths[2] * c * count
        part.sram_read_bytes = times * count * chip * (work.a_reads + work.b_reads)
        part.sram_written_bytes = count * chip * work.c_writes
        if self.acc.integer or operation == "projection MAC":
            part.operations["requantization"] += c * count
        elif p.b.kind == "weight" and self._stored(p.b.name) in ("uint8", "nf4"):
            part.operations["float operation"] += 2 * b * dram.b_fetches * count
        return _filled(part)

    def _wide(self, operand: Operand) -> bool:
        """Whether it is kept as floats, which an array of integers takes as codes."""
        if operand.kind == "weight":
            return self._stored(operand.name) not in ("uint8", "nf4")
        return operand.kind in ("adapter", "projection", "weight gradient", "low-rank")

    def _stored(self, name: str) -> str:
        return self.plan.dtype_of(self.tensors[name].treatment.holdings[0])

    def elements(self, name: str, reads: int, writes: int, stays: bool) -> Part:
        """A pass over activations; its results become codes for an array of integers."""
        size = self.acc.activation_bytes
        part = Part(name=name)
        if not stays:
            part.read["activation"] = reads * size
            part.written["activation"] = writes * size
        part.sram_read_bytes, part.sram_written_bytes = reads * size, writes * size
        if self.acc.integer:
            part.operations["value quantization"] += writes
        part.cycles = writes / self.acc.lanes
        return _filled(part)

    def spread(self, phase: Phase) -> None:
        """Give a phase's scalar operations to its passes, by their results."""
        own = [part for part in phase.parts if not part.tiling]
        writes = sum(part.sram_written_bytes for part in own)
        for part in own:
            share = phase.scalars * part.sram_written_bytes / writes
            part.operations["float operation"] += round(share)
            part.cycles = max(part.cycles, share / self.acc.lanes)

    def decompose(self, phase: Phase, svd: str, gap: int) -> None:
        """New subspaces, in float32: half of the operands come from SRAM, half are in registers."""
        work = svd_work(self.plan, svd, gap, self.acc.sram_bytes)
        if not work.flops:
            return
        macs = work.flops / 2
        part = Part(
            name=f"{work.decompositions:.2f} decompositions a step, {svd}",
            cycles=macs / self.acc.lanes,
            read={"weight gradient": work.read_bytes},
            written={"projection": work.written_bytes},
            sram_read_bytes=4 * macs,
            operations=Counter({"float32 MAC": round(macs)}),
        )
        phase.flops = work.flops
        phase.parts.append(_filled(part))

    def update(self, phase: Phase) -> None:
        """Adam's states and the weights, read and written once each."""
        plan, lanes = self.plan, self.acc.lanes
        part = Part(name="optimizer", operations=update_operations(plan))
        for t in plan.tensors:
            if not t.trains:
                continue
            count = plan.trained_blocks if t.in_block else 1
            treatment = t.treatment
            projected = any(h.kind == "projections" for h in treatment.holdings)
            gradient = plan.weight_bytes * float(t.dims.low) if projected else float(t.gradient)
            kind = "low-rank" if projected else "weight gradient"
            part.read[kind] = part.read.get(kind, 0.0) + gradient * count
            if projected:  # the step goes back to be brought back
                part.written[kind] = part.written.get(kind, 0.0) + gradient * count
            for holding in treatment.holdings[1:] if treatment.trains_factors else treatment.holdings:
                name = {"weights": "weight", "adapters": "adapter"}.get(holding.kind, "state")
                if holding.kind == "projections":
                    continue
                size = held_bytes(plan, t, holding)[0] * count
                part.read[name] = part.read.get(name, 0.0) + size
                part.written[name] = part.written.get(name, 0.0) + size
        part.cycles = max(part.operations.values(), default=0) / lanes
        phase.scalars = part.operations["float operation"]
        if part.dram_bytes:
            phase.parts.append(_filled(part))


def _filled(part: Part) -> Part:
    """What comes from DRAM is written to SRAM, what goes there is read from it."""
    part.sram_written_bytes += sum(part.read.values())
    part.sram_read_bytes += sum(part.written.values())
    return part
