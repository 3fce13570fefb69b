"""The settings of a training run but for its model and method: what each means and accepts.

The command line has an option for every field here, made from it: name, help and panel. So this
module imports nothing that takes time.
"""

from dataclasses import dataclass, field
from typing import Any

from consilico.golden.config import choice, integer

__all__ = ["PANELS", "Settings"]

PANELS = ("A step", "What trains", "How it is run", "Where it is kept")
"""Headings under which the command line's help lists the options."""
_STEP, _TRAINS, _RUN, _PLACE = PANELS
_ON_OFF = (False, True)


def _under(panel: str, declared: Any, flag: str = "") -> Any:
    """Put a field that :func:`integer` or :func:`choice` declares under a panel of the help.

    Args:
        panel: One of :data:`PANELS`.
        declared: The field.
        flag: Name of its option where that is not the field's name.
    """
    described = {**declared.metadata, "panel": panel, "flag": flag}
    return field(default=declared.default, metadata=described)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a training run but for its model and method."""

    batch: int = _under(_STEP, integer(1, 1, 1 << 20, "sequences in a micro-batch, on each GPU"))
    sequence: int = _under(_STEP, integer(256, 1, 1 << 24, "tokens of a sequence"), "seq")
    accumulation: int = _under(_STEP, integer(1, 1, 1 << 20, "micro-batches of a step"))
    dtype: str = _under(
        _STEP,
        choice(
            "bfloat16",
            ("bfloat16", "float16", "float32", "mixed", "amp"),
            "of weights, gradients and states; mixed: bfloat16 with float32 master weights and"
            " states; amp: float32 under bfloat16 autocast",
        ),
    )

    rank: int = _under(
        _TRAINS,
        integer(0, 0, 1 << 20, "of projections or adapters; 0: the method's usual one"),
    )
    group: int = _under(
        _TRAINS,
        integer(256, 2, 1 << 20, "elements that share the constants of a quantized weight"),
    )
    published: bool = _under(
        _TRAINS, choice(False, _ON_OFF, "as the authors' code runs it (q-galore)"), "as-published"
    )
    targets: str = _under(
        _TRAINS, choice("all", ("all", "attention"), "matrices that get adapters")
    )
    adapters: str = _under(
        _TRAINS, choice("run", ("run", "float32"), "dtype of adapters; peft's default: float32")
    )
    sampled: int = _under(
        _TRAINS, integer(0, 0, 1 << 20, "blocks trained at a time; 0: as the method has it")
    )

    checkpointing: str = _under(
        _RUN,
        choice(
            "none",
            ("none", "full", "selective"),
            "activations recomputed in backward: full keeps a block's input only, selective also"
            " the results of its matrix products and of fused attention",
        ),
    )
    attention: str = _under(
        _RUN,
        choice(
            "fused",
            ("fused", "masked", "eager"),
            "fused: scores are never held in full; masked: neither, but a mask is kept for each"
            " block, as Hugging Face does without attention_mask and use_cache; eager: scores are"
            " held",
        ),
    )
    loss: str = _under(
        _RUN,
        choice(
            "eager",
            ("eager", "in-place", "compiled", "fused"),
            "cross entropy: eager as Hugging Face runs it (12 bytes per logit at its peak in"
            " bfloat16), in-place (8 bytes: the gradient replaces the float32 logits), compiled"
            " (4 bytes), fused (logits never held in full)",
        ),
    )
    logits: str = _under(
        _RUN,
        choice(
            "dropped",
            ("dropped", "held"),
            "whether the program keeps the logits through the backward pass; Hugging Face's"
            " Trainer does not",
        ),
    )
    implementation: str = _under(
        _RUN,
        choice(
            "transformers",
            ("transformers", "transformers-2023", "fused"),
            "of norms, rotary embeddings and MLP: as Hugging Face runs them, as its versions of"
            " 2023 did, or fused kernels",
        ),
    )
    kernel: str = _under(
        _RUN,
        choice(
            "foreach",
            ("foreach", "loop", "fused", "reference"),
            "of AdamW's update: torch.optim's three, or consilico.golden.training.QGaLore",
        ),
    )
    per_layer: bool = _under(
        _RUN, choice(False, _ON_OFF, "update each parameter inside the backward pass")
    )
    gradients: str = _under(
        _RUN, choice("freed", ("freed", "kept"), "after a step: freed, or kept as zeros")
    )

    offload: str = _under(
        _PLACE,
        choice("none", ("none", "optimizer", "activations", "both"), "what is kept in host memory"),
    )
    gpus: int = _under(_PLACE, integer(1, 1, 1 << 20, "data-parallel GPUs"))
    sharding: str = _under(
        _PLACE,
        choice(
            "none",
            ("none", "zero1", "zero2", "zero3", "fsdp"),
            "what the GPUs share out: states; and gradients; and weights (zero3, fsdp)",
        ),
    )
