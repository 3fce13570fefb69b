"""The question that the ledger answers: one training run on one kind of GPU."""

from dataclasses import dataclass, fields
from typing import Any

from consilico.golden.config import check_fields, choice, integer
from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.methods import REFERENCE_METHODS, TrainingMethod, find_method

__all__ = ["TrainingRun"]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Training run: model, method, sizes of a step, and implementation.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    model: Architecture
    method: str = "adamw"
    batch: int = integer(1, 1, 1 << 20, "sequences in a micro-batch, on each GPU")
    sequence: int = integer(256, 1, 1 << 24, "tokens of a sequence")
    dtype: str = choice(
        "bfloat16",
        ("bfloat16", "float16", "float32", "mixed", "amp"),
        "of weights, gradients and states; mixed: bfloat16 with float32 master weights and states;"
        " amp: float32 under bfloat16 autocast",
    )
    rank: int = integer(0, 0, 1 << 20, "of projections or adapters; 0: the method's usual one")
    group: int = integer(256, 2, 1 << 20, "elements that share the constants of a quantized weight")
    accumulation: int = integer(1, 1, 1 << 20, "micro-batches of a step")
    checkpointing: str = choice(
        "none",
        ("none", "full", "selective"),
        "activations recomputed in backward: full keeps a block's input only, selective also the"
        " results of its matrix products and of fused attention",
    )
    attention: str = choice(
        "fused",
        ("fused", "masked", "eager"),
        "fused: scores are never held in full; masked: neither, but a mask is kept for each block,"
        " as Hugging Face does without attention_mask and use_cache; eager: scores are held",
    )
    loss: str = choice(
        "eager",
        ("eager", "in-place", "compiled", "fused"),
        "cross entropy: eager as Hugging Face runs it (12 bytes per logit at its peak in bfloat16),"
        " in-place (8 bytes: a kernel whose gradient replaces the float32 logits), compiled (4"
        " bytes), fused (logits never held in full)",
    )
    logits: str = choice(
        "dropped",
        ("dropped", "held"),
        "whether the program keeps the logits through the backward pass; Hugging Face's Trainer"
        " does not",
    )
    implementation: str = choice(
        "transformers",
        ("transformers", "transformers-2023", "fused"),
        "of norms, rotary embeddings and MLP: as Hugging Face runs them, as its versions of 2023"
        " did, or fused kernels",
    )
    kernel: str = choice(
        "foreach",
        ("foreach", "loop", "fused", "reference"),
        "of the update: torch.optim's three, or consilico.golden.training.QGaLore",
    )
    per_layer: bool = choice(False, (False, True), "update inside the backward pass")
    published: bool = choice(False, (False, True), "as the authors' code runs it")
    offload: str = choice(
        "none", ("none", "optimizer", "activations", "both"), "what is kept in host memory"
    )
    sampled: int = integer(0, 0, 1 << 20, "blocks trained at a time; 0: as the method has it")
    gpus: int = integer(1, 1, 1 << 20, "data-parallel GPUs")
    sharding: str = choice(
        "none",
        ("none", "zero1", "zero2", "zero3", "fsdp"),
        "what the GPUs share out: states; and gradients; and weights (zero3, fsdp)",
    )
    targets: str = choice("all", ("all", "attention"), "matrices that get adapters")
    adapters: str = choice("run", ("run", "float32"), "dtype of adapters; peft's default: float32")
    gradients: str = choice("freed", ("freed", "kept"), "after a step: freed, or kept as zeros")

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(str(error)) from None
        method = find_method(self.method)
        if self.sharding != "none" and self.gpus == 1:
            raise UserError(f"gpus must be at least 2 with sharding {self.sharding}, not 1")
        if (self.per_layer or method.per_layer) and self.accumulation > 1:
            raise UserError(
                "accumulation must be 1 with per_layer (lomo and adalomo always have it): an update"
                f" frees the gradient that would be accumulated; not {self.accumulation}"
            )
        if self.rank > self.model.hidden:
            raise UserError(
                f"rank must be at most {self.model.hidden}, the hidden size of"
                f" {self.model.name}, not {self.rank}"
            )
        if self.dtype == "mixed" and (method.low_bit or self.kernel == "reference"):
            raise UserError(
                "dtype must not be mixed where integer weights are trained, or with kernel"
                f" reference: there are no master weights; not with {self.method}"
            )
        if self.model.positions and self.sequence > self.model.context:
            raise UserError(
                f"sequence must be at most {self.model.context}, the learned positions of"
                f" {self.model.name}, not {self.sequence}"
            )
        if self.kernel == "reference" and self.method not in REFERENCE_METHODS:
            known = ", ".join(REFERENCE_METHODS)
            raise UserError(f"kernel reference runs {known}, not {self.method}")
        if self.published and method.published is None:
            raise UserError(f"published is only known for q-galore, not for {self.method}")

    @property
    def method_description(self) -> TrainingMethod:
        """Return the method, as published or as our own code runs it where that is asked for."""
        if self.kernel == "reference":
            return REFERENCE_METHODS[self.method]
        method = find_method(self.method)
        return method.published if self.published and method.published else method

    @property
    def used_rank(self) -> int:
        """Return the rank, or the method's usual one where none is given."""
        usual = self.method_description.rank
        if self.rank or usual >= 0:
            return self.rank or usual
        return _USUAL.get(self.model.name, self.model.hidden // 4)

    def settings(self) -> dict[str, Any]:
        """Return all fields but the model by name, with the rank that is used."""
        names = [item.name for item in fields(self) if item.name != "model"]
        return {name: getattr(self, name) for name in names} | {"rank": self.used_rank}


_USUAL = {"llama-130m": 256}  # GaLore, Q-GaLore: elsewhere a quarter of the hidden size
