"""Families of models like LLaMA: how a ``config.json`` of each describes its blocks.

Values of absent fields are those of transformers' configuration classes. A reader takes the fields
and returns the architecture; :data:`LLAMA_LIKE` has the readers by ``model_type``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consilico.sim.memory.architecture import Architecture, Attention, Block, Mlp
from consilico.sim.memory.config_fields import ConfigFields, shown

__all__ = [
    "LLAMA_LIKE", "Reader", "activation_of", "attention_of", "composed", "mlp_of", "rotary_of",
    "windows_of",
]  # fmt: skip

Reader = Callable[[ConfigFields], Architecture]
"""Makes an architecture of the fields of a configuration."""

_ACTIVATIONS = {
    "gelu_pytorch_tanh": "gelu", "gelu_python_tanh": "gelu_new", "swish": "silu",
    **{
        name: name
        for name in (
            "gelu", "gelu_fast", "gelu_new", "hardswish", "leaky_relu", "mish", "quick_gelu",
            "relu", "relu2", "relu6", "silu",
        )
    },
}  # fmt: skip
"""Activations of transformers that the ledger can follow, and what it calls them."""


def activation_of(c: ConfigFields, *names: str, default: str = "silu") -> str:
    """Return the activation that a field names, in the ledger's words.

    Args:
        c: The configuration.
        names: Names of the field.
        default: Where it is absent, in the words of transformers.

    Raises:
        UserError: If the ledger cannot follow it.
    """
    name = c.text(*names, default=default)
    if name not in _ACTIVATIONS:
        known = ", ".join(sorted(_ACTIVATIONS))
        field = next((item for item in names if item in c), names[0])
        raise c.error(field, f"must be one of {known} (others run with execute), not {name!r}")
    return _ACTIVATIONS[name]


def rotary_of(c: ConfigFields, head_dim: int, default: float = 1.0) -> int:
    """Return the dimensions of a head that are rotated.

    Args:
        c: The configuration, or its part; the share is in it or in its rope parameters.
        head_dim: All dimensions of a head.
        default: The share where none is given.
    """
    name = "partial_rotary_factor"
    for place in ("rope_parameters", "rope_scaling"):
        if isinstance(c.value(place), dict) and name in c.part(place):
            default = c.part(place).number(name, default=default)
    share = c.number(name, "rotary_pct", "rope_pct", default=default)
    if not 0 <= share <= 1:
        raise c.error(name, f"must be from 0 to 1, not {shown(share)}")
    return int(head_dim * share)


def windows_of(c: ConfigFields, layers: int, usual: Callable[[int], bool]) -> list[int]:
    """Return the window of each layer, 0 where it sees all tokens before it.

    Args:
        c: The configuration: ``layer_types`` says which layers have a window.
        layers: Number of layers.
        usual: Says so for a layer's index where ``layer_types`` is absent.
    """
    if "sliding_window" not in c:
        return [0] * layers
    window = c.integer("sliding_window")
    types = c.per_layer("layer_types", layers)
    if types is None:
        return [window if usual(layer) else 0 for layer in range(layers)]
    known = {"full_attention": 0, "sliding_attention": window, "chunked_attention": window}
    for kind in types[:layers]:
        if kind not in known:
            raise c.error("layer_types", f"must be of {', '.join(known)}, not {kind!r}")
    return [known[kind] for kind in types[:layers]]


def attention_of(c: ConfigFields, *, kv_heads: int = 0, head_dim: int = 0, **own: Any) -> Attention:
    """Return the attention that the usual fields describe.

    Args:
        c: The configuration.
        kv_heads: Number of key heads where the field is absent; 0: as many as query heads.
        head_dim: Dimensions of a head likewise; 0: the hidden size over the heads.
        own: Fields of the attention that the family decides.

    Raises:
        UserError: If a field is absent, or contradicts another.
    """
    heads, hidden = c.integer("num_attention_heads", "n_head"), c.integer("hidden_size", "n_embd")
    groups = c.integer("num_key_value_heads", default=kv_heads or heads)
    if heads % groups:
        raise c.error(
            "num_key_value_heads", f"must divide num_attention_heads ({heads}), not {groups}"
        )
    if "head_dim" not in c and not head_dim and hidden % heads:
        raise c.error(
            "num_attention_heads",
            f"must divide the hidden size {hidden} where head_dim is absent, not {heads}",
        )
    head_dim = c.integer("head_dim", default=head_dim or hidden // heads)
    own.setdefault("rotary", rotary_of(c, head_dim))
    return Attention(heads=heads, kv_heads=groups, head_dim=head_dim, **own)


def mlp_of(c: ConfigFields, **own: Any) -> Mlp:
    """Return the MLP that the usual fields describe; ``own`` are those that the family decides."""
    if "activation" not in own:
        own["activation"] = activation_of(
            c, "hidden_act", "hidden_activation", "activation_function"
        )
    if "intermediate" not in own:
        own["intermediate"] = c.integer("intermediate_size")
    return Mlp(**own)


def composed(c: ConfigFields, blocks: Sequence[Block], **own: Any) -> Architecture:
    """Return the architecture with these blocks, one per layer, in order.

    Args:
        c: The configuration.
        blocks: The block of each layer.
        own: Fields of the architecture that the family decides.
    """
    kinds = tuple(dict.fromkeys(blocks))
    own.setdefault("hidden", 0)
    own["hidden"] = own["hidden"] or c.integer("hidden_size", "n_embd")
    own.setdefault("tied", False)
    own["tied"] = c.flag("tie_word_embeddings", default=own["tied"])
    longest = ("max_position_embeddings", "max_sequence_length", "n_positions", "max_seq_len")
    own.setdefault("context", c.integer(*longest, default=2048))
    return Architecture(
        name="model", vocab=c.integer("vocab_size"), kinds=kinds,
        pattern=tuple(kinds.index(block) for block in blocks), **own,
    )  # fmt: skip


def _layers(c: ConfigFields) -> int:
    return c.integer("num_hidden_layers", "n_layer")


def _equal(c: ConfigFields, attention: Attention, mlp: Mlp, **own: Any) -> Architecture:
    """Return the architecture of equal blocks; ``norms``, ``scaled`` and ``named`` are theirs."""
    theirs = {name: own.pop(name) for name in ("norms", "scaled", "named") if name in own}
    block = Block(attention=attention, mlp=mlp, **theirs)
    return composed(c, [block] * _layers(c), **own)


def _windowed(
    c: ConfigFields, attention: dict[str, Any], mlp: Mlp, windows: Iterable[int], **own: Any
) -> Architecture:
    """Return the architecture of blocks that differ in their windows."""
    norms = own.pop("norms", "before")
    blocks = [
        Block(attention=attention_of(c, **attention, window=window), mlp=mlp, norms=norms)
        for window in windows
    ]
    return composed(c, blocks, **own)


def _llama(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias)
    return _equal(c, attention, mlp_of(c, bias=c.flag("mlp_bias")))


def _mistral(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    windows = windows_of(c, _layers(c), lambda layer: True)
    own = {"kv_heads": 8, "bias": bias, "output_bias": bias}
    return _windowed(c, own, mlp_of(c, bias=c.flag("mlp_bias")), windows)


def _qwen_windows(c: ConfigFields) -> list[int]:
    """Return Qwen's windows: those of the later layers, if they are used at all."""
    if not c.flag("use_sliding_window"):
        return [0] * _layers(c)
    first = c.integer("max_window_layers", default=28, least=0)
    return windows_of(c, _layers(c), lambda layer: layer >= first)


