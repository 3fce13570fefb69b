"""List the tensors of a run: those that live through all of it, and those of single updates."""

from collections.abc import Iterator
from dataclasses import dataclass

from consilico.sim.memory.architecture import Parameter
from consilico.sim.memory.chain import Kernels, Trained
from consilico.sim.memory.entries import BITS, Entry, Size, ceil_div, is_zero, merged, most, total
from consilico.sim.memory.training_run import TrainingRun
from consilico.sim.memory.treatments import Dims, Holding, Treatment

__all__ = ["TensorPlan", "TrainedParameter"]

_MATRICES = ("attention", "mlp", "expert")  # roles of the matrices of blocks
_FAMILY = {
    "embedding": "embedding",
    "position": "embedding",
    "attention": "attention matrices",
    "mlp": "MLP matrices",
    "expert": "expert matrices",
    "router": "routers",
    "norm": "norms and biases",
    "bias": "norms and biases",
    "head": "output layer",
}


@dataclass(frozen=True)
class TrainedParameter:
    """A parameter of the model and how it is trained."""

    parameter: Parameter
    treatment: Treatment
    dims: Dims
    count: int
    trained_count: int  # of those, in the blocks that train
    gradient: Size  # bytes of its gradient; 0 if it is frozen
    update: Size  # bytes more while it is updated
    renewal: Size  # bytes more while its subspace is renewed

    @property
    def family(self) -> str:
        """Return the heading under which the ledger lists the parameter's tensors."""
        return _FAMILY[self.parameter.role]

    @property
    def trains(self) -> bool:
        """Tell whether the parameter has a gradient."""
        return not is_zero(self.gradient)

    @property
    def in_block(self) -> bool:
        """Tell whether blocks have a parameter of this name."""
        return self.parameter.in_block


