"""List the tensors of a run: those that live through all of it, and those of single updates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from consilico.sim.memory.architecture import Parameter
from consilico.sim.memory.bases import BITSANDBYTES
from consilico.sim.memory.chain import Kernels, Trained
from consilico.sim.memory.entries import BITS, Entry, Size, ceil_div, is_zero, merged, most, total
from consilico.sim.memory.holdings import RUN_GROUP, STATES_BLOCK, Dims, Holding, Treatment, weight
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["TensorPlan", "TrainedParameter"]

_MATRICES = ("attention", "mlp", "expert")  # roles of the matrices of blocks
_LOADED = ("weights", "quantization constants")
_LEAST_8BIT = 4096  # elements of a parameter with 8-bit states (bitsandbytes, min_8bit_size)
_LEAST_PAGED = 100_000  # elements of a state that is paged (bitsandbytes, get_state_buffer)
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
        self.arch = run.architecture
        self.sequence: Size = run.sequence if sequence is None else sequence
        self.tokens: Size = (run.batch if batch is None else batch) * self.sequence
        self.rank: Size = run.used_rank if rank is None else rank
        self.weight = run.weight_dtype
        self.rest = "float32" if run.kbit_prepared else self.weight  # outside quantized matrices
        self.weight_bytes = BITS[self.weight] // 8
        self.state = "float32" if run.dtype == "mixed" else self.weight
        self.adapter = "float32" if run.adapters == "float32" else self.weight
        residual, product = BITS[self.rest] // 8, 2 if run.autocast else self.weight_bytes
        self.kernels = Kernels(
            bytes=residual if run.used_base else product,
            residual_bytes=residual,
            product_bytes=product,
            half=self.weight == "float16",
            autocast=run.autocast,
            copies=run.autocast and self.rest == "float32" and not run.kbit_cast,
            attention=run.attention,
            implementation="transformers-2023" if run.published else run.implementation,
            loss="eager" if self.method.forward_only else run.loss,
            packed=run.packed,
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
            holding.elements(t.dims) * BITS[self.dtype_of(holding, t.dims)] // 8 * t.trained_count
            for t in self.tensors
            for holding in t.treatment.holdings
            if holding.kind == "optimizer states"
        )

    @property
    def embedding_trains(self) -> bool:
        """Tell whether the input of the first block needs a gradient."""
        embeddings = ("embedding", "position")
        return any(t.trains for t in self.tensors if t.parameter.role in embeddings)

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
            bases=self.method.adapters == "bases",
            dropout=self.run.lora_dropout > 0,
            magnitudes=self.run.dora,
            base=self.run.used_base,
            weight_scratch=self.method.blocks.weight_copies * self.kernels.product_bytes,
        )

    def loss_trained(self) -> Trained:
        """Say what is trained of the output layer, and of what else is outside the blocks."""
        outside = [t for t in self.tensors if not t.in_block and t.trains]
        trained = {t.parameter.name for t in outside if not t.treatment.trains_factors}
        if self.arch.tied and "embedding" in trained:
            trained.add("output layer")
        return Trained(
            trained=frozenset(trained),
            adapted=frozenset(t.parameter.name for t in outside) - trained,
            rank=self.rank,
            adapter_bytes=BITS[self.adapter] // 8,
            dropout=self.run.lora_dropout > 0,
            magnitudes=self.run.dora,
        )

    def block_gradient_bytes(self, kind: int) -> Size:
        """Return the bytes of the gradients of one block of a kind, where it trains."""
        return total(self.kept_gradient(t, 1) for t in self.tensors if kind in t.parameter.kinds)

    def kept_gradient(self, t: TrainedParameter, count: int) -> Size:
        """Return the bytes of one GPU's part of ``count`` gradients of a parameter.

        FSDP keeps them in the type of the parameters that it shares out.
        """
        size = t.gradient * count * (2 if self.gathers_masters else 1)
        return ceil_div(size, self.shards["gradients"])

    def kept_gradient_dtype(self, t: TrainedParameter) -> str:
        """Return the data type that a parameter's gradient is kept in."""
        return "float32" if self.gathers_masters else self.gradient_dtype(t)

    @property
    def gathers_masters(self) -> bool:
        """Tell whether weights are bfloat16 only while they are gathered: FSDP's mixed precision.

        What it shares out then is the float32 weights alone (torch/distributed/fsdp,
        ``MixedPrecision``).
        """
        run = self.run
        return run.dtype == "mixed" and run.sharding == "fsdp" and not self.offloads_states

    @property
    def gradient_bytes(self) -> Size:
        """Return the bytes of all gradients, before they are shared out among GPUs."""
        return total(t.gradient * t.trained_count for t in self.tensors)

    def _tensors(self) -> Iterator[TrainedParameter]:
        """Yield the parameters with how they are trained."""
        for parameter in self.arch.parameters():
            treatment = self._treatment(parameter)
            if parameter.wide:
                treatment = _in_float32(treatment)
            density = self.density if parameter.role in _MATRICES else 1.0
            dims = Dims.of(parameter, self.rank, density)
            element = BITS[self._trained_dtype(parameter, treatment)] // 8
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
        method, adapted = self.method, parameter.name in self.run.adapted
        if parameter.role in _MATRICES:
            blocks = method.blocks
            if not parameter.layer and self.run.used_base in BITSANDBYTES:
                # transformers 5 puts linear layers into bitsandbytes', but no stacks of experts,
                # which peft prepares as it does all that is not quantized
                stored = weight("float32" if self.run.kbit_prepared else "weight")
                own = (stored, *blocks.holdings[blocks.weights :])
                blocks = replace(blocks, holdings=own, weights=1, weight_copies=0)
            if method.adapters and not adapted:
                return Treatment(
                    holdings=blocks.holdings[: blocks.weights], weights=blocks.weights,
                    weight_copies=blocks.weight_copies,
                )  # fmt: skip
            return blocks
        vector = parameter.role in ("norm", "bias") or parameter.columns == 1
        if parameter.role == "head" and method.head is not None:
            return method.head
        found = method.vectors if vector else method.ends
        if adapted:
            more = method.blocks.holdings[method.blocks.weights :]
            found = replace(method.blocks, holdings=(*found.holdings, *more), weights=1)
            found = replace(found, weight_copies=0)
        if self._is_prepared(parameter):
            whole = replace(found.holdings[0], dtype="float32")
            found = replace(found, holdings=(whole, *found.holdings[1:]))
        return found

    def _is_prepared(self, parameter: Parameter) -> bool:
        """Tell whether a parameter that is not quantized is in float32 for k-bit training."""
        cast = self.run.kbit_cast and parameter.role in ("embedding", "position", "head")
        return self.run.kbit_prepared and not cast

    def _update(self, treatment: Treatment, dims: Dims, element: int) -> Size:
        """Return the bytes needed in addition while one parameter is updated by itself."""
        if treatment.gradient is None:
            return 0
        if treatment.kernel:
            if self.offloads_states:
                return 0
            copies = {"foreach": 1, "loop": 2}.get(self.run.kernel, 0)
            state = next(h for h in treatment.holdings if h.kind == "optimizer states")
            return copies * BITS[self.dtype_of(state, dims)] // 8 * treatment.gradient(dims)
        return treatment.update(dims, element)

    def step_transient(self) -> Size:
        """Return the bytes needed in addition while ``optimizer.step`` runs over all parameters.

        The ``foreach`` kernel takes those of all parameters together.
        """
        shards = self.shards["states"]
        needed = ceil_div(most(*(t.update for t in self.tensors)), shards)
        if self.run.kernel == "foreach":
            kernels = (t for t in self.tensors if t.treatment.kernel)
            together = total(t.update * t.trained_count for t in kernels)
            needed = most(needed, ceil_div(together, shards))
        wide = total(  # float32 gradients; those that they are made of go one after the other
            4 * t.treatment.gradient(t.dims) * t.trained_count - t.gradient * t.trained_count
            for t in self.tensors
            if t.treatment.wide_gradient and t.treatment.gradient
        )
        return wide + needed

    def _persistent(self) -> Iterator[Entry]:
        """Yield the entries that live through the whole step."""
        yield from self._shared()
        for t in self.tensors:
            count = t.trained_count
            for holding in t.treatment.holdings:
                yield from self._held(t, holding, count)
            if t.count > count:  # blocks that are not among those sampled keep the weight alone
                for holding in t.treatment.holdings[: t.treatment.weights]:
                    yield from self._held(t, holding, t.count - count)
            if self.run.dtype == "mixed" and t.treatment.gradient and not self.offloads_states:
                size = 4 * t.treatment.gradient(t.dims) * count
                yield Entry(
                    f"{t.family}: master weight", "weights", "float32",
                    ceil_div(size, self.shards["states"]), count,
                )  # fmt: skip
            if self._gradient_stays(t):
                yield Entry(
                    f"{t.family}: gradient", "gradients", self.kept_gradient_dtype(t),
                    self.kept_gradient(t, count), count,
                )  # fmt: skip
            if self.run.gpus > 1 and self.run.sharding == "none" and t.trains:
                size = t.gradient * count
                yield Entry(
                    f"{t.family}: buckets for the other GPUs", "gradients", self.gradient_dtype(t),
                    size, count,
                )  # fmt: skip

    def _shared(self) -> Iterator[Entry]:
        """Yield what all layers share: the fixed basis of some projections."""
        if self.arch.buffers:
            yield Entry("tables and masks of the model", "weights", "", self.arch.buffers, 1)
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

    def stored_bytes(self, t: TrainedParameter) -> int:
        """Return the bytes of a weight as it is stored, without the constants of its groups."""
        stored = t.treatment.holdings[: t.treatment.weights]
        return sum(int(h.elements(t.dims)) * BITS[self.dtype_of(h)] // 8 for h in stored)

    def loading_bytes(self) -> Size:
        """Return the bytes by which loading takes more than all that lives through a step.

        Directly, what stays is there with one tensor more: a matrix before it is quantized, or an
        embedding before it is float32. Otherwise all weights are on the GPU in the run's type, as
        they are before the first of them is quantized.
        """
        run, arch = self.run, self.arch
        if run.loading == "whole" and run.used_base:
            return most(0, arch.parameter_count * self.weight_bytes - self.fixed)
        stays: Size = total(e.bytes for e in self.persistent if e.kind in _LOADED)
        changed = [
            t.dims.full * self.weight_bytes
            for t in self.tensors
            if t.parameter.columns > 1
            and (run.used_base if t.parameter.role in _MATRICES else self._is_prepared(t.parameter))
        ]
        return most(0, stays + max(changed, default=0) - self.fixed)

    def gradient_dtype(self, t: TrainedParameter) -> str:
        """Return the data type of a parameter's gradient when it is made."""
        return self._trained_dtype(t.parameter, t.treatment)

    def _trained_dtype(self, parameter: Parameter, treatment: Treatment) -> str:
        """Return the data type of what is trained of a parameter: itself, or its adapter."""
        if parameter.wide:
            return "float32"
        return self.adapter if treatment.trains_factors else self.weight

    def dtype_of(self, holding: Holding, dims: Dims | None = None) -> str:
        """Return the data type of a holding; the run chooses those of weights and states.

        bitsandbytes has its own for states, and keeps those of small tensors in float32.
        """
        states = holding.dtype in ("state", "adapter state")
        if states and self.run.kernel.startswith("bitsandbytes"):
            small = dims is not None and dims.full < _LEAST_8BIT
            eight = self.run.kernel == "bitsandbytes-8bit" and not small
            return "uint8" if eight else "float32"
        named = {
            "weight": self.weight,
            "state": self.state,
            "adapter": self.adapter,
            "adapter state": "float32" if self.run.dtype == "mixed" else self.adapter,
        }
        return named.get(holding.dtype, holding.dtype)

    def _held(self, t: TrainedParameter, holding: Holding, count: int) -> Iterator[Entry]:
        """Yield the entries of a holding: the tensor itself, and the constants of its groups."""
        dtype = self.dtype_of(holding, t.dims)
        frozen = holding.kind in ("weights", "adapters", "quantization constants")
        sharing = "weights" if frozen else "states"
        elements = holding.elements(t.dims)
        if sharing == "states" and self.offloads_states:
            return
        trained = "adapters" if t.treatment.trains_factors else "weights"
        if self.gathers_masters and t.trains and holding.kind == trained:
            return
        shards = self.shards[sharing]
        if not (holding.kind == "optimizer states" and self._paged(elements)):
            yield Entry(
                f"{t.family}: {holding.name}", holding.kind, dtype,
                ceil_div(ceil_div(elements * BITS[dtype], 8) * count, shards), count,
            )  # fmt: skip
        group, constants = holding.group, holding.constants
        if holding.kind == "optimizer states" and dtype == "uint8":
            group, constants = STATES_BLOCK, 4.0
        if group:
            groups = ceil_div(elements, self.group_of(group))
            # those of bitsandbytes are no parameters, which alone are shared out
            own = frozen and self.run.used_base in BITSANDBYTES
            yield Entry(
                f"{t.family}: constants of {holding.name}", "quantization constants", "",
                ceil_div(_whole(groups * constants) * count, 1 if own else shards), count,
            )  # fmt: skip

    def group_of(self, group: int) -> int:
        """Return how many elements share constants, where a holding leaves that to the run."""
        own = {RUN_GROUP: self.run.group, STATES_BLOCK: self.run.used_states_block}
        return own.get(group, group)

    def _paged(self, elements: Size) -> bool:
        """Tell whether bitsandbytes puts a state in pages, which leave a GPU that is full."""
        return bool(self.run.paged and np.min(elements) >= _LEAST_PAGED)


def _in_float32(treatment: Treatment) -> Treatment:
    """Return a treatment whose holdings are float32 where the run would choose their type."""
    chosen = ("weight", "state", "adapter", "adapter state")
    holdings = (replace(h, dtype="float32") if h.dtype in chosen else h for h in treatment.holdings)
    return replace(treatment, holdings=tuple(holdings))


def _whole(size: Size) -> Size:
    """Return bytes as integers; constants may take part of a byte per group."""
    return int(size) if isinstance(size, float | int) else size.astype("int64")
