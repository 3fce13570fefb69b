"""The work of a step on an accelerator: operations, bytes and cycles of each phase."""

from collections import Counter
from dataclasses import dataclass, field

from consilico.sim.accelerator.accelerator import Accelerator, SystolicArrays
from consilico.sim.accelerator.elementwise import operators, passes
from consilico.sim.accelerator.matrix_products import matrix_products, planned
from consilico.sim.accelerator.tiling import array_work, dram_work
from consilico.sim.accelerator.update import held_bytes, svd_work, update_operations
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun
from consilico.sim.workload.products import MatrixProduct, ProductOperand

__all__ = ["PHASES", "PhaseWork", "WorkItem", "step_work"]

PHASES = ("forward", "recompute", "backward", "projection", "svd", "update")


@dataclass(kw_only=True)
class WorkItem:
    """Piece of work that runs by itself: a product, a pass over tensors, an update."""

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
        """Return the bytes read from and written to DRAM."""
        return sum(self.read.values()) + sum(self.written.values())


@dataclass(kw_only=True)
class PhaseWork:
    """The work of one phase of a step."""

    name: str  # of PHASES
    flops: float = 0.0  # of matrix products, as torch counts; of decompositions
    scalars: float = 0.0  # operations element by element
    items: list[WorkItem] = field(default_factory=list)

    @property
    def operations(self) -> Counter[str]:
        """Return the operations of all items."""
        total: Counter[str] = Counter()
        for part in self.items:
            total.update(part.operations)
        return total

    def bytes(self, direction: str) -> dict[str, float]:
        """Return the DRAM bytes by kind of tensor; ``direction`` is ``read`` or ``written``."""
        total: dict[str, float] = {}
        for part in self.items:
            for kind, size in getattr(part, direction).items():
                total[kind] = total.get(kind, 0.0) + size
        return total


def step_work(run: TrainingRun, accelerator: Accelerator, svd: str, gap: int) -> list[PhaseWork]:
    """Return the phases of a step that have any work.

    Every product reads its operands from DRAM and writes its result there, and so does every pass
    over activations: what SRAM saves is counted inside a product alone. Scalars of a quantized
    weight, projection or state go with it, as the memory ledger has them.

    Args:
        run: What is trained, as the memory ledger takes it.
        accelerator: What it runs on.
        svd: ``full`` or ``randomised``.
        gap: Steps between two subspaces.

    Raises:
        UserError: If something is not counted or not accepted.
    """
    plan = planned(run)
    builder = _Builder(plan, accelerator)
    phases = {name: PhaseWork(name=name) for name in PHASES}
    for product in matrix_products(plan):
        phase = phases[product.phase]
        phase.flops += product.flops
        phase.items.append(builder.product(product))
    for item in passes(plan):
        phases[item.phase].items.append(
            builder.elements(item.name, item.reads, item.writes, item.stays)
        )
    for operator in operators(plan):
        phases[operator.phase].scalars += operator.operations
    for phase in phases.values():
        builder.spread(phase)
    if not plan.method.forward_only:
        builder.decompose(phases["svd"], svd, gap)
        builder.update(phases["update"])
    return [phase for phase in phases.values() if phase.items]


