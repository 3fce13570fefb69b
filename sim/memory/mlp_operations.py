"""The operations of an MLP, and of a mixture of experts."""

from dataclasses import replace

from consilico.sim.memory.architecture import Mixture, Mlp
from consilico.sim.memory.chain import Chain
from consilico.sim.memory.entries import Size

__all__ = ["mlp"]

_KIND = "activations: mlp"
_EXPERTS = "activations: experts"
_KEEPS_RESULT = ("relu", "relu2")
_WRITTEN_OUT = ("gelu_new", "gelu_fast")
"""Activations that transformers computes by an operation for each step of their formula."""


def mlp(c: Chain, part: Mlp | Mixture, source: str, hidden: int, source_bytes: int) -> str:
    """Append an MLP or a mixture of them, and return the name of its result.

    Args:
        c: The chain.
        part: The MLP's shape.
        source: Its input.
        hidden: Elements of the input, and of the result, per token.
        source_bytes: Bytes of an element of the input.
    """
    if isinstance(part, Mixture):
        return _mixture(c, part, source, hidden, source_bytes)
    return _mlp(c, part, source, hidden, source_bytes)


def _mlp(c: Chain, part: Mlp, source: str, hidden: int, source_bytes: int, prefix: str = "") -> str:
    """Append a single MLP, whose parameters' names begin with ``prefix``."""
    f, r, made = part.intermediate, source_bytes, _active_bytes(c, part.activation)
    if part.gated and part.fused:
        both = c.linear(f"{prefix}gate and up", source, hidden, 2 * f, r, _KIND)
        inner = _split_and_gated(c, part.activation, both, f * c.tokens, _KIND, prefix)
    elif part.gated:
        gate = c.linear(f"{prefix}gate", source, hidden, f, r, _KIND)
        if c.k.implementation != "fused":
            gate = _active(c, part.activation, gate, f * c.tokens, _KIND, f"{prefix}activated gate")
        up = c.linear(f"{prefix}up", source, hidden, f, r, _KIND)
        inner = _gated(c, part.activation, gate, up, f * c.tokens, _KIND, prefix)
    else:
        up = c.linear(f"{prefix}up", source, hidden, f, r, _KIND)
        inner = _active(c, part.activation, up, f * c.tokens, _KIND, f"{prefix}activated")
    return c.linear(f"{prefix}down", inner, f, hidden, made, _KIND)


def _active_bytes(c: Chain, activation: str) -> int:
    """Return the bytes of an element of what an activation makes.

    CUDA's autocast raises to a power in float32 (aten/src/ATen/autocast_mode.h), and what is made
    of that stays float32.
    """
    widened = activation == "gelu_new" and c.k.autocast and c.k.implementation != "fused"
    return 4 if widened else c.k.bytes


def _active(c: Chain, activation: str, source: str, number: Size, kind: str, makes: str) -> str:
    """Append an activation function of ``number`` elements."""
    size = c.k.bytes * number
    if activation in _KEEPS_RESULT:
        result = f"{makes}, not squared" if activation == "relu2" else makes
        c.add(result, source, bytes=size, saves=(result,), kind=kind)
        if activation == "relu2":
            c.add(makes, result, bytes=size, saves=(result,), kind=kind, back_scratch=2 * size)
        return makes
    if c.k.implementation != "fused":
        if activation in _WRITTEN_OUT:
            return _written_out(c, activation, source, number, kind, makes)
        if activation == "quick_gelu":
            sigmoid = ((f"{makes}: sigmoid", size),)
            return c.add(makes, source, bytes=size, saves=(source,), extra=sigmoid, kind=kind)
        if activation == "gelu_bloom":  # its backward pass is written out: four more at its widest
            return c.add(
                makes, source, bytes=size, saves=(source,), scratch=3 * size,
                back_scratch=4 * size, kind=kind,
            )  # fmt: skip
    return c.add(makes, source, bytes=size, saves=(source,), kind=kind)


