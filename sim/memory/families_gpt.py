"""Families like GPT: layer norms, MLPs without a gate, often attention and MLP next to each other.

Their configurations have names of their own for most fields.
"""

from typing import Any

from consilico.sim.memory.architecture import Architecture, Attention, Block, Mlp
from consilico.sim.memory.config_fields import ConfigFields
from consilico.sim.memory.families import (
    Reader,
    activation_of,
    attention_of,
    composed,
    mlp_of,
    rotary_of,
)

__all__ = ["GPT_LIKE"]

_NAMED = ("input", "attention")  # of a block whose program has a variable for each result


def _even(c: ConfigFields, width: int, heads: int) -> int:
    """Return the dimensions of a head, which the heads must share out evenly."""
    if width % heads:
        name = next(n for n in ("num_attention_heads", "n_head", "n_heads", "num_heads") if n in c)
        raise c.error(name, f"must divide the hidden size {width}, not {heads}")
    return width // heads


def _equal(c: ConfigFields, block: Block, layers: int, **own: Any) -> Architecture:
    """Return the architecture of equal blocks."""
    return composed(c, [block] * layers, **own)


def _inner(c: ConfigFields, hidden: int, *names: str) -> int:
    """Return the width of the MLP, four times the hidden size where it is absent."""
    return c.integer(*names, default=4 * hidden)


def _gpt2(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("n_embd", "hidden_size"), c.integer("n_head", "num_attention_heads")
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=_even(c, hidden, heads), bias=True, output_bias=True,
        fused="split",
    )  # fmt: skip
    mlp = mlp_of(
        c, intermediate=_inner(c, hidden, "n_inner"), gated=False, bias=True,
        activation=activation_of(c, "activation_function", default="gelu_new"),
    )  # fmt: skip
    layers = c.integer("n_layer", "num_hidden_layers")
    positions = c.integer("n_positions")
    block = Block(attention=attention, mlp=mlp, named=_NAMED)
    return _equal(
        c, block, layers, hidden=hidden, tied=True, norm="layer", positions=positions,
        context=positions,
    )  # fmt: skip