class _Builder:
    """The work of one run on one accelerator."""

    def __init__(self, plan: TensorPlan, accelerator: Accelerator) -> None:
        self.plan, self.acc = plan, accelerator
        self.tensors = {t.parameter.name: t for t in plan.tensors}
        if plan.arch.tied:
            self.tensors["output layer"] = self.tensors["embedding"]

    def width(self, operand: ProductOperand) -> float:
        """Return the bytes of an element in DRAM, with its share of its group's constants."""
        if operand.stays:
            return 0.0
        if operand.kind in ("activation", "gradient", "scores"):
            return self.acc.activation_bytes
        if operand.kind in ("weight gradient", "low-rank", "update"):
            return self.plan.weight_bytes
        if operand.kind == "weight" and self._served:
            return 0.5 if self.acc.precision == "int4" else 1.0
        kinds = {"weight": "weights", "adapter": "adapters"}
        tensor = self.tensors[operand.name]
        kind = kinds.get(operand.kind, "projections")
        holding = next(h for h in tensor.treatment.holdings if h.kind == kind)
        size, _ = held_bytes(self.plan, tensor, holding)
        return size / float(holding.elements(tensor.dims))

    def product(self, p: MatrixProduct) -> WorkItem:
        """Return the work of a product; an array of integers makes its results codes again."""
        operation, array, times = _engine(self.acc, p)
        widths = (self.width(p.a), self.width(p.b), self.width(p.c))
        work = array_work(p.m, p.k, p.n, array)
        dram = dram_work(p.m, p.k, p.n, widths, self.acc.sram_bytes, array)
        (a, b, c), count, share = p.elements, p.count, self._computed(p, array)
        # an INT4 code of a projection comes with its zero point: a byte
        chip = 1.0 if operation == "projection MAC" else self.acc.activation_bytes
        part = WorkItem(
            name=p.name, cycles=work.cycles * times * count * share / array.count,
            tiling=dram.tiling, operations=Counter({operation: round(p.macs * times * share)}),
        )  # fmt: skip
        for operand, width, elements, fetches in (
            (p.a, widths[0], a, dram.a_fetches), (p.b, widths[1], b, dram.b_fetches),
        ):  # fmt: skip
            size = width * elements * fetches * count
            if self.acc.computes_integers and operation != "projection MAC" and self._wide(operand):
                part.operations["value quantization"] += elements * fetches * count
            if size:
                part.read[operand.kind] = part.read.get(operand.kind, 0.0) + size
        if widths[2]:
            part.written[p.c.kind] = widths[2] * c * count
        made = share if p.c.kind == "scores" else 1.0  # of the results
        part.sram_read_bytes = times * count * chip * (work.a_reads + work.b_reads) * share
        part.sram_written_bytes = count * chip * work.c_writes * made
        if self.acc.computes_integers or operation == "projection MAC":
            part.operations["requantization"] += round(c * count * made)
        elif p.b.kind == "weight" and self._stored(p.b.name) in ("uint8", "nf4"):
            part.operations["float operation"] += 2 * b * dram.b_fetches * count
        return _filled(part)

    @property
    def _served(self) -> bool:
        """Tell whether weights lie in memory as the codes that products compute with."""
        return self.plan.method.forward_only and self.acc.computes_integers

    def _computed(self, p: MatrixProduct, array: SystolicArrays) -> float:
        """Return the part of a product that is computed: tiles that a mask does not hide whole."""
        if p.seen == 1:
            return 1.0
        edge = (max(array.rows, array.columns) - 1) / (2 * int(self.plan.sequence))
        return min(1.0, p.seen + edge)

    def _wide(self, operand: ProductOperand) -> bool:
        """Tell whether an operand is kept as floats, which an array of integers takes as codes."""
        if operand.kind == "weight":
            return not self._served and self._stored(operand.name) not in ("uint8", "nf4")
        return operand.kind in ("adapter", "projection", "weight gradient", "low-rank")

    def _stored(self, name: str) -> str:
        """Return the data type in which a weight is stored."""
        return self.plan.dtype_of(self.tensors[name].treatment.holdings[0])

    def elements(self, name: str, reads: int, writes: int, stays: bool) -> WorkItem:
        """Return the work of a pass over activations; for integers its results become codes."""
        size = self.acc.activation_bytes
        part = WorkItem(name=name)
        if not stays:
            part.read["activation"] = reads * size
            part.written["activation"] = writes * size
        part.sram_read_bytes, part.sram_written_bytes = reads * size, writes * size
        if self.acc.computes_integers:
            part.operations["value quantization"] += writes
        part.cycles = writes / self.acc.lanes
        return _filled(part)

    def spread(self, phase: PhaseWork) -> None:
        """Share out a phase's scalar operations among its passes, by the results of each."""
        own = [part for part in phase.items if not part.tiling]
        writes = sum(part.sram_written_bytes for part in own)
        for part in own:
            share = phase.scalars * part.sram_written_bytes / writes
            part.operations["float operation"] += round(share)
            part.cycles = max(part.cycles, share / self.acc.lanes)

    def decompose(self, phase: PhaseWork, svd: str, gap: int) -> None:
        """Add new subspaces, in float32: half of the operands come from SRAM."""
        work = svd_work(self.plan, svd, gap, self.acc.sram_bytes)
        if not work.flops:
            return
        macs = work.flops / 2
        part = WorkItem(
            name=f"{work.decompositions:.2f} decompositions per step, {svd}",
            cycles=macs / self.acc.lanes,
            read={"weight gradient": work.read_bytes},
            written={"projection": work.written_bytes},
            sram_read_bytes=4 * macs,
            operations=Counter({"float32 MAC": round(macs)}),
        )
        phase.flops = work.flops
        phase.items.append(_filled(part))

    def update(self, phase: PhaseWork) -> None:
        """Add the update: Adam's states and the weights, read and written once each."""
        plan, lanes = self.plan, self.acc.lanes
        part = WorkItem(name="optimizer", operations=update_operations(plan))
        for t in plan.tensors:
            if not t.trains:
                continue
            count = t.trained_count
            treatment = t.treatment
            projected = any(h.kind == "projections" for h in treatment.holdings)
            gradient = plan.weight_bytes * float(t.dims.low) if projected else float(t.gradient)
            kind = "low-rank" if projected else "weight gradient"
            part.read[kind] = part.read.get(kind, 0.0) + gradient * count
            if projected:  # the step goes back to be brought back
                part.written[kind] = part.written.get(kind, 0.0) + gradient * count
            for holding in (
                treatment.holdings[1:] if treatment.trains_factors else treatment.holdings
            ):
                name = {"weights": "weight", "adapters": "adapter"}.get(holding.kind, "state")
                if holding.kind == "projections":
                    continue
                size = held_bytes(plan, t, holding)[0] * count
                part.read[name] = part.read.get(name, 0.0) + size
                part.written[name] = part.written.get(name, 0.0) + size
        part.cycles = max(part.operations.values(), default=0) / lanes
        phase.scalars = part.operations["float operation"]
        if part.dram_bytes:
            phase.items.append(_filled(part))


def _filled(part: WorkItem) -> WorkItem:
    """Add the SRAM side of DRAM traffic: what is read from DRAM is written there."""
    part.sram_written_bytes += sum(part.read.values())
    part.sram_read_bytes += sum(part.written.values())
    return part


def _engine(accelerator: Accelerator, product: MatrixProduct) -> tuple[str, SystolicArrays, int]:
    """Return the operation of a product, the arrays that do it, and the passes that it takes."""
    operands = (product.a, product.b)
    if any(o.kind == "INT4 projection" for o in operands):
        return "projection MAC", accelerator.projection_array, 1
    if accelerator.precision == "int4":
        weight = any(o.kind in ("weight", "adapter") for o in operands)
        return "int4 MAC", accelerator.array, 1 if weight else 2
    return f"{accelerator.precision} MAC", accelerator.array, 1
