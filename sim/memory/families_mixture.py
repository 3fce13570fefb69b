"""Families with mixtures of experts, or with latent attention: how each describes its blocks."""

from collections.abc import Callable
from typing import Any

from consilico.sim.memory.architecture import (
    Architecture,
    Attention,
    Block,
    LatentAttention,
    Mixture,
    Mlp,
)
from consilico.sim.memory.config_fields import ConfigFields
from consilico.sim.memory.families import (
    Reader,
    attention_of,
    composed,
    granite_scales,
    mlp_of,
    rotary_of,
    windows_of,
)

__all__ = ["MIXTURES"]


_BY_NAME = frozenset(
    {
        *("mixtral", "minimax_m2", "qwen3_moe", "olmoe", "deepseek_v2", "deepseek_v3", "dots1"),
        *("glm4_moe", "qwen3_vl_moe_text"),
    }
)
"""Families whose experts and routers peft 0.21 adapts (``utils/transformers_weight_conversion.py``,
with ``_MODEL_TO_CONVERSION_PATTERN`` of transformers 5.24)."""


def _mixed(
    c: ConfigFields,
    attention: Attention | LatentAttention,
    mixture: Mixture,
    sparse: Callable[[int], bool] = lambda layer: True,
    **own: Any,
) -> Architecture:
    """Return the architecture of blocks with a mixture, or with an MLP where not ``sparse``."""
    layers, norms = c.integer("num_hidden_layers"), own.pop("norms", "before")
    scaled, dense = own.pop("scaled", False), own.pop("dense", None)
    own["adapts_stacks"] = c.text("model_type") in _BY_NAME
    blocks = [
        Block(
            attention=attention, mlp=mixture if sparse(layer) else dense or mlp_of(c),
            norms=norms, scaled=scaled,
        )
        for layer in range(layers)
    ]  # fmt: skip
    return composed(c, blocks, **own)


def _mixture(c: ConfigFields, expert: Mlp, *, chosen: int = 0, **own: Any) -> Mixture:
    """Return the mixture that the usual fields describe; ``own`` is what the family decides."""
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    experts = c.integer(*names, default=own.pop("experts", None))
    chosen = c.integer("num_experts_per_tok", default=chosen or None)
    if chosen > experts:
        raise c.error("num_experts_per_tok", f"must be at most {experts} experts, not {chosen}")
    return Mixture(experts=experts, chosen=chosen, expert=expert, **own)


def _mixtral(c: ConfigFields) -> Architecture:
    windows = set(windows_of(c, 1, lambda layer: True))
    attention = attention_of(c, kv_heads=8, window=windows.pop())
    return _mixed(c, attention, _mixture(c, mlp_of(c), experts=8, chosen=2, wide_scores=True))


def _qwen_sparse(c: ConfigFields) -> Callable[[int], bool]:
    """Return which layers of a Qwen model have a mixture."""
    step, dense = c.integer("decoder_sparse_step", default=1), c.indices("mlp_only_layers")
    return lambda layer: layer not in dense and (layer + 1) % step == 0


def _qwen2_moe(c: ConfigFields) -> Architecture:
    expert = mlp_of(c, intermediate=c.integer("moe_intermediate_size", default=1408))
    shared = mlp_of(c, intermediate=c.integer("shared_expert_intermediate_size", default=5632))
    mixture = _mixture(c, expert, experts=60, chosen=4, shared=shared, shared_gate=True)
    attention = attention_of(c, bias=c.flag("qkv_bias", default=True))
    return _mixed(c, attention, mixture, _qwen_sparse(c))


def _qwen3_moe(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, kv_heads=4, bias=bias, output_bias=bias, norm="rms")
    expert = mlp_of(c, intermediate=c.integer("moe_intermediate_size", default=768))
    mixture = _mixture(c, expert, experts=128, chosen=8)
    return _mixed(c, attention, mixture, _qwen_sparse(c))


def _olmoe(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias, norm="rms", norm_of="whole")
    return _mixed(c, attention, _mixture(c, mlp_of(c), experts=64, chosen=8))


def _phimoe(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, kv_heads=8, bias=bias, output_bias=bias)
    mixture = _mixture(c, mlp_of(c), experts=16, chosen=2, router_layer=True, router_results=True)
    return _mixed(c, attention, mixture, norm="layer", head_bias=c.flag("lm_head_bias"))


def _granitemoe(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias)
    width = c.integer("shared_intermediate_size", default=0, least=0)
    shared = mlp_of(c, intermediate=width, fused=True) if width else None
    mixture = _mixture(c, mlp_of(c), experts=8, chosen=2, shared=shared)
    return _mixed(c, attention, mixture, **granite_scales(c))


def _gpt_oss(c: ConfigFields) -> Architecture:
    layers, bias = c.integer("num_hidden_layers"), c.flag("attention_bias", default=True)
    expert = mlp_of(c, bias=True, activation="gpt-oss")
    mixture = _mixture(c, expert, experts=128, chosen=4, router_bias=True)
    blocks = [
        Block(
            attention=attention_of(
                c,
                kv_heads=8,
                head_dim=64,
                bias=bias,
                output_bias=bias,
                sinks=True,
                joined=True,
                held="own",
                window=window,
            ),
            mlp=mixture,
        )
        for window in windows_of(c, layers, lambda layer: layer % 2 == 0)
    ]
    return composed(c, blocks, norm="rms-float")


