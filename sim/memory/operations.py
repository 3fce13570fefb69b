"""The operations of a transformer block and of the loss, as the usual implementations run them."""

from collections.abc import Sequence

from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.autograd import Op
from consilico.sim.memory.chain import Chain, Kernels, Trained
from consilico.sim.memory.entries import Size, ceil_div

__all__ = ["block_ops", "loss_ops"]


class _Chain(Chain):
    """A chain with norms, which an architecture has in its own form."""

    def __init__(self, kernels: Kernels, trained: Trained, tokens: Size, wide_norms: bool) -> None:
        super().__init__(kernels, trained, tokens)
        self.wide_norms = wide_norms

    def rms_norm(self, name: str, source: str, width: int) -> str:
        """Append a root-mean-square norm, fused or as transformers writes it out in float32."""
        n, e = width * self.tokens, self.k.residual_bytes
        parameter = name if name in self.t.trained else ""
        scale = ((f"{name} scale", 4 * self.tokens),)
        if self.k.implementation == "fused":
            return self.add(
                f"{name} result", source, bytes=e * n, saves=(source,), extra=scale,
                parameter=parameter, kind="activations: norm",
            )  # fmt: skip
        wide = self.cast(f"{name} input, float32", source, width, e, 4)
        old = self.k.implementation == "transformers-2023"
        self.add(
            f"{name} inverse root", wide, bytes=4 * self.tokens, saves=(wide,), extra=scale,
            back_scratch=8 * n, kind="activations: norm",
        )  # fmt: skip
        factor = source if old else wide
        wide = self.add(
            f"{name} normalized, float32", factor, f"{name} inverse root", bytes=4 * n,
            saves=(factor,), back_scratch=4 * n, kind="activations: norm",
        )  # fmt: skip
        if self.wide_norms:
            result = self.add(
                f"{name} result, float32", wide, bytes=4 * n, saves=(wide,) if parameter else (),
                parameter=parameter, back_scratch=4 * n, kind="activations: norm",
            )  # fmt: skip
            return self.cast(f"{name} result", result, width, 4, e)
        narrow = self.cast(f"{name} normalized", wide, width, 4, e)
        return self.add(
            f"{name} result", narrow, bytes=e * n, saves=(narrow,) if parameter else (),
            parameter=parameter, back_scratch=e * n, kind="activations: norm",
        )  # fmt: skip

    def layer_norm(self, name: str, source: str, width: int) -> str:
        """Append a layer norm, which PyTorch runs as one kernel."""
        parameter = name if name in self.t.trained else ""
        return self.add(
            f"{name} result", source, bytes=self.k.residual_bytes * width * self.tokens,
            saves=(source,), extra=((f"{name} mean and scale", 8 * self.tokens),),
            parameter=parameter, kind="activations: norm",
        )  # fmt: skip


def block_ops(
    arch: Architecture, kernels: Kernels, trained: Trained, tokens: Size, sequence: Size
) -> Sequence[Op]:
    """List the operations of one block, from its input ``x`` to its last result.

    Args:
        arch: The model.
        kernels: Its implementation.
        trained: What is trained in the block, and how.
        tokens: Batch times sequence.
        sequence: Tokens of a sequence.
    """
    c = _Chain(kernels, trained, tokens, arch.norm == "rms-float")
    e, r = kernels.bytes, kernels.residual_bytes
    h, f, q, k, t = arch.hidden, arch.intermediate, arch.query, arch.key, tokens
    norm = c.layer_norm if arch.norm == "layer" else c.rms_norm

    entry = norm("attention norm", "x", h)
    heads = {}
    for name, width in (("query", q), ("key", k), ("value", k)):
        head = c.linear(name, entry, h, width, r, "activations: attention")
        if name != "value" and not arch.positions:
            turned = e * width * t
            if kernels.implementation == "fused":
                head = c.add(f"{name}, rotated", head, bytes=turned)
            else:
                head = c.add(
                    f"{name}, rotated", head, bytes=turned,
                    scratch=2 * turned, back_scratch=2 * turned,
                )  # fmt: skip
        if width < q and kernels.repeats:
            head = c.add(f"{name} for every head", head, bytes=e * q * t)
        heads[name] = head
    attended = _attention(c, arch, heads, sequence)
    out = c.linear("attention output", attended, q, h, e, "activations: attention")
    c.add("x after attention", "x", out, passes=True, bytes=r * h * t)

    entry = norm("mlp norm", "x after attention", h)
    up = c.linear("up", entry, h, f, r, "activations: mlp")
    kind = "activations: mlp"
    if arch.gated:
        gate = c.linear("gate", entry, h, f, r, kind)
        if kernels.implementation == "fused":
            inner = c.add("gated", gate, up, bytes=e * f * t, saves=(gate, up), kind=kind)
        else:
            active = c.add("activated gate", gate, bytes=e * f * t, saves=(gate,), kind=kind)
            inner = c.add("gated", active, up, bytes=e * f * t, saves=(active, up), kind=kind)
    else:
        # Hugging Face's gelu_new is five operations, three of which keep a tensor of their own
        own = arch.activation == "gelu_new" and kernels.implementation != "fused"
        names = ("half of the input", "hyperbolic tangent", "tangent and one")
        extra = tuple((f"gelu: {name}", e * f * t) for name in names) if own else ()
        inner = c.add("activated", up, bytes=e * f * t, saves=(up,), extra=extra, kind=kind)
    out = c.linear("down", inner, f, h, e, kind)
    c.add("x after mlp", "x after attention", out, passes=True, bytes=r * h * t)
    return c.ops


