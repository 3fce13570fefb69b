"""Estimate the time of a step with a roofline: the slower of arithmetic and traffic decides.

An operation takes the greater of FLOPs over the GPU's peak and bytes over its memory bandwidth
(Williams et al., CACM 2009). Real kernels come near neither: :data:`REACHED` says how much of the
estimated throughput measured runs had, which
:func:`consilico.sim.memory.evidence.measurements.measured_times` lists.
"""

from dataclasses import dataclass

from consilico.sim.base.interval import Interval
from consilico.sim.memory.activations import Activations
from consilico.sim.memory.autograd import Op
from consilico.sim.memory.entries import BITS, Size, total
from consilico.sim.memory.gpus import Gpu
from consilico.sim.memory.tensor_plan import TensorPlan, TrainedParameter
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["REACHED", "REACHED_BY", "StepTime", "step_time", "svd_flops"]

REACHED = Interval(value=0.74, low=0.67, high=0.79)
"""Part of the roofline's throughput that training reaches: median and range of measured runs."""

REACHED_BY = "30 runs on one A100 80 GB, bfloat16, 4,096 tokens, full checkpointing"
"""The runs that :data:`REACHED` is of (fms-acceleration; ``evidence/measured_a100.toml``)."""

SVD_FRACTION = 4.67e14 / 600 / 38.7e12
"""Part of its float32 peak that a GPU reaches in SVDs.

One subspace update of LLaMA-7B, 4.67e14 FLOP, takes 10 minutes on an RTX A6000 of 38.7 TFLOP/s
(arXiv 2407.08296, section 4.4).
"""

LAZY = 0.362
"""Part of the SVDs that Q-GaLore's lazy update leaves (arXiv 2407.08296, section 4.4)."""