def _written_out(
    c: Chain, activation: str, source: str, number: Size, kind: str, makes: str
) -> str:
    """Append a GELU by tangent, one operation after the other (transformers, ``activations.py``).

    ``gelu_new`` is x / 2 (1 + tanh(a (x + b x^3))), ``gelu_fast`` x / 2 (1 + tanh(a x (1 + b x x)))
    """
    e, w = c.k.bytes, _active_bytes(c, activation)
    size, wide = e * number, w * number
    name = f"{makes}: {{}}".format
    half = c.add(name("half of the input"), source, bytes=size)
    if activation == "gelu_new":
        base = source
        if w != e:
            base = c.add(name("input, float32"), source, bytes=wide)
        cube = c.add(
            name("cube"), base, bytes=wide, saves=(base,), back_scratch=2 * wide, kind=kind
        )
        cube = c.add(name("cube, scaled"), cube, bytes=wide)
        # the sum converts its term as it reads it, and backward the term's gradient
        term = source if w == e else c.add(name("input, as a term"), source)
        inner = c.add(name("sum"), term, cube, bytes=wide, passes=True)
        inner = c.add(name("sum, scaled"), inner, bytes=wide)
    else:
        scaled = c.add(name("input, scaled"), source, bytes=size)
        small = c.add(name("input, scaled down"), source, bytes=size)
        square = c.add(name("square"), small, source, bytes=size, saves=(small, source), kind=kind)
        factor = c.add(name("square and one"), square, bytes=size)
        inner = c.add(
            name("product"), scaled, factor, bytes=size, saves=(scaled, factor), kind=kind
        )
    tangent = name("hyperbolic tangent")
    c.add(tangent, inner, bytes=wide, saves=(tangent,), kind=kind)
    more = c.add(name("tangent and one"), tangent, bytes=wide)
    return c.add(
        makes, half, more, bytes=wide, saves=(half, more), kind=kind, back_scratch=wide - size,
        back_casts=size if w != e else 0,
    )  # fmt: skip


def _gated(
    c: Chain, activation: str, gate: str, up: str, number: Size, kind: str, prefix: str
) -> str:
    """Append the product of an activated gate and what it gates.

    A fused kernel activates the gate itself, and is given it as it is.
    """
    fused = c.k.implementation == "fused"
    element = c.k.bytes if fused else _active_bytes(c, activation)
    return c.add(f"{prefix}gated", gate, up, bytes=element * number, saves=(gate, up), kind=kind)


def _split_and_gated(
    c: Chain, activation: str, both: str, number: Size, kind: str, prefix: str
) -> str:
    """Append the halves of a product as gate and what it gates; they share its storage."""
    gate, up, size = f"{prefix}gate", f"{prefix}up", c.k.bytes * number
    if activation == "gpt-oss":
        return _clamped_and_gated(c, both, size, kind, prefix)
    c.add(gate, both, bytes=size, part=True, also=((up, size),))
    if c.k.implementation != "fused":
        gate = _active(c, activation, gate, number, kind, f"{prefix}activated gate")
    return _gated(c, activation, gate, up, number, kind, prefix)


def _clamped_and_gated(c: Chain, both: str, size: Size, kind: str, prefix: str) -> str:
    """Append GPT-OSS's gate: every second element of a product, clamped, as one operation each."""
    gate, up = f"{prefix}gate", f"{prefix}up"
    for name in (gate, up):
        c.add(name, both, bytes=size, part=True)
        c.add(f"{name}, clamped", name, bytes=size, saves=(name,), kind=kind)
    sigmoid = c.add(
        f"{gate}, sigmoid", f"{gate}, clamped", bytes=size, saves=(f"{gate}, sigmoid",),
        scratch=size, kind=kind,
    )  # fmt: skip
    active = c.add(
        f"{prefix}activated gate", f"{gate}, clamped", sigmoid, bytes=size,
        saves=(f"{gate}, clamped", sigmoid), kind=kind,
    )  # fmt: skip
    more = c.add(f"{up} and one", f"{up}, clamped", bytes=size)
    gated = c.add(f"{prefix}gated", more, active, bytes=size, saves=(more, active), kind=kind)
    c.hold(f"{up}, clamped")
    return gated