def _attention(c: _Chain, arch: Architecture, heads: dict[str, str], sequence: Size) -> str:
    """Append scores, softmax and the weighted sum; the result has the width of all queries."""
    e, t, q = c.k.bytes, c.tokens, arch.query
    query, key, value = heads["query"], heads["key"], heads["value"]
    kind = "activations: attention"
    if c.k.attention != "eager":
        logs = 4 * arch.heads * t
        extra: tuple[tuple[str, Size], ...] = (("attention log-sums", logs),)
        if c.k.attention == "masked":
            extra = (*extra, ("attention mask", e * t * sequence))
        return c.add(
            "attended", query, key, value, bytes=e * q * t,
            saves=(query, key, value, "attended"), extra=extra, back_scratch=logs, kind=kind,
        )  # fmt: skip
    scores = arch.heads * t * sequence
    kind = "activations: attention scores"
    product = c.add(
        "scores", query, key, bytes=e * scores, saves=(query, key), kind="activations: attention"
    )
    scaled = c.add("scaled scores", product, bytes=e * scores)
    masked = c.add("masked scores", scaled, passes=False, bytes=e * scores)
    wide = c.add(
        "attention weights, float32", masked, bytes=4 * scores,
        scratch=4 * scores if e != 4 and c.k.converts_scores else 0,
        back_scratch=(4 - e) * scores,  # its gradient in float32 before it is converted
        saves=("attention weights, float32",), kind=kind,
    )  # fmt: skip
    weights = wide
    if e != 4:
        weights = c.add("attention weights", wide, bytes=e * scores)
    summed = c.add(
        "weighted values", weights, value, bytes=e * q * t, saves=(weights, value), kind=kind
    )
    return c.add("attended", summed, bytes=e * q * t)


def loss_ops(arch: Architecture, kernels: Kernels, trained: Trained, tokens: Size) -> Sequence[Op]:
    """List the operations of final norm, output layer and cross entropy, from ``x`` to ``loss``."""
    c = _Chain(kernels, trained, tokens, arch.norm == "rms-float")
    e, r, h, v = kernels.bytes, kernels.residual_bytes, arch.hidden, arch.vocab
    if arch.post_norm:
        entry = "x"
    else:
        norm = c.layer_norm if arch.norm == "layer" else c.rms_norm
        entry = norm("final norm", "x", h)
    logits = v * tokens
    kind = "activations: logits"
    if kernels.loss == "fused":
        # one slice of the tokens at a time, as many as make its logits as large as the input;
        # the gradient of the input is made in the forward pass
        part = ceil_div(tokens * h, v) * v
        c.add(
            "loss", entry, bytes=4, extra=(("gradient of the last hidden state", r * h * tokens),),
            scratch=(e + 4) * part, parameter="output layer", kind=kind,
        )  # fmt: skip
        return c.ops
    product = c.linear("output layer", entry, h, v, r, "activations: logits")
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
    return c.ops
