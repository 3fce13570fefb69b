"""A training step of a Hugging Face model, as its Trainer runs one, on real or fake tensors."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.parameter_groups import parameter_groups
from consilico.golden.training.qgalore import QGaLore
from consilico.sim.memory.execution.hf_model import blocks_of, make_model
from consilico.sim.memory.execution.memory_tracker import MemoryTracker, tensors_in
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["HuggingFaceTraining"]

_RATE = 1e-3  # no effect on memory


class HuggingFaceTraining:
    """A model and its optimizer, which do one step after the other on random tokens."""

    def __init__(
        self,
        run: TrainingRun,
        config: Any,
        device: str,
        tracker: MemoryTracker | None = None,
        kernels: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Make the model and its optimizer.

        Args:
            run: How it is trained; ``execute.check`` accepts it.
            config: Configuration of the model, of ``transformers``.
            device: Where it is trained, such as ``cpu``.
            tracker: Is told the phases, and what each tensor is for.
            kernels: Makes a context in which the model runs, such as ``GpuKernels``.

        Raises:
            UserError: If the model cannot be made as the run asks.
        """
        self._run, self._device, self._tracker = run, device, tracker
        with torch.device(device):
            self.model, self.parameter_count = make_model(run, config, kernels)
        self._kernels = kernels
        self.shapes = {tuple(p.shape) for p in self.model.parameters()}
        vocabulary = config.get_text_config().vocab_size
        self._tokens = torch.randint(vocabulary, (run.batch, run.sequence), device=device)
        # a collator gives a mask of ones; without one, positions are looked at for packing
        self._mask = None if run.attention == "masked" else torch.ones_like(self._tokens)
        self._per_layer = run.per_layer
        # QGaLore changes what the layers are, so it comes before their parameters are named
        self._optimizers = list(self._made_optimizers())
        self._trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self._going_back = False
        if tracker is not None:
            self._label_model(tracker)
            tracker.follow(self.model)
            self._follow_blocks()
        if run.per_layer:
            self._update_inside()

    def make_states(self) -> None:
        """Make the optimizer's states by an update of its own, without running the model.

        A first step would make the same ones.
        """
        for parameter in self._trained.values():
            parameter.grad = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        for optimizer in self._optimizers:
            optimizer.step()
        self._forget_gradients()
        if self._tracker is not None:
            self._label_states(self._tracker)

    def step(self) -> None:
        """Train one step; of many micro-batches only two run, as all but the first are alike."""
        batches = min(self._run.accumulation, 2)
        for _ in range(batches):
            self._enter("forward")
            loss = self._loss()
            self._enter("loss, backward")
            self._going_back = True
            loss.backward()  # type: ignore[no-untyped-call]
            self._going_back = False
            del loss
            self._held = None
            if self._tracker is not None:
                for name, parameter in self._trained.items():
                    if parameter.grad is not None:
                        self._tracker.label([parameter.grad], "gradients", name)
        if not self._per_layer:
            self._enter("update, all parameters")
            for optimizer in self._optimizers:
                optimizer.step()
            self._forget_gradients()
        if self._tracker is not None:
            self._label_states(self._tracker)  # some are made anew by each update

    @property
    def attention(self) -> str:
        """Return the implementation of attention that the model runs, in the library's words."""
        return str(getattr(self.model.config, "_attn_implementation", None) or "of its own")

    @property
    def trained_shapes(self) -> set[tuple[int, ...]]:
        """Return the shapes of the parameters that have gradients."""
        return {tuple(p.shape) for p in self._trained.values()}

    def _loss(self) -> Tensor:
        """Run the model forward and return its loss, as Trainer's ``compute_loss`` does."""
        autocast = nullcontext()
        if self._run.autocast:
            dtype = torch.float16 if self._run.dtype == "float16-amp" else torch.bfloat16
            autocast = torch.autocast(self._device, dtype=dtype)  # type: ignore[assignment]
        with autocast, self._kernels():
            output = self.model(
                input_ids=self._tokens, attention_mask=self._mask, labels=self._tokens,
                use_cache=False,
            )  # fmt: skip
        self._held = output if self._run.logits == "held" else None
        loss: Tensor = output.loss
        return loss / self._run.accumulation if self._run.accumulation > 1 else loss

    def _forget_gradients(self) -> None:
        for parameter in self._trained.values():
            if self._run.gradients == "freed":
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def _made_optimizers(self) -> Iterator[torch.optim.Optimizer]:
        """Yield the optimizer, or one for each parameter where each is updated by itself."""
        if self._run.kernel == "reference":
            self._reference = self._made_reference()
            yield self._reference
            return
        trained = [p for p in self.model.parameters() if p.requires_grad]
        for group in [[p] for p in trained] if self._per_layer else [trained]:
            yield _optimizer(self._run, group)

    def _made_reference(self) -> QGaLore:
        """Return our own optimizer, which also converts the layers where weights are INT8."""
        run = self._run
        low, full_q = run.method.startswith(("galore", "q-galore")), run.method == "q-galore"
        method = Method(
            states=8 if "8bit" in run.method or full_q else 32,
            rank=run.used_rank if low else 0,
            projection=4 if full_q else 32,
            lazy=full_q,
            weights=8 if full_q else 32,
            group=run.group,
        )
        head = self.model.get_output_embeddings()  # type: ignore[operator]
        keep = [name for name, module in self.model.named_modules() if module is head]
        if method.weights == 8:
            quantize_linears(self.model, method.weight_format, keep)
        return QGaLore(parameter_groups(self.model, keep=keep), lr=_RATE, method=method)

    def _update_inside(self) -> None:
        """Update each parameter and free its gradient inside the backward pass."""
        groups = {id(o.param_groups[0]["params"][0]): o for o in self._optimizers}
        for name, parameter in self._trained.items():
            parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                lambda p, name=name: self._before_update(p, name)
            )
            if self._run.kernel != "reference":
                parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                    lambda p: _update(groups[id(p)], p)
                )
        if self._run.kernel == "reference":
            self._reference.fuse()
        for parameter in self._trained.values():
            parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                lambda _: self._enter(self._before)
            )

    def _before_update(self, parameter: Tensor, name: str) -> None:
        if self._tracker is not None:
            if parameter.grad is not None:
                self._tracker.label([parameter.grad], "gradients", name)
            self._before = self._tracker.phase
            self._enter(f"{self._before}, update")

    def _enter(self, phase: str) -> None:
        if self._tracker is not None:
            self._tracker.phase = phase

    def _follow_blocks(self) -> None:
        """Have the phase follow the block that runs, forward and backward."""
        blocks = blocks_of(self.model)
        for index, block in enumerate(blocks):
            place = f"block {index + 1} of {len(blocks)}"
            last = index == len(blocks) - 1
            block.register_forward_pre_hook(
                lambda _, args, index=index, place=place: self._begin(args, index, place)
            )
            block.register_forward_hook(
                lambda _, args, result, place=place, last=last: self._end(result, place, last)
            )

    def _begin(self, arguments: tuple[Any, ...], index: int, place: str) -> None:
        if not self._going_back:
            self._enter(f"forward, {place}")
            if not index and arguments and _has_gradient(arguments[0]):
                arguments[0].register_hook(lambda _: self._enter("backward"))

    def _end(self, result: Any, place: str, last: bool) -> None:
        if not self._going_back:
            result = result[0] if isinstance(result, tuple) else result
            if _has_gradient(result):
                result.register_hook(lambda _: self._enter(f"backward, {place}"))
            if last:
                self._enter("loss")

    def _label_model(self, tracker: MemoryTracker) -> None:
        for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            constant = name.endswith((".scale", ".minimum"))  # of our own INT8 layers
            kind = "adapters" if "lora_" in name else "weights"
            tracker.label([tensor], "quantization constants" if constant else kind, name)
            if (state := getattr(tensor, "quant_state", None)) is not None:  # bitsandbytes
                tracker.label(tensors_in(state), "quantization constants", name)
        tracker.label([self._tokens], "inputs", "tokens")
        if self._mask is not None:
            tracker.label([self._mask], "inputs", "attention mask")

    def _label_states(self, tracker: MemoryTracker) -> None:
        names = {id(p): n for n, p in self._trained.items()}
        for optimizer in self._optimizers:
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    kind = "projections" if key == "subspace" else "optimizer states"
                    name = "steps" if key == "step" else f"{names[id(parameter)]}: {key}"
                    tracker.label(tensors_in(value), kind, name)


def _optimizer(run: TrainingRun, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer of a library that a run asks for."""
    found: torch.optim.Optimizer
    if run.method == "adamw-8bit" or run.kernel.startswith("bitsandbytes"):
        import bitsandbytes

        few = run.method == "adamw-8bit" or run.kernel == "bitsandbytes-8bit"
        kind = bitsandbytes.optim.AdamW8bit if few else bitsandbytes.optim.AdamW
        found = kind(parameters, lr=_RATE)
    elif run.method == "adafactor":
        from transformers.optimization import Adafactor

        found = Adafactor(
            parameters, lr=_RATE, scale_parameter=False, relative_step=False,
            beta1=0.9 if run.first_moment else None,
        )  # fmt: skip
    else:
        kind = torch.optim.SGD if run.method == "sgd" else torch.optim.AdamW
        found = kind(
            parameters, lr=_RATE, foreach=run.kernel == "foreach", fused=run.kernel == "fused"
        )
    return found


def _update(optimizer: torch.optim.Optimizer, parameter: Tensor) -> None:
    optimizer.step()
    parameter.grad = None


def _has_gradient(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
