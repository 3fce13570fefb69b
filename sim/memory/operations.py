"""The operations of a transformer block and of the loss, as the usual implementations run them."""

from collections.abc import Sequence

import numpy as np

from consilico.sim.memory.architecture import Architecture, Block
from consilico.sim.memory.attention_operations import attention
from consilico.sim.memory.autograd import Op
from consilico.sim.memory.chain import Chain, Kernels, Trained
from consilico.sim.memory.entries import Size, ceil_div, least
from consilico.sim.memory.mlp_operations import mlp
from consilico.sim.memory.norm_operations import norm, normed_bytes

__all__ = ["attention_weights", "block_ops", "logits_of", "loss_ops"]


def block_ops(
    arch: Architecture,
    block: Block,
    kernels: Kernels,
    trained: Trained,
    tokens: Size,
    sequence: Size,
) -> Sequence[Op]:
    """List the operations of one block, from its input ``x`` to its last result.

    Args:
        arch: The model.
        block: The kind of block.
        kernels: Its implementation.
        trained: What is trained in the block, and how.
        tokens: Batch times sequence.
        sequence: Tokens of a sequence.
    """
    c = Chain(kernels, trained, tokens)
    h, r = arch.hidden, kernels.residual_bytes
    size, n = r * h * tokens, normed_bytes(c, arch.norm, r)

    def normed(name: str, source: str) -> str:
        return norm(c, arch.norm, name, source, h, r)

    def finished(name: str, result: str) -> str:
        """Append what happens to a result before it is added to the block's input."""
        if block.norms in ("after", "around"):
            result = norm(c, arch.norm, f"{name} result norm", result, h, kernels.bytes)
        if block.scaled:
            result = c.add(f"{name} result, scaled", result, bytes=kernels.bytes * h * tokens)
        return result

    def added(makes: str, source: str, result: str) -> str:
        """Append the sum of a result and of what has the type of the block's input."""
        return c.add(makes, source, c.term(result, size), passes=True, bytes=size)

    def attended(source: str, source_bytes: int) -> str:
        result = attention(c, block.attention, source, h, source_bytes, sequence)
        c.hold(source)  # by the block, as long as the attention runs
        return finished("attention", result)

    def computed(source: str, source_bytes: int) -> str:
        result = mlp(c, block.mlp, source, h, source_bytes)
        if "input" in block.named:
            c.hold(source)
        if weights := attention_weights(c.ops):
            c.hold(weights.makes)  # the attention hands them back
        return finished("mlp", result)

    if block.norms in ("shared", "parallel"):
        entry = normed("attention norm", "x")
        first = attended(entry, n)
        if block.norms == "parallel":
            entry = normed("mlp norm", "x")
        second = computed(entry, n)
        if block.results_first:
            narrow = kernels.float_bytes * h * tokens
            both = c.add("attention and mlp", first, second, passes=True, bytes=narrow)
            added("x after mlp", "x", both)
        else:
            added("x after mlp", added("x after attention", "x", first), second)
    elif block.norms == "after":
        middle = added("x after attention", "x", attended("x", r))
        added("x after mlp", middle, computed(middle, r))
    else:
        entry = normed("attention norm", "x")
        first = attended(entry, n)
        middle = added("x after attention", "x", first)
        second = computed(normed("mlp norm", middle), n)
        for what, name in (("attention", first), ("attention norm", entry)):
            if what in block.named:
                c.hold(name)
        added("x after mlp", middle, second)
    return c.ops


def attention_weights(ops: Sequence[Op]) -> Op | None:
    """Return the operation of a block that makes the attention weights which it hands back.

    None: A kernel makes no such tensor.
    """
    found = [op for op in ops if op.makes.startswith("attention weights")]
    return found[-1] if found else None


def logits_of(arch: Architecture) -> str:
    """Return the name of the operation that makes the logits which the program keeps."""
    names = {"plain": "output layer", "scaled": "scaled logits", "capped": "capped logits"}
    return names[arch.logits]