class TensorPlan:
    """A run made ready for counting: its parameters, their tensors and types, its kernels.

    ``batch``, ``sequence`` and ``rank`` replace those of the run, and may be arrays; then every
    size here is an array, too.
    """

    def __init__(
        self,
        run: TrainingRun,
        batch: Size | None = None,
        sequence: Size | None = None,
        rank: Size | None = None,
    ) -> None:
        self.run = run
        self.method = run.method_description
        self.arch = run.model
        self.sequence: Size = run.sequence if sequence is None else sequence
        self.tokens: Size = (run.batch if batch is None else batch) * self.sequence
        self.rank: Size = run.used_rank if rank is None else rank
        mixed, amp = run.dtype == "mixed", run.dtype == "amp"
        self.weight = "bfloat16" if mixed else "float32" if amp else run.dtype
        self.weight_bytes = BITS[self.weight] // 8
        self.state = "float32" if mixed else self.weight
        self.adapter = "float32" if run.adapters == "float32" else self.weight
        self.kernels = Kernels(
            bytes=2 if amp else BITS[self.weight] // 8,
            residual_bytes=BITS[self.weight] // 8,
            autocast=amp,
            attention=run.attention,
            implementation="transformers-2023" if run.published else run.implementation,
            loss="eager" if self.method.forward_only else run.loss,
            repeats=run.attention != "fused" or run.kernel == "reference",
            holds_logits=run.logits == "held",
            converts_scores=run.dtype != "float16",
        )
        self.density = self.method.density(self.arch)
        sampled = run.sampled or self.method.sampled
        self.trained_blocks = min(sampled, self.arch.layers) or self.arch.layers
        stage = {"none": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp": 3}[run.sharding]
        self.shards = {
            "states": run.gpus if stage >= 1 else 1,
            "gradients": run.gpus if stage >= 2 else 1,
            "weights": run.gpus if stage >= 3 else 1,
        }
        self.tensors = tuple(self._tensors())
        self.persistent = tuple(merged(self._persistent()))
        self.fixed: Size = total(entry.bytes for entry in self.persistent)

    @property
    def state_bytes(self) -> Size:
        """Return the bytes of all optimizer states, on the GPU or in host memory."""
        return total(
            holding.elements(t.dims) * BITS[self.dtype_of(holding)] // 8 * t.trained_count
            for t in self.tensors
            for holding in t.treatment.holdings
            if holding.kind == "optimizer states"
        )

    @property
    def keeps_gradients(self) -> bool:
        """Tell whether the gradients of the step before live on."""
        return self.run.accumulation > 1 or self.run.gradients == "kept"

    def block_trained(self, frozen: bool = False) -> Trained:
        """Say what is trained in a block; in a ``frozen`` one, which is not sampled, nothing is."""
        tensors = [t for t in self.tensors if t.in_block]
        return Trained(
            trained=frozenset(
                t.parameter.name
                for t in tensors
                if t.trains and not t.treatment.trains_factors and not frozen
            ),
            adapted=frozenset(
                t.parameter.name for t in tensors if t.treatment.trains_factors and not frozen
            ),
            rank=self.rank,
            adapter_bytes=BITS[self.adapter] // 8,
            core=self.method.adapters == "core",
            weight_scratch=self.method.blocks.weight_copies * self.kernels.bytes,
        )

    def block_gradient_bytes(self, kind: int) -> Size:
        """Return the bytes of the gradients of one block of a kind, where it trains."""
        own = (t.gradient for t in self.tensors if kind in t.parameter.kinds)
        return ceil_div(total(own), self.shards["gradients"])

    @property
    def gradient_bytes(self) -> Size:
        """Return the bytes of all gradients, before they are shared out among GPUs."""
        return total(t.gradient * t.trained_count for t in self.tensors)

    def _tensors(self) -> Iterator[TrainedParameter]:
        """Yield the parameters with how they are trained."""
        for parameter in self.arch.parameters():
            treatment = self._treatment(parameter)
            density = self.density if parameter.role in _MATRICES else 1.0
            dims = Dims.of(parameter, self.rank, density)
            element = BITS[self.adapter if treatment.trains_factors else self.weight] // 8
            gradient = 0 if treatment.gradient is None else treatment.gradient(dims) * element
            yield TrainedParameter(
                parameter=parameter,
                treatment=treatment,
                dims=dims,
                count=parameter.count,
                trained_count=self.arch.blocks_with(parameter, self.trained_blocks),
                gradient=gradient,
                update=self._update(treatment, dims, element),
                renewal=treatment.renewal(dims, element),
            )

    def _treatment(self, parameter: Parameter) -> Treatment:
        """Return the treatment that the run's method has for a parameter."""
        if parameter.role in _MATRICES:
            # peft gives adapters to layers, and a stack of experts is a tensor and no layer
            beyond = ("mlp", "expert") if self.run.targets == "attention" else ("expert",)
            if parameter.role in beyond and self.method.adapters:
                base = self.method.blocks.holdings[0]
                return Treatment(holdings=(base,), weight_copies=self.method.blocks.weight_copies)
            return self.method.blocks
        vector = parameter.role in ("norm", "bias") or parameter.columns == 1
        if parameter.role == "head" and self.method.head is not None:
            return self.method.head
        return self.method.vectors if vector else self.method.ends

    def _update(self, treatment: Treatment, dims: Dims, element: int) -> Size:
        """Return the bytes needed in addition while one parameter is updated by itself."""
        if treatment.gradient is None:
            return 0
        if treatment.kernel:
            if self.offloads_states:
                return 0
            copies = {"foreach": 1, "loop": 2, "fused": 0}[self.run.kernel]
            state = BITS[self.adapter if treatment.trains_factors else self.state] // 8
            if self.run.dtype == "mixed":
                state = 4
            return copies * state * treatment.gradient(dims)
        return treatment.update(dims, element)

    def step_transient(self) -> Size:
        """Return the bytes needed in addition while ``optimizer.step`` runs over all parameters.

        The ``foreach`` kernel takes those of all parameters together.
        """
        shards = self.shards["states"]
        alone = ceil_div(most(*(t.update for t in self.tensors)), shards)
        if self.run.kernel != "foreach":
            return alone
        together = total(t.update * t.trained_count for t in self.tensors if t.treatment.kernel)
        return most(alone, ceil_div(together, shards))

    def _persistent(self) -> Iterator[Entry]:
        """Yield the entries that live through the whole step."""
        yield from self._shared()
        for t in self.tensors:
            count = t.trained_count
            for holding in t.treatment.holdings:
                yield from self._held(t, holding, count)
            if t.count > count:  # blocks that are not among those sampled keep the weight alone
                yield from self._held(t, t.treatment.holdings[0], t.count - count)
            if self.run.dtype == "mixed" and t.treatment.gradient and not self.offloads_states:
                size = 4 * t.treatment.gradient(t.dims) * count
                yield Entry(
                    f"{t.family}: master weight", "weights", "float32",
                    ceil_div(size, self.shards["states"]), count,
                )  # fmt: skip
            if self._gradient_stays(t):
                yield Entry(
                    f"{t.family}: gradient", "gradients", self.gradient_dtype(t),
                    ceil_div(t.gradient * count, self.shards["gradients"]), count,
                )  # fmt: skip
            if self.run.gpus > 1 and self.run.sharding == "none" and t.trains:
                size = t.gradient * count
                yield Entry(
                    f"{t.family}: buckets for the other GPUs", "gradients", self.gradient_dtype(t),
                    size, count,
                )  # fmt: skip

    def _shared(self) -> Iterator[Entry]:
        """Yield what all layers share: the fixed basis of some projections."""
        elements = self.method.shared(self.arch)
        if elements:
            size = elements * self.weight_bytes
            yield Entry("basis for all layers", "projections", self.weight, size, 1)

    def _gradient_stays(self, t: TrainedParameter) -> bool:
        """Tell whether a parameter's gradient lives on after the step."""
        kept = t.parameter.role in self.method.kept_gradients
        return not is_zero(t.gradient) and (self.keeps_gradients or kept)

    @property
    def offloads_states(self) -> bool:
        """Tell whether states and master weights are in host memory, and updated there."""
        return self.run.offload in ("optimizer", "both")

    def gradient_dtype(self, t: TrainedParameter) -> str:
        """Return the data type of a parameter's gradient."""
        return self.adapter if t.treatment.trains_factors else self.weight

    def dtype_of(self, holding: Holding) -> str:
        """Return the data type of a holding; the run chooses those of weights and states."""
        named = {
            "weight": self.weight,
            "state": self.state,
            "adapter": self.adapter,
            "adapter state": "float32" if self.run.dtype == "mixed" else self.adapter,
        }
        return named.get(holding.dtype, holding.dtype)

    def _held(self, t: TrainedParameter, holding: Holding, count: int) -> Iterator[Entry]:
        """Yield the entries of a holding: the tensor itself, and the constants of its groups."""
        dtype = self.dtype_of(holding)
        sharing = "weights" if holding.kind in ("weights", "adapters") else "states"
        if sharing == "states" and self.offloads_states:
            return
        shards = self.shards[sharing]
        elements = holding.elements(t.dims)
        yield Entry(
            f"{t.family}: {holding.name}", holding.kind, dtype,
            ceil_div(ceil_div(elements * BITS[dtype], 8) * count, shards), count,
        )  # fmt: skip
        if holding.group:
            group = self.run.group if holding.group < 0 else holding.group
            groups = ceil_div(elements, group)
            yield Entry(
                f"{t.family}: constants of {holding.name}", "quantization constants", "",
                ceil_div(_whole(groups * holding.constants) * count, shards), count,
            )  # fmt: skip


def _whole(size: Size) -> Size:
    """Return bytes as integers; constants may take part of a byte per group."""
    return int(size) if isinstance(size, float | int) else size.astype("int64")