def _gpt_bigcode(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("n_embd"), c.integer("n_head")
    shared = c.flag("multi_query", default=True)
    attention = Attention(
        heads=heads, kv_heads=1 if shared else heads, head_dim=_even(c, hidden, heads), bias=True,
        output_bias=True, fused="split",
    )  # fmt: skip
    mlp = Mlp(
        intermediate=_inner(c, hidden, "n_inner"), gated=False, bias=True,
        activation=activation_of(c, "activation_function", default="gelu_pytorch_tanh"),
    )  # fmt: skip
    positions = c.integer("n_positions", default=1024)
    block = Block(attention=attention, mlp=mlp, named=_NAMED)
    return _equal(
        c, block, c.integer("n_layer"), hidden=hidden, tied=True, norm="layer",
        positions=positions, context=positions, buffers=positions**2,
    )  # fmt: skip


def _gptj(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("n_embd"), c.integer("n_head")
    rotary, wide = c.integer("rotary_dim", default=64), c.text("model_type") == "codegen"
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=_even(c, hidden, heads), rotary=rotary,
        fused="copies" if wide else "", angles="own each float32" if wide else "own each",
        scores="float32",
    )  # fmt: skip
    mlp = Mlp(
        intermediate=_inner(c, hidden, "n_inner"), gated=False, bias=True,
        activation=activation_of(c, "activation_function", default="gelu_new"),
    )  # fmt: skip
    return _equal(
        c, Block(attention=attention, mlp=mlp, norms="shared", results_first=True),
        c.integer("n_layer"), hidden=hidden, norm="layer", head_bias=True,
        buffers=4 * rotary * c.integer("n_positions", default=2048),
    )  # fmt: skip


def _gpt_neo(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("hidden_size"), c.integer("num_heads", "num_attention_heads")
    layers = c.integer("num_layers", "num_hidden_layers")
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=_even(c, hidden, heads), output_bias=True,
        held="own", scores="float32",
    )  # fmt: skip
    mlp = Mlp(
        intermediate=_inner(c, hidden, "intermediate_size"), gated=False, bias=True,
        activation=activation_of(c, "activation_function", default="gelu_new"),
    )  # fmt: skip
    positions = c.integer("max_position_embeddings", default=2048)
    block = Block(attention=attention, mlp=mlp, named=_NAMED, keeps_answer=True)
    return _equal(
        c, block, layers, tied=True, norm="layer", positions=positions, context=positions,
        buffers=layers * positions**2,
    )  # fmt: skip


def _gpt_neox(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    head_dim, bias = _even(c, hidden, heads), c.flag("attention_bias", default=True)
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=head_dim, bias=bias, output_bias=bias, fused="split",
        rotary=rotary_of(c, head_dim, 0.25), joined=True,
    )  # fmt: skip
    mlp = mlp_of(c, gated=False, bias=True)
    parallel = c.flag("use_parallel_residual", default=True)
    norms = "parallel" if parallel else "before"
    block = Block(attention=attention, mlp=mlp, norms=norms, results_first=True)
    return _equal(c, block, c.integer("num_hidden_layers"), norm="layer")


def _opt(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    bias = c.flag("enable_bias", default=True)
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=_even(c, hidden, heads), bias=bias, output_bias=bias
    )
    mlp = Mlp(
        intermediate=c.integer("ffn_dim"), gated=False, bias=bias,
        activation=activation_of(c, "activation_function", default="relu"),
    )  # fmt: skip
    before = c.flag("do_layer_norm_before", default=True)
    final = before and not c.flag("_remove_final_layer_norm")
    if not c.flag("layer_norm_elementwise_affine", default=True):
        raise c.error("layer_norm_elementwise_affine", "must be true, not False")
    context = c.integer("max_position_embeddings", default=2048)
    return _equal(
        c, Block(attention=attention, mlp=mlp, named=()), c.integer("num_hidden_layers"),
        tied=True, norm="layer", positions=context + 2, context=context, final_norm=final,
        embedding_width=c.integer("word_embed_proj_dim", default=hidden),
    )  # fmt: skip


def _phi(c: ConfigFields) -> Architecture:
    heads, hidden = c.integer("num_attention_heads"), c.integer("hidden_size")
    own: dict[str, Any] = {"norm": "layer"} if c.flag("qk_layernorm") else {}
    attention = attention_of(
        c,
        bias=True,
        output_bias=True,
        rotary=rotary_of(c, _even(c, hidden, heads), 0.5),
        joined=True,
        **own,
    )
    mlp = mlp_of(c, gated=False, bias=True)
    block = Block(attention=attention, mlp=mlp, norms="shared", results_first=True)
    return _equal(c, block, c.integer("num_hidden_layers"), norm="layer", head_bias=True)


def _falcon(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads", "n_head")
    bias, alibi = c.flag("bias"), c.flag("alibi")
    new = c.flag("new_decoder_architecture")
    groups = c.integer("num_kv_heads", default=heads) if new else heads
    if not new and c.flag("multi_query", default=True):
        groups = 1
    head_dim = _even(c, hidden, heads)
    attention = Attention(
        heads=heads, kv_heads=groups, head_dim=head_dim, bias=bias, output_bias=bias,
        fused="slices", rotary=0 if alibi else head_dim, alibi=alibi, scores="narrow",
        spread=new and groups < heads, masked=True,
        # torch has no fused kernel that shares one key head without being told
        held="products" if groups == 1 < heads and not new else "",
    )  # fmt: skip
    mlp = Mlp(
        intermediate=_inner(c, hidden, "ffn_hidden_size"), gated=False, bias=bias,
        activation=activation_of(c, "activation", default="gelu"),
    )  # fmt: skip
    norms = "before"
    if new:
        count = c.integer("num_ln_in_parallel_attn", default=2)
        norms = "parallel" if count == 2 else "shared"
    elif c.flag("parallel_attn", default=True):
        norms = "shared"
    layers = c.integer("num_hidden_layers", "n_layer")
    block = Block(attention=attention, mlp=mlp, norms=norms, results_first=True, keeps_answer=True)
    return _equal(c, block, layers, norm="layer", tied=True)


def _bloom(c: ConfigFields) -> Architecture:
    hidden = c.integer("hidden_size", "n_embed")
    heads = c.integer("n_head", "num_attention_heads")
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=_even(c, hidden, heads), bias=True, output_bias=True,
        fused="slices", alibi=True, held="own",
    )  # fmt: skip
    mlp = Mlp(intermediate=4 * hidden, gated=False, bias=True, activation="gelu_bloom")
    block = Block(attention=attention, mlp=mlp, keeps_answer=True)
    return _equal(
        c, block, c.integer("n_layer", "num_hidden_layers"), hidden=hidden, norm="layer",
        tied=True, embedding_norm=True,
    )  # fmt: skip


def _mpt(c: ConfigFields) -> Architecture:
    hidden, heads = c.integer("d_model"), c.integer("n_heads")
    attention = Attention(
        heads=heads,
        kv_heads=heads,
        head_dim=_even(c, hidden, heads),
        fused="split",
        alibi=True,
        held="own",
        scores="biased",
    )
    mlp = Mlp(
        intermediate=c.integer("expansion_ratio", default=4) * hidden, gated=False,
        activation="gelu",
    )  # fmt: skip
    block = Block(attention=attention, mlp=mlp, named=_NAMED, keeps_answer=True)
    return _equal(c, block, c.integer("n_layers"), hidden=hidden, norm="layer-unbiased", tied=True)


GPT_LIKE: dict[str, Reader] = {
    "gpt2": _gpt2,
    "gpt_bigcode": _gpt_bigcode,
    "gptj": _gptj,
    "codegen": _gptj,
    "gpt_neo": _gpt_neo,
    "gpt_neox": _gpt_neox,
    "opt": _opt,
    "phi": _phi,
    "falcon": _falcon,
    "bloom": _bloom,
    "mpt": _mpt,
}
"""Functions that read a configuration, by the ``model_type`` that it states."""