def loss_ops(arch: Architecture, kernels: Kernels, trained: Trained, tokens: Size) -> Sequence[Op]:
    """List the operations of final norm, output layer and cross entropy, from ``x`` to ``loss``."""
    c = Chain(kernels, trained, tokens)
    e, r, h, v = kernels.float_bytes, kernels.residual_bytes, arch.hidden, arch.vocab
    bare = arch.post_norm or not arch.final_norm
    entry = "x" if bare else norm(c, arch.norm, "final norm", "x", h, r)
    r = r if bare else normed_bytes(c, arch.norm, r)
    width = arch.embedding_width or h
    if width != h:
        entry = c.linear("result, narrowed", entry, h, width, r, "activations: logits")
    logits = v * tokens
    kind = "activations: logits"
    if kernels.loss == "fused":
        # one slice of the tokens at a time, as many as make its logits as large as the input;
        # the gradient of the input is made in the forward pass
        part = ceil_div(tokens * h, v) * v
        c.add(
            "loss", entry, bytes=4, extra=(("gradient of the last hidden state", r * h * tokens),),
            scratch=(e + 4) * part, parameter="output layer", kind=kind,
            copied=2 * v * h if kernels.copies else 0,
        )  # fmt: skip
        return c.ops
    if kernels.loss == "liger":
        _liger(c, entry, width, v, r)
        return c.ops
    if kernels.loss == "cut":
        # two numbers per token and nothing of the size of logits, forward or backward
        c.add(
            "loss", entry, bytes=4, saves=(entry,), extra=(("log-sums of logits", 4 * tokens),),
            parameter="output layer", kind=kind,
        )  # fmt: skip
        return c.ops
    product = c.linear("output layer", entry, width, v, r, "activations: logits")
    if arch.logits != "plain":
        product = c.add("scaled logits", product, bytes=e * logits)
    if arch.logits == "capped":
        product = c.add(
            "tangent of logits", product, bytes=e * logits, saves=("tangent of logits",), kind=kind
        )
        product = c.add("capped logits", product, bytes=e * logits)
    if kernels.loss == "compiled":
        c.add("loss", product, bytes=4, saves=(product,), kind=kind)
        return c.ops
    wide = c.cast("logits, float32", product, v, e, 4)
    if kernels.loss == "in-place":
        # the loss keeps the shifted copy, and its gradient takes the place of the copy: as a view
        own = c.add("logits, shifted", wide, bytes=4 * logits)
        c.add("loss", own, passes=True, bytes=4)
        return c.ops
    c.add("log-probabilities", wide, bytes=4 * logits, saves=("log-probabilities",), kind=kind)
    c.add("loss", "log-probabilities", bytes=4)
    c.hold(entry)  # by the model's answer
    return c.ops


def _liger(c: Chain, entry: str, width: int, vocab: int, entry_bytes: int) -> None:
    """Append Liger's fused output layer and loss (liger-kernel 0.8.5, ``ops``).

    Tokens go through in slices of a power of two, whose logits are about as large as the input and
    become their own gradient in place. The gradients of the input and of the output layer are made
    forward, and handed on backward.
    """
    tokens, e = c.tokens, c.k.float_bytes
    each = ceil_div(tokens, ceil_div(vocab, width))
    part = least(_power_of_two(each), tokens)
    made = [("gradient of the last hidden state", entry_bytes * width * tokens)]
    back: Size = 0
    if "output layer" in c.t.trained:
        made.append(("gradient of the output layer, made forward", e * vocab * width))
        back = -e * vocab * width  # it is that gradient, and not a further one
    c.add(
        "loss", entry, bytes=4, extra=tuple(made), scratch=e * part * vocab, back_scratch=back,
        parameter="output layer", kind="activations: logits",
        copied=2 * vocab * width if c.k.copies else 0,
    )  # fmt: skip


def _power_of_two(size: Size) -> Size:
    """Return the least power of two that is not below a size of at least 1."""
    if isinstance(size, int):
        return 1 << (size - 1).bit_length()
    return 2.0 ** np.ceil(np.log2(size))
