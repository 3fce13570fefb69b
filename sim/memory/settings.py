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
            (
                *("bfloat16", "float16", "float32", "mixed"),
                *("amp", "bfloat16-amp", "float16-amp"),
            ),
            "of weights, gradients and states; mixed: bfloat16 with float32 master weights and"
            " states; amp: float32 under bfloat16 autocast; bfloat16-amp and float16-amp: such"
            " weights under autocast, as Hugging Face's Trainer runs a model that was loaded so",
        ),
    )

    packed: int = _under(
        _STEP,
        integer(
            1, 1, 1 << 20, "texts that are packed into each sequence and do not see each other"
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
        _TRAINS,
        field(
            default="all",
            metadata={
                "doc": "matrices that get adapters: all of the blocks, attention, or a list of"
                " q, k, v, o, gate, up, down, head and embed, such as q,v"
            },
        ),
    )
    adapters: str = _under(
        _TRAINS,
        choice("run", ("run", "float32"), "dtype of adapters: that of the run, or peft's float32"),
    )
    lora_dropout: float = _under(
        _TRAINS,
        field(default=0.0, metadata={"doc": "part of the adapters' inputs that is set to zero"}),
    )
    dora: bool = _under(
        _TRAINS, choice(False, _ON_OFF, "adapters with magnitudes (DoRA, arXiv 2402.09353)")
    )
    base: str = _under(
        _TRAINS,
        choice(
            "usual",
            ("usual", "bfloat16", "nf4", "nf4-double", "int8", "gptq4", "awq4"),
            "frozen matrices below adapters: usual for the method, bfloat16, nf4, nf4-double"
            " (quantized scales), int8 (LLM.int8), gptq4 or awq4",
        ),
    )
    kbit_prepared: bool = _under(
        _TRAINS,
        choice(
            False,
            _ON_OFF,
            "norms, embeddings and output layer in float32, as peft's"
            " prepare_model_for_kbit_training makes them",
        ),
    )
    kbit_cast: bool = _under(
        _TRAINS,
        choice(
            False,
            _ON_OFF,
            "embeddings and output layer back in bfloat16 after that, as SFTTrainer of trl 0.11 has"
            " them (peft_module_casting_to_bf16)",
        ),
    )
    first_moment: bool = _under(
        _TRAINS, choice(False, _ON_OFF, "Adafactor with a first moment (beta1)")
    )
    states_block: int = _under(
        _TRAINS,
        integer(
            0,
            0,
            1 << 20,
            "8-bit states that share a scale; 0: 256, as bitsandbytes has it since 0.44, or 2048"
            " as before in code of before",
        ),
    )
    sampled: int = _under(
        _TRAINS, integer(0, 0, 1 << 20, "blocks trained at a time; 0: as the method has it")
    )

    checkpointing: str = _under(
        _RUN,
        choice(
            "none",
            ("none", "full", "reentrant", "selective"),
            "activations recomputed in backward: full keeps a block's input only; reentrant does"
            " too, and holds the result that it computes again (transformers before 5), and under"
            " fsdp the inputs and their gradients of frozen blocks to the end; selective"
            " also keeps the results of matrix products and of fused attention",
        ),
    )
    attention: str = _under(
        _RUN,
        choice(
            "fused",
            ("fused", "repeated", "masked", "eager"),
            "fused: scores are never held in full; repeated: neither, of keys and values that are"
            " copied for each query first (transformers before 4.48, but for Llama with"
            " FlashAttention 2); masked: so, too, and a mask is kept for each block, as Hugging"
            " Face does without attention_mask and use_cache; eager: scores are held",
        ),
    )
    loss: str = _under(
        _RUN,
        choice(
            "eager",
            ("eager", "in-place", "compiled", "fused", "liger", "cut"),
            "cross entropy: eager as Hugging Face runs it (12 bytes per logit at its peak in"
            " bfloat16), in-place (8 bytes: the gradient replaces the float32 logits), compiled"
            " (4 bytes), fused (logits never held in full), liger (fused, in Liger's slices, with"
            " gradients made forward), cut (no logits at all: cut cross-entropy)",
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
            ("transformers", "transformers-2023", "fused-norms", "fused"),
            "of norms, rotary embeddings and MLP: as Hugging Face's transformers runs them, as"
            " versions of 2023 did (transformers-2023), fused kernels for all but the MLP"
            " (fused-norms), or for all (fused)",
        ),
    )
    kernel: str = _under(
        _RUN,
        choice(
            "foreach",
            ("foreach", "loop", "fused", "reference", "bitsandbytes", "bitsandbytes-8bit"),
            "of AdamW's update: foreach, loop and fused of torch.optim, reference"
            " (consilico.golden.training.QGaLore), bitsandbytes (float32 states) or"
            " bitsandbytes-8bit",
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
    loading: str = _under(
        _PLACE,
        choice(
            "direct",
            ("direct", "whole"),
            "of quantized weights: direct, one matrix after the other, or whole: all in the"
            " run's type on the GPU first (litgpt)",
        ),
    )
    paged: bool = _under(
        _PLACE,
        choice(False, _ON_OFF, "states in pages that leave the GPU when it is full (bitsandbytes)"),
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
