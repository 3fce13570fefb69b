"""Every matrix product of a training step: its shape, how often it runs, what its operands are.

A product of ``m`` x ``k`` by ``k`` x ``n`` is ``2 m k n`` FLOPs, as ``torch.utils.flop_counter``
counts it. ``y = x w'`` of a linear layer has two more in the backward pass, ``dx = dy w`` and ``dw
= dy' x``; those whose result nobody needs do not run. FLOPs of attention are of the whole square of
scores, as torch counts them; what part of it no mask hides is ``seen``.
"""

from collections.abc import Iterator
from dataclasses import replace

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Parameter
from consilico.sim.memory.llama_family import llama_parts
from consilico.sim.memory.tensor_plan import TensorPlan, TrainedParameter
from consilico.sim.memory.training_run import TrainingRun
from consilico.sim.workload.graph import Workload, operator_graph
from consilico.sim.workload.products import (
    ACTIVATION,
    GRADIENT,
    MatrixProduct,
    ProductOperand,
)

__all__ = ["COUNTED_METHODS", "matrix_products", "planned"]

COUNTED_METHODS = (
    "inference",
    "sgd",
    "adamw",
    "adamw-8bit",
    "lomo",
    "lisa",
    "lora",
    "qlora",
    "relora",
    "galore",
    "galore-8bit",
    "q-galore",
)
"""Methods whose arithmetic is counted: dense products, adapters, projections from an SVD."""


def planned(run: TrainingRun) -> TensorPlan:
    """Return the ledger's plan of a run whose arithmetic is counted.

    Raises:
        UserError: If the run's method, or another of its settings, is not counted.
    """
    if run.method not in COUNTED_METHODS:
        raise UserError(f"method must be one of {', '.join(COUNTED_METHODS)}, not {run.method!r}")
    for name, value in (("gpus", 1), ("offload", "none"), ("published", False)):
        if getattr(run, name) != value:
            raise UserError(f"{name} must be {value} on one accelerator, not {getattr(run, name)}")
    if run.loss == "fused":
        raise UserError("loss must be eager or compiled, not fused: its slices are not counted")
    return TensorPlan(run)


def matrix_products(plan: TensorPlan) -> list[MatrixProduct]:
    """Return the products of a step, in the order of its phases; equal ones are one entry.

    Raises:
        UserError: If the model is not counted.
    """
    forward = list(_Step(plan).forward())
    backward = [] if plan.method.forward_only else list(_Step(plan).backward())
    projection = [] if plan.method.forward_only else list(_projections(plan))
    return [p for p in (*forward, *backward, *projection) if p.count]