def _mixture(c: Chain, part: Mixture, source: str, hidden: int, source_bytes: int) -> str:
    """Append a mixture of experts, as transformers 5 runs it: products of all experts in one call.

    Each token is copied for each of its experts, sorted by expert, taken through two grouped
    products, weighted, brought back to its place and summed. No token is dropped and none is added
    to fill an expert: there is no capacity. Llama 4 takes all tokens through all experts instead.
    Autocast leaves a grouped product in the type of the experts' matrices.
    """
    kernels, t = c.k, c.tokens

    def run_shared() -> str:
        if part.shared is None:
            return ""
        return _mlp(c, part.shared, source, hidden, source_bytes, "shared ")

    shared = run_shared() if part.shared_gate else ""
    weights = _router(c, part, source, hidden, source_bytes)
    if part.whole:
        down = _every_expert(c, part, source, weights, hidden, source_bytes)
        shared = run_shared()
        summed = 4 if c.k.autocast else c.k.bytes  # autocast sums in float32
        copy = summed * part.experts * hidden * t if summed != c.k.bytes else 0
        result = c.add("mixture", down, bytes=summed * hidden * t, scratch=copy)
    else:
        c.k = replace(kernels, bytes=kernels.residual_bytes, copies=False)
        result = _chosen_experts(c, part, source, weights, hidden, source_bytes)
        c.k = kernels
        shared = shared or run_shared()
    e = c.k.bytes
    if part.shared_gate:
        weight = c.linear("shared expert's weight", source, hidden, 1, source_bytes, _EXPERTS)
        shared = c.add(
            "shared, weighted", shared, weight, bytes=e * hidden * t, saves=(shared,),
            extra=(("shared expert's sigmoid", e * t),), kind=_EXPERTS,
            back_scratch=e * hidden * t,
        )  # fmt: skip
    if shared:
        size = hidden * t * (e if part.whole else max(e, source_bytes))
        terms = c.term(result, size), c.term(shared, size)
        result = c.add("mixture and shared", *terms, bytes=size, passes=True)
    return result


def _every_expert(
    c: Chain, part: Mixture, source: str, weights: str, hidden: int, source_bytes: int
) -> str:
    """Append the products of all tokens, weighted, with all experts; return the last one's name."""
    e, copies = c.k.bytes, part.experts * c.tokens
    size = source_bytes * hidden * copies
    given = c.add("tokens for each expert", source, bytes=size)
    weighted = c.add(
        "tokens, weighted", given, weights, bytes=size, saves=(given,), kind=_EXPERTS,
        back_scratch=size,
    )  # fmt: skip
    own = weighted
    if source_bytes != e:  # by autocast, which keeps it for the product alone
        own = c.add("tokens, weighted, as the experts", weighted, bytes=e * hidden * copies)
    down, *_ = _experts(c, part, own, hidden, copies)
    c.hold(weighted)
    return down