GAP = 200  # steps between two subspaces (GaLore's default)


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step on each GPU, by what they are spent on."""

    forward_s: float
    recompute_s: float
    backward_s: float
    update_s: float
    subspace_s: float  # SVDs, spread over the steps between two
    transfer_s: float  # to and from host memory and other GPUs, not overlapped with anything
    tokens: int  # of a step, on all GPUs

    @property
    def total_s(self) -> float:
        """Return the seconds of the whole step."""
        return (
            self.forward_s
            + self.recompute_s
            + self.backward_s
            + self.update_s
            + self.subspace_s
            + self.transfer_s
        )

    @property
    def tokens_per_s(self) -> float:
        """Return the throughput of all GPUs together."""
        return self.tokens / self.total_s


def svd_flops(rows: int, columns: int) -> float:
    """Return the FLOPs of a reduced SVD by bidiagonalization of R: 6 m n^2 + 20 n^3.

    The longer side is m, the shorter n (Golub and Van Loan, table 8.6.1).
    """
    m, n = max(rows, columns), min(rows, columns)
    return 6.0 * m * n * n + 20.0 * n**3


def step_time(run: TrainingRun, gpu: Gpu) -> StepTime:
    """Estimate the time of one step of a run on a GPU."""
    return _Timer(run, gpu).time()


class _Timer:
    """The estimate for one run on one GPU."""

    def __init__(self, run: TrainingRun, gpu: Gpu) -> None:
        self.run, self.gpu = run, gpu
        self.plan = TensorPlan(run)
        self.act = Activations(self.plan)
        half = run.dtype != "float32"
        self.flops = 1e12 * (gpu.tensor_tflops if half else gpu.fp32_tflops)
        self.bytes = 1e9 * gpu.bandwidth_gb_s

    def time(self) -> StepTime:
        """Return the seconds of each part of a step."""
        run, plan = self.run, self.plan
        micro = run.accumulation
        groups = [(block.ops, count) for block, count in self.act.groups()]
        blocks = sum(self._chain(ops, backward=False) * count for ops, count in groups)
        loss = self._chain(self.act.loss_ops, backward=False)
        training = not plan.method.forward_only
        back = sum(self._chain(ops, backward=True) * count for ops, count in groups)
        back += self._chain(self.act.loss_ops, backward=True)
        again = blocks if self.act.recomputes else 0.0
        if run.checkpointing == "selective":  # matrix products are kept
            again -= sum(self._products(ops) * count for ops, count in groups)
        return StepTime(
            forward_s=micro * (blocks + loss),
            recompute_s=micro * max(again, 0.0) if training else 0.0,
            backward_s=micro * back if training else 0.0,
            update_s=sum(self._update(t) for t in plan.tensors) / plan.shards["states"]
            if training
            else 0.0,
            subspace_s=self._subspace() if training else 0.0,
            transfer_s=self._transfer() if training else 0.0,
            tokens=run.batch * run.sequence * run.accumulation * run.gpus,
        )

    def _chain(self, ops: tuple[Op, ...], *, backward: bool) -> float:
        """Return the seconds that the operations of a chain take, one after the other."""
        size = {op.makes: op.bytes for op in ops} | {"x": self.act.x}
        return sum(self._op(op, size, backward=backward) for op in ops)

    def _op(self, op: Op, size: dict[str, Size], *, backward: bool) -> float:
        """Return the seconds of one operation.

        Forward it reads its inputs and its weight and writes its result; backward it does twice
        that, and has a product for each gradient.
        """
        if op.passes and len(op.reads) == 1:
            return 0.0
        traffic = op.bytes + sum(size.get(name, 0) for name in op.reads)
        flops = self._flops(op)
        weight = self.act.weight_bytes(op.makes)
        extra = self.act.dequantized_bytes(op.makes) / self.bytes  # an operation of its own
        if not backward:
            return float(extra + max(flops / self.flops, (traffic + weight) / self.bytes))
        trained = op.parameter == op.makes
        products = 1.0 + trained
        if op.makes in ("scores", "weighted values"):  # a gradient for each of the two inputs
            products = 2.0
        elif (
            op.makes == "attended" and op.flops
        ):  # fused: the scores again, and four products for two
            products = 2.5
        elif op.makes == "loss":  # fused: its gradients are made in the forward pass
            products = 0.0
        seconds = max(
            flops * products / self.flops, (2 * traffic + weight * (1 + trained)) / self.bytes
        )
        return float(extra + seconds)

    def _flops(self, op: Op) -> float:
        """Return the FLOPs of an operation's matrix products in the forward pass."""
        passes = 3 if op.makes == "loss" else 1  # a fused loss makes both gradients at once
        return float(op.flops + passes * 2 * self.act.matrix(op.makes) * self.plan.tokens)

    def _products(self, ops: tuple[Op, ...]) -> float:
        """Return the seconds of a block's products, which selective checkpointing keeps."""
        products = tuple(op for op in ops if self._flops(op))
        return self._chain(products, backward=False)

    def _update(self, t: TrainedParameter) -> float:
        """Return the seconds of a parameter's update.

        The gradient is read, weight, states and projection are read and written, and so are
        transients.
        """
        if not t.trains:
            return 0.0
        held = sum(
            h.elements(t.dims) * BITS[self.plan.dtype_of(h, t.dims)] / 8
            for h in t.treatment.holdings
        )
        if t.treatment.trains_factors:  # the weight stays as it is
            held -= t.dims.kept * BITS[self.plan.dtype_of(t.treatment.holdings[0])] / 8
        traffic = t.gradient + 2 * held + 2 * t.update
        flops = 0.0
        if any(h.kind == "projections" for h in t.treatment.holdings):
            flops = 4.0 * t.dims.full * t.dims.rank  # down and up
        return float(t.trained_count * max(flops / self.flops, traffic / self.bytes))

    def _subspace(self) -> float:
        """Return the seconds of all SVDs, spread over the steps between two subspaces."""
        method = self.plan.method
        work = sum(
            svd_flops(t.dims.rows, t.dims.columns) * t.dims.matrices * t.trained_count
            for t in self.plan.tensors
            if t.treatment.svd
        )
        kept = LAZY if method.lazy else 1.0
        return float(work * kept) / GAP / (SVD_FRACTION * 1e12 * self.gpu.fp32_tflops)

    def _transfer(self) -> float:
        """Return the seconds of moving data over the host's bus.

        States or activations go to host memory and back; gradients go between GPUs.
        """
        run, plan = self.run, self.plan
        host = 1e9 * self.gpu.host_gb_s
        moved = 0.0
        if run.offload in ("optimizer", "both"):
            moved += 2 * plan.state_bytes / plan.shards["states"]
        if run.offload in ("activations", "both"):
            kept = total(
                (block.kept_bytes if self.act.recomputes else block.lives.saved_bytes) * count
                for block, count in self.act.groups()
            )
            moved += 2 * run.accumulation * kept
        if run.gpus > 1:  # over the same bus: links between GPUs are not in the catalogue
            gradients = plan.gradient_bytes
            weights = plan.weight_bytes * plan.arch.parameter_count
            ring = (run.gpus - 1) / run.gpus
            if plan.shards["weights"] > 1:  # gathered forward and backward, gradients scattered
                moved += ring * (2 * weights * run.accumulation + gradients)
            else:
                moved += ring * 2 * gradients
        return float(moved / host)