class _Step:
    """The products of one step."""

    def __init__(self, plan: TensorPlan) -> None:
        self.plan, self.run, self.arch = plan, plan.run, plan.arch
        try:
            llama_parts(plan.arch)
        except ValueError as error:
            raise UserError(f"{error}: the products of other models are not counted") from None
        self.tokens = int(plan.tokens)
        self.graph = operator_graph(
            Workload(
                model=plan.arch, phase="training", context=int(plan.sequence),
                batch=plan.run.batch,
            )
        )  # fmt: skip
        self.micro = plan.run.accumulation
        self.tensors = {t.parameter.name: t for t in plan.tensors}
        self.linear = [t for t in plan.tensors if t.in_block and t.parameter.columns > 1]

    def forward(self) -> Iterator[MatrixProduct]:
        """Yield the products of the forward pass."""
        layers = self.arch.layers
        for tensor in self.linear:
            yield from self._linear(tensor, "forward", layers)
        yield from self._attention("forward")
        yield from self._linear(self._head, "forward", 1)

    def backward(self) -> Iterator[MatrixProduct]:
        """Yield the products of the backward pass, those of recomputed blocks first."""
        layers, trained = self.arch.layers, self.plan.trained_blocks
        if self.run.checkpointing in ("full", "reentrant"):
            yield from self._again()
        yield from self._gradients(self._head, 1, 1)
        yield from self._attention_backward()
        for tensor in self.linear:
            # nothing below the first block trains where the embedding does not
            first = tensor.parameter.name in ("query", "key", "value")
            inputs = layers - 1 if first and not self.tensors["embedding"].trains else layers
            yield from self._gradients(tensor, trained, inputs)

    @property
    def _head(self) -> TrainedParameter:
        """Return the output layer, which may be the embedding."""
        return self.tensors["embedding" if self.arch.tied else "output layer"]

    def _again(self) -> Iterator[MatrixProduct]:
        """Yield the products of the blocks once more.

        The last product of a block does not run again, as nothing saves its result. Our own INT8
        layer saves its input after its product, which therefore does.
        """
        layers = self.arch.layers
        whole = self.run.kernel == "reference" and self.plan.method.low_bit
        for tensor in self.linear:
            runs = list(self._linear(tensor, "recompute", layers))
            if tensor.parameter.name == "down" and not whole:
                runs.pop()
            yield from runs
        yield from self._attention("recompute")

    def _linear(self, tensor: TrainedParameter, phase: str, count: int) -> Iterator[MatrixProduct]:
        """Yield the product of a linear layer, and those of its adapter."""
        p, count = tensor.parameter, count * self.micro
        base = MatrixProduct(
            name=p.name, phase=phase, m=self.tokens, k=p.columns, n=p.rows, count=count,
            a=ACTIVATION, b=_weight(p), c=ACTIVATION,
        )  # fmt: skip
        yield base
        if tensor.treatment.trains_factors:
            rank = int(self.plan.rank)
            low = replace(base, name=f"{p.name} adapter, down", n=rank, b=_adapter(p))
            yield low
            yield replace(low, name=f"{p.name} adapter, up", k=rank, n=p.rows)

    def _gradients(
        self, tensor: TrainedParameter, trained: int, inputs: int
    ) -> Iterator[MatrixProduct]:
        """Yield the products that make the gradients of a linear layer's weight and input.

        Args:
            tensor: The layer's weight.
            trained: Blocks whose weight, or adapter, trains.
            inputs: Blocks whose input needs a gradient.
        """
        p, phase, micro = tensor.parameter, "backward", self.micro
        product = MatrixProduct(
            name=f"{p.name}: gradient of the input", phase=phase, m=self.tokens, k=p.rows,
            n=p.columns, a=GRADIENT, b=_weight(p), c=GRADIENT, count=inputs * micro,
        )  # fmt: skip
        if not tensor.treatment.trains_factors:
            yield product
            if tensor.trains:
                yield _weight_gradient(p.name, p, p.rows, p.columns, self.tokens, trained * micro)
            return
        rank = int(self.plan.rank)
        up, down = f"{p.name} adapter, up", f"{p.name} adapter, down"
        yield product
        yield _weight_gradient(up, p, p.rows, rank, self.tokens, trained * micro)
        yield _weight_gradient(down, p, rank, p.columns, self.tokens, trained * micro)
        own = replace(product, b=_adapter(p))
        yield replace(own, name=f"{up}: gradient of the input", n=rank, count=trained * micro)
        yield replace(own, name=f"{down}: gradient of the input", k=rank)

    def _attention(self, phase: str) -> Iterator[MatrixProduct]:
        """Yield scores and weighted values of every head."""
        for operator in self.graph.attention:
            for p in operator.products(self._fused):
                yield replace(p, phase=phase, count=p.count * self.micro)

    def _attention_backward(self) -> Iterator[MatrixProduct]:
        """Yield the products that make the gradients of queries, keys and values."""
        for operator in self.graph.attention:
            for p in operator.gradients(self._fused):
                yield replace(p, count=p.count * self.micro)

    @property
    def _fused(self) -> bool:
        """Tell whether scores stay on the chip."""
        return self.run.attention != "eager"


def _weight(p: Parameter) -> ProductOperand:
    return ProductOperand(kind="weight", name=p.name)


def _adapter(p: Parameter) -> ProductOperand:
    return ProductOperand(kind="adapter", name=p.name)


def _weight_gradient(
    name: str, p: Parameter, rows: int, columns: int, tokens: int, count: int
) -> MatrixProduct:
    return MatrixProduct(
        name=f"{name}: gradient of the weight", phase="backward", m=rows, k=tokens, n=columns,
        a=GRADIENT, b=ACTIVATION, c=ProductOperand(kind="weight gradient", name=p.name),
        count=count,
    )  # fmt: skip


def _projections(plan: TensorPlan) -> Iterator[MatrixProduct]:
    """Yield GaLore's down and up, once per step and projected weight (arXiv 2403.03507)."""
    for tensor in plan.tensors:
        held = next((h for h in tensor.treatment.holdings if h.kind == "projections"), None)
        if held is None:
            continue
        p, rank = tensor.parameter, int(tensor.dims.rank)
        long, short = int(tensor.dims.long), int(tensor.dims.short)
        count = tensor.trained_count
        four = plan.dtype_of(held) == "int4"
        basis = ProductOperand(kind="INT4 projection" if four else "projection", name=p.name)
        low = ProductOperand(kind="low-rank", name=p.name)
        down = MatrixProduct(
            name=f"{p.name}: projected", phase="projection", m=long, k=short, n=rank,
            a=ProductOperand(kind="weight gradient", name=p.name), b=basis, c=low, count=count,
        )  # fmt: skip
        yield down
        yield replace(
            down, name=f"{p.name}: brought back", k=rank, n=short, a=low,
            c=ProductOperand(kind="update", name=p.name, stays=True),
        )  # fmt: skip
