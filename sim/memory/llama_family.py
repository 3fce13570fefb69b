"""The LLaMA family: its architectures by their sizes, and what tells other models from it."""

from dataclasses import MISSING, fields, replace

from consilico.sim.memory.architecture import Architecture, Attention, Block, Mlp

__all__ = ["decoder", "llama_parts", "unlike_llama"]


def decoder(
    *,
    name: str,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    vocab: int,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    qkv_bias: bool = False,
    output_bias: bool = False,
    mlp_bias: bool = False,
    gated: bool = True,
    activation: str = "silu",
    **others: object,
) -> Architecture:
    """Return an architecture of equal blocks: LLaMA's, unless arguments say otherwise.

    Args:
        name: Of the model.
        hidden: Its width.
        intermediate: Width of its MLPs.
        layers: Number of its blocks.
        heads: Query heads of each.
        vocab: Number of tokens it knows.
        kv_heads: Key heads of each block; as many as query heads where absent.
        head_dim: Dimensions of a head; ``hidden`` over ``heads`` where absent.
        qkv_bias: Whether queries, keys and values have biases.
        output_bias: Whether the attention's output has one.
        mlp_bias: Whether the MLP has biases.
        gated: Whether the MLP is of three matrices, else it is of two.
        activation: Of the MLP.
        others: Further fields of :class:`Architecture`. Learned ``positions`` exclude rotary ones.

    Raises:
        ValueError: If a field is out of range, or ``head_dim`` is absent and ``heads`` does not
            divide ``hidden``.
    """
    for label, value in (("layers", layers), ("heads", heads), ("hidden", hidden)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{label} must be a positive integer, not {value!r}")
    if head_dim is None:
        if hidden % heads:
            raise ValueError(
                f"number of heads must divide the hidden size {hidden} where head_dim is absent,"
                f" not {heads}"
            )
        head_dim = hidden // heads
    attention = Attention(
        heads=heads, kv_heads=heads if kv_heads is None else kv_heads, head_dim=head_dim,
        bias=qkv_bias, output_bias=output_bias, rotary=0 if others.get("positions") else head_dim,
    )  # fmt: skip
    mlp = Mlp(intermediate=intermediate, gated=gated, activation=activation, bias=mlp_bias)
    return Architecture(
        name=name, hidden=hidden, vocab=vocab, kinds=(Block(attention=attention, mlp=mlp),),
        pattern=(0,) * layers, **others,  # type: ignore[arg-type]
    )  # fmt: skip


_FREE = frozenset({"window", "tied", "context", "source", "notes", "quantization"})
"""Fields in which a model of the LLaMA family may differ from LLaMA itself."""


_PARTS = {Mlp: "MLP", Attention: "attention", Block: "blocks"}


def unlike_llama(architecture: Architecture) -> str:
    """Say what distinguishes a model from the LLaMA family, for code that knows that family only.

    Returns:
        A sentence that names the field, such as ``gated in the MLP of gpt2 must be True as in
        LLaMA, not False``; empty if the model is built like LLaMA. Grouped key heads and tied
        embeddings are, and so are windows: what a mask hides is computed all the same.
    """
    name, first = architecture.name, architecture.block
    for block in architecture.kinds:
        for label, part, kind in (
            ("mlp", block.mlp, Mlp),
            ("attention", block.attention, Attention),
        ):
            if not isinstance(part, kind):
                own = type(part).__name__
                return f"{label} of {name} must be an {kind.__name__} as in LLaMA, not a {own}"
        if (
            replace(block, attention=replace(block.attention, window=first.attention.window))
            != first
        ):
            return f"blocks of {name} must be equal as in LLaMA"
    for found in (first.mlp, first.attention, first, architecture):
        for item in fields(found):
            if item.name not in _FREE and item.default is not MISSING:
                own = getattr(found, item.name)
                usual = first.attention.head_dim if item.name == "rotary" else item.default
                if own != usual:
                    what = "" if found is architecture else f" in the {_PARTS[type(found)]}"
                    accepted, given = (
                        repr(value) if value != "" else "none" for value in (usual, own)
                    )
                    return (
                        f"{item.name}{what} of {name} must be {accepted} as in LLaMA, not {given}"
                    )
    return ""


def llama_parts(architecture: Architecture) -> tuple[Attention, Mlp]:
    """Return attention and MLP of a model like LLaMA, for code that knows that family only.

    Raises:
        ValueError: If the model is not built like LLaMA; the message says in what.
    """
    if problem := unlike_llama(architecture):
        raise ValueError(problem)
    block = architecture.block
    assert isinstance(block.attention, Attention)
    assert isinstance(block.mlp, Mlp)
    return block.attention, block.mlp