def _qwen2(c: ConfigFields) -> Architecture:
    output = c.flag("attention_bias")
    own = {"kv_heads": 32, "bias": True, "output_bias": output}
    return _windowed(c, own, mlp_of(c, bias=c.flag("mlp_bias")), _qwen_windows(c))


def _qwen3(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    own = {"kv_heads": 32, "head_dim": 128, "bias": bias, "output_bias": bias, "norm": "rms"}
    return _windowed(c, own, mlp_of(c), _qwen_windows(c))


def _gemma(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, head_dim=256, bias=bias, output_bias=bias)
    return _equal(c, attention, mlp_of(c, activation="gelu"), tied=True, norm="rms-float")


def _gemma2(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    windows = windows_of(c, _layers(c), lambda layer: layer % 2 == 0)
    own = {
        "kv_heads": 4, "head_dim": 256, "bias": bias, "output_bias": bias,
        "capped": c.number("attn_logit_softcapping", default=0.0) > 0,
    }  # fmt: skip
    capped = c.number("final_logit_softcapping", default=0.0) > 0
    notes = ("scores are capped: without FlashAttention, transformers runs attention eager",)
    return _windowed(
        c, own, mlp_of(c, activation="gelu"), windows, norms="around", norm="rms-float", tied=True,
        logits="capped" if capped else "plain", notes=notes if own["capped"] else (),
    )  # fmt: skip


def _gemma3(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    every = c.integer("sliding_window_pattern", "_sliding_window_pattern", default=6)
    windows = windows_of(c, _layers(c), lambda layer: (layer + 1) % every != 0)
    own = {
        "kv_heads": 4, "head_dim": 256, "bias": bias, "output_bias": bias, "norm": "rms-float",
        "capped": c.number("attn_logit_softcapping", default=0.0) > 0,
    }  # fmt: skip
    capped = c.number("final_logit_softcapping", default=0.0) > 0
    return _windowed(
        c, own, mlp_of(c, activation="gelu"), windows, norms="around", norm="rms-float", tied=True,
        logits="capped" if capped else "plain", angles=len(set(windows)),
    )  # fmt: skip


def _phi3(c: ConfigFields) -> Architecture:
    windows = windows_of(c, _layers(c), lambda layer: True)
    own = {"fused": "slices", "joined": True}
    return _windowed(c, own, mlp_of(c, fused=True), windows)


def _olmo(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias, angles="float32")
    return _equal(c, attention, mlp_of(c), norm="layer-plain")


def _olmo2(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    own = {
        "bias": bias, "output_bias": bias, "norm": "rms-float", "norm_of": "whole",
        "angles": "float32",
    }  # fmt: skip
    windows = windows_of(c, _layers(c), lambda layer: (layer + 1) % 4 != 0)
    if c.text("model_type") == "olmo2":
        windows = [0] * _layers(c)
    angles = 1 + (len(set(windows)) > 1)
    return _windowed(c, own, mlp_of(c), windows, norms="after", norm="rms-float", angles=angles)


def _smollm3(c: ConfigFields) -> Architecture:
    bias, layers = c.flag("attention_bias"), _layers(c)
    every = c.integer("no_rope_layer_interval", default=4)
    turned = c.per_layer("no_rope_layers", layers) or [(i + 1) % every for i in range(layers)]
    windows = [0] * layers
    if c.flag("use_sliding_window"):
        windows = windows_of(c, layers, lambda layer: not turned[layer])
    own = {"kv_heads": 4, "bias": bias, "output_bias": bias}
    mlp = mlp_of(c, bias=c.flag("mlp_bias"))
    blocks = [
        Block(
            attention=attention_of(c, **own, window=window, **({} if turns else {"rotary": 0})),
            mlp=mlp,
        )
        for turns, window in zip(turned, windows, strict=False)
    ]
    return composed(c, blocks, tied=True)


def granite_scales(c: ConfigFields) -> dict[str, Any]:
    """Return the fields of Granite's architecture that its multipliers decide."""
    # a product with 1 is made all the same
    return {"scaled": True, "logits": "scaled", "embedding_scaled": True}


def _granite(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias)
    return _equal(c, attention, mlp_of(c, bias=c.flag("mlp_bias")), **granite_scales(c))


def _cohere(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    own: dict[str, Any] = {"bias": bias, "output_bias": bias}
    if c.flag("use_qk_norm"):
        own |= {"norm": "layer-float", "norm_of": "each"}
    layers, windows = _layers(c), [0] * _layers(c)
    if c.text("model_type") == "cohere2":
        every = c.integer("sliding_window_pattern", "_sliding_window_pattern", default=4)
        windows = windows_of(c, layers, lambda layer: (layer + 1) % every != 0)
    blocks = [
        Block(
            attention=attention_of(
                c, **own, window=window,
                # in Cohere 2 only layers with a window have positions
                **({"rotary": 0} if any(windows) and not window else {}),
            ),
            mlp=mlp_of(c), norms="shared",
        )
        for window in windows
    ]  # fmt: skip
    return composed(c, blocks, tied=True, norm="layer-float", logits="scaled")


def _glm(c: ConfigFields) -> Architecture:
    head_dim = c.integer("head_dim", default=128)
    attention = attention_of(
        c, kv_heads=2, head_dim=128, bias=c.flag("attention_bias", default=True),
        rotary=rotary_of(c, head_dim, 0.5), joined=True, angles="own",
    )  # fmt: skip
    norms = "around" if c.text("model_type") == "glm4" else "before"
    return _equal(c, attention, mlp_of(c, fused=True), norms=norms)


def _stablelm(c: ConfigFields) -> Architecture:
    heads, hidden = c.integer("num_attention_heads"), c.integer("hidden_size")
    own: dict[str, Any] = {"bias": c.flag("use_qkv_bias"), "joined": True}
    own["rotary"] = rotary_of(c, hidden // heads, 0.25)
    if c.flag("qk_layernorm"):
        own |= {"norm": "layer-unbiased", "norm_of": "each"}
    norms = "shared" if c.flag("use_parallel_residual") else "before"
    named = ("input", "attention", "attention norm")
    return _equal(c, attention_of(c, **own), mlp_of(c), norms=norms, norm="layer", named=named)


def _starcoder2(c: ConfigFields) -> Architecture:
    bias = c.flag("use_bias", default=True)
    windows = windows_of(c, _layers(c), lambda layer: True)
    mlp = mlp_of(c, gated=False, bias=bias)
    own = {"kv_heads": 2, "bias": bias, "output_bias": bias}
    return _windowed(c, own, mlp, windows, norm="layer", tied=True)


def _nemotron(c: ConfigFields) -> Architecture:
    bias, heads = c.flag("attention_bias"), c.integer("num_attention_heads")
    head_dim = c.integer("head_dim", default=c.integer("hidden_size") // heads)
    attention = attention_of(
        c, bias=bias, output_bias=bias, rotary=rotary_of(c, head_dim, 0.5), joined=True
    )
    mlp = mlp_of(c, gated=False, bias=c.flag("mlp_bias"), activation="relu2")
    return _equal(c, attention, mlp, norm="layer-narrow")


def _arcee(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    mlp = mlp_of(c, gated=False, bias=c.flag("mlp_bias"), activation="relu2")
    return _equal(c, attention_of(c, bias=bias, output_bias=bias), mlp)


def _exaone4(c: ConfigFields) -> Architecture:
    every = c.value("sliding_window_pattern")
    every = every if type(every) is int and every > 0 else 4
    windows = windows_of(c, _layers(c), lambda layer: (layer + 1) % every != 0)
    blocks = [
        Block(
            attention=attention_of(
                c, kv_heads=32, norm="rms", window=window,
                **({"rotary": 0} if any(windows) and not window else {}),
            ),
            mlp=mlp_of(c), norms="after",
        )
        for window in windows
    ]  # fmt: skip
    return composed(c, blocks)


def _ernie(c: ConfigFields) -> Architecture:
    bias = c.flag("use_bias")
    attention = attention_of(
        c, kv_heads=2, head_dim=128, bias=bias, output_bias=bias, angles="own float32"
    )
    return _equal(c, attention, mlp_of(c, bias=bias), tied=True)


def _helium(c: ConfigFields) -> Architecture:
    attention = attention_of(
        c, kv_heads=20, head_dim=128, bias=c.flag("attention_bias"), angles="own"
    )
    return _equal(c, attention, mlp_of(c, bias=c.flag("mlp_bias")), norm="rms-float")


def _hunyuan(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    return _equal(c, attention_of(c, bias=bias, output_bias=bias, norm="rms"), mlp_of(c))


def _seed_oss(c: ConfigFields) -> Architecture:
    attention = attention_of(
        c, kv_heads=8, head_dim=128, bias=c.flag("attention_bias", default=True),
        output_bias=c.flag("attention_out_bias"),
    )  # fmt: skip
    return _equal(c, attention, mlp_of(c, bias=c.flag("mlp_bias")))


LLAMA_LIKE: dict[str, Reader] = {
    "llama": _llama,
    "mistral": _mistral,
    "ministral": _mistral,
    "ministral3": _mistral,
    "qwen2": _qwen2,
    "qwen2_vl_text": _qwen2,
    "qwen2_5_vl_text": _qwen2,
    "qwen3": _qwen3,
    "qwen3_vl_text": _qwen3,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "phi3": _phi3,
    "olmo": _olmo,
    "olmo2": _olmo2,
    "olmo3": _olmo2,
    "smollm3": _smollm3,
    "granite": _granite,
    "cohere": _cohere,
    "cohere2": _cohere,
    "glm": _glm,
    "glm4": _glm,
    "stablelm": _stablelm,
    "starcoder2": _starcoder2,
    "nemotron": _nemotron,
    "arcee": _arcee,
    "exaone4": _exaone4,
    "ernie4_5": _ernie,
    "helium": _helium,
    "hunyuan_v1_dense": _hunyuan,
    "seed_oss": _seed_oss,
}
"""Functions that read a configuration, by the ``model_type`` that it states."""