def _latent(c: ConfigFields, **defaults: int) -> LatentAttention:
    """Return the latent attention that DeepSeek's fields describe."""

    def size(name: str, default: int, least: int = 1) -> int:
        return c.integer(name, default=defaults.get(name, default), least=least)

    return LatentAttention(
        heads=c.integer("num_attention_heads"),
        # absent is null: queries are made from the input itself
        query_rank=c.integer("q_lora_rank", default=0), key_rank=size("kv_lora_rank", 512),
        plain=size("qk_nope_head_dim", 128), rotary=size("qk_rope_head_dim", 64),
        value=size("v_head_dim", 128), bias=c.flag("attention_bias"),
    )  # fmt: skip


def _deepseek_mixture(c: ConfigFields, *, shared: int, **own: Any) -> Mixture:
    """Return DeepSeek's mixture, with its shared experts as one MLP of their common width."""
    width = c.integer("moe_intermediate_size", default=own.pop("width", 0) or None)
    count = c.integer("n_shared_experts", default=shared, least=0)
    common = mlp_of(c, intermediate=width * count) if count else None
    return _mixture(c, mlp_of(c, intermediate=width), shared=common, **own)


def _deepseek_v2(c: ConfigFields) -> Architecture:
    mixture = _deepseek_mixture(c, shared=2, width=1407, wide_router=True, wide_scores=True)
    first = c.integer("first_k_dense_replace", default=0, least=0)
    dense = mlp_of(c, bias=c.flag("mlp_bias"))
    return _mixed(c, _latent(c), mixture, lambda layer: layer >= first, dense=dense)


def _deepseek_v3(c: ConfigFields) -> Architecture:
    mixture = _deepseek_mixture(
        c, shared=1, width=2048, experts=256, chosen=8, wide_router=True, wide_scores=True
    )
    first = c.integer("first_k_dense_replace", default=3, least=0)
    return _mixed(c, _latent(c), mixture, lambda layer: layer >= first)


def _glm4_moe(c: ConfigFields) -> Architecture:
    heads, hidden = c.integer("num_attention_heads"), c.integer("hidden_size")
    head_dim = c.integer("head_dim", default=hidden // heads)
    own: dict[str, Any] = {"norm": "rms"} if c.flag("use_qk_norm") else {}
    attention = attention_of(
        c,
        kv_heads=8,
        bias=c.flag("attention_bias"),
        rotary=rotary_of(c, head_dim, 0.5),
        joined=True,
        **own,
    )
    mixture = _deepseek_mixture(
        c, shared=1, width=1408, experts=128, chosen=8, wide_router=True, wide_scores=True
    )
    first = c.integer("first_k_dense_replace", default=1, least=0)
    return _mixed(c, attention, mixture, lambda layer: layer >= first)


def _dots1(c: ConfigFields) -> Architecture:
    bias = c.flag("attention_bias")
    attention = attention_of(c, bias=bias, output_bias=bias, norm="rms")
    mixture = _deepseek_mixture(c, shared=0, wide_router=True, wide_scores=True)
    first = c.integer("first_k_dense_replace", default=0, least=0)
    return _mixed(c, attention, mixture, lambda layer: layer >= first)


def _minimax_m2(c: ConfigFields) -> Architecture:
    attention = attention_of(c, kv_heads=8, head_dim=128, norm="rms", norm_of="whole", joined=True)
    mixture = _mixture(c, mlp_of(c), experts=256, chosen=8, wide_scores=True)
    return _mixed(c, attention, mixture)


def _llama4(c: ConfigFields) -> Architecture:
    layers, bias = c.integer("num_hidden_layers"), c.flag("attention_bias")
    normed: dict[str, Any] = {"norm": "l2"} if c.flag("use_qk_norm", default=True) else {}
    every = c.integer("no_rope_layer_interval", default=4)
    turned = c.per_layer("no_rope_layers", layers) or [(i + 1) % every for i in range(layers)]
    step = c.integer("interleave_moe_layer_step", default=1)
    sparse = c.indices("moe_layers") or frozenset(range(step - 1, layers, step))
    mixture = _mixture(
        c, mlp_of(c), experts=16, chosen=1, whole=True, shared=mlp_of(c), router_results=True
    )
    dense = mlp_of(c, intermediate=c.integer("intermediate_size_mlp", default=16384))
    blocks = [
        Block(
            attention=attention_of(
                c, kv_heads=8, head_dim=128, bias=bias, output_bias=bias,
                **(normed if turned[layer] else {"rotary": 0}),
            ),
            mlp=mixture if layer in sparse else dense, named=("input", "attention"),
        )
        for layer in range(layers)
    ]  # fmt: skip
    return composed(c, blocks)


MIXTURES: dict[str, Reader] = {
    "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
    "qwen3_vl_moe_text": _qwen3_moe,
    "olmoe": _olmoe,
    "phimoe": _phimoe,
    "granitemoe": _granitemoe,
    "granitemoeshared": _granitemoe,
    "gpt_oss": _gpt_oss,
    "deepseek_v2": _deepseek_v2,
    "deepseek_v3": _deepseek_v3,
    "glm4_moe": _glm4_moe,
    "dots1": _dots1,
    "minimax_m2": _minimax_m2,
    "llama4_text": _llama4,
}
"""Functions that read a configuration, by the ``model_type`` that it states."""