def _chosen_experts(
    c: Chain, part: Mixture, source: str, weights: str, hidden: int, source_bytes: int
) -> str:
    """Append the products of each token with the experts chosen for it, and the results' sum.

    Backward, the gradients of weights per token are summed, and that of what is weighted is cast,
    once both are there in the size and the type of the product (``validate_outputs``).
    """
    e, t = c.k.bytes, c.tokens
    copies, wide = part.chosen * t, 4 if part.wide_scores else e
    chosen = c.add(
        "tokens by expert", source, bytes=source_bytes * hidden * copies, kind=_EXPERTS,
        extra=(("order of tokens", 8 * copies),),
    )  # fmt: skip
    own = chosen
    if source_bytes != e:
        own = c.add("tokens by expert, as the experts", chosen, bytes=e * hidden * copies)
    down, *biases = _experts(c, part, own, hidden, copies)
    weighted = c.add(
        "weighted results", down, weights, bytes=wide * hidden * copies, saves=(down,),
        extra=(("weights of results", wide * copies),), kind=_EXPERTS,
        back_scratch=(wide + wide - e) * hidden * copies,
        back_casts=e * hidden * copies if wide != e else 0,
    )  # fmt: skip
    back = c.add("results by token", weighted, bytes=wide * hidden * copies)
    summed = c.add("sum of experts", back, bytes=wide * hidden * t)
    for name in (chosen, *biases, down):  # which the program has names for until then
        c.hold(name)
    return c.cast("mixture", summed, hidden, wide, source_bytes)


def _experts(c: Chain, part: Mixture, own: str, hidden: int, copies: Size) -> list[str]:
    """Append the experts' products; return the last one's name, and that of its biases by token.

    Biases are copied for each token. The program keeps a copy until the next one is made.
    """
    expert, e = part.expert, c.k.bytes
    width, matrix = expert.intermediate * copies, e * part.experts * expert.intermediate * hidden
    biases = "experts' biases by token"
    if expert.bias:
        c.add(biases, bytes=(2 if expert.gated else 1) * e * width)
    if expert.gated:
        both = _stacked(c, "experts' gate and up", own, 2 * e * width, 2 * matrix)
        inner = _split_and_gated(c, expert.activation, both, width, _EXPERTS, "experts' ")
    else:
        up = _stacked(c, "experts' up", own, e * width, matrix)
        inner = _active(c, expert.activation, up, width, _EXPERTS, "experts' activated")
    more = []
    if expert.bias:
        more.append(c.add("experts' biases of down by token", bytes=e * hidden * copies))
        c.hold(biases)
    return [_stacked(c, "experts' down", inner, e * hidden * copies, matrix), *more]


def _router(c: Chain, part: Mixture, source: str, hidden: int, source_bytes: int) -> str:
    """Append the router up to the weights of the chosen experts, and return their name."""
    t, n = c.tokens, part.experts
    if part.router_layer:
        narrow = c.linear("router", source, hidden, n, source_bytes, _EXPERTS)
        logits = c.cast("router, float32", narrow, n, c.k.bytes, 4)
    else:
        # whatever its operands are converted to, autocast converts them again
        e = 4 if part.wide_router and not c.k.autocast else c.k.product_bytes
        given = c.cast("router input", source, hidden, source_bytes, e)
        product = _stacked(c, "router", given, e * n * t, e * n * hidden)
        logits = c.cast("router, float32", product, n, e, 4)
    scores = c.add(
        "scores of experts", logits, bytes=4 * n * t, saves=("scores of experts",), kind=_EXPERTS
    )
    return c.add(
        "weights of experts", scores, bytes=4 * part.chosen * t, kind=_EXPERTS,
        extra=(("chosen experts", 8 * part.chosen * t),),
    )  # fmt: skip


def _stacked(c: Chain, name: str, source: str, size: Size, weight: Size) -> str:
    """Append the product with a parameter that is no layer: a router, or a stack of experts.

    The products of all experts with their own tokens are one call. Adapters of such a parameter are
    multiplied out and added to its ``weight`` bytes in one operation before the product, which
    keeps the sum (peft's ParamWrapper).
    """
    if name in c.t.adapted:
        whole = c.add(f"{name} and adapter", bytes=weight, parameter=name, trains=True)
        return c.add(
            name, source, whole, bytes=size, saves=(source, whole), kind="activations: adapters"
        )
    trained = name in c.t.trained
    return c.add(
        name, source, bytes=size, saves=(source,) if trained else (),
        parameter=name if trained else "", weighs=True, kind=_EXPERTS,
        copied=weight if c.k.copies else 0,
    )  # fmt: skip
