"""The operations of attention: queries, keys and values, their positions, scores, and the sum."""

from consilico.sim.memory.architecture import Attention, LatentAttention
from consilico.sim.memory.chain import Chain, Kernels
from consilico.sim.memory.entries import Size, least
from consilico.sim.memory.norm_operations import norm, normed_bytes

__all__ = ["adds_to_bias", "attention", "is_kernel"]

_KIND = "activations: attention"
_SCORES = "activations: attention scores"


def attention(
    c: Chain,
    part: Attention | LatentAttention,
    source: str,
    hidden: int,
    source_bytes: int,
    sequence: Size,
) -> str:
    """Append an attention, and return the name of its result.

    Args:
        c: The chain.
        part: The attention's shape.
        source: Its input.
        hidden: Elements of the input, and of the result, per token.
        source_bytes: Bytes of an element of the input.
        sequence: Tokens of a sequence.
    """
    if isinstance(part, LatentAttention):
        heads = _latent(c, part, source, hidden, source_bytes)
    else:
        heads = _heads(c, part, source, hidden, source_bytes, sequence)
    attended = _attend(c, part, heads, sequence)
    result = c.linear("attention output", attended, part.result, hidden, c.k.float_bytes, _KIND)
    if part.scores == "biased":  # its code has a name for them
        c.hold("masked scores")
    return result


def _heads(
    c: Chain, part: Attention, source: str, hidden: int, source_bytes: int, sequence: Size
) -> tuple[str, str, str]:
    """Append queries, keys and values, and return their names."""
    q, k, t, e = part.query, part.key, c.tokens, c.k.bytes
    whole = ""
    if part.fused:
        name = "query, key and value"
        whole = c.linear(name, source, hidden, q + 2 * k, source_bytes, _KIND)
    if part.fused in ("split", "copies"):
        strided = ", strided" if part.fused == "copies" else ""
        c.add(
            f"query{strided}", whole, bytes=e * q * t, part=True,
            also=((f"key{strided}", e * k * t), (f"value{strided}", e * k * t)),
        )  # fmt: skip
    heads = []
    for name, width, number in (
        ("query", q, part.heads), ("key", k, part.kv_heads), ("value", k, part.kv_heads),
    ):  # fmt: skip
        head = name
        if part.fused == "slices":
            c.add(name, whole, bytes=e * width * t, part=True)
        elif part.fused == "copies":
            c.add(name, f"{name}, strided", bytes=e * width * t)
        elif not part.fused:
            head = c.linear(name, source, hidden, width, source_bytes, _KIND)
        if part.spread and name != "query":
            head, width, number = (
                c.add(f"{name} for every head", head, bytes=e * q * t),
                q,
                part.heads,
            )
        if name != "value":
            if part.norm:
                vectors = 1 if part.norm_of == "whole" else number
                head = norm(c, part.norm, f"{name} norm", head, width, e, vectors)
                made = normed_bytes(c, part.norm, e)
                head = c.cast(f"{name}, normed", head, width, made, e)
            if part.rotary:
                head = _rotated(c, part, name, head, number, sequence)
        written_out = _is_written_out(c.k, part)
        if width < q and (c.k.repeats or written_out):
            view = part.kv_heads == 1 and not written_out  # fused kernels take one as it is
            head = c.add(f"{name} for every head", head, bytes=e * q * t, part=view)
        heads.append(head)
    return heads[0], heads[1], heads[2]


def _rotated(c: Chain, part: Attention, name: str, source: str, heads: int, sequence: Size) -> str:
    """Append the rotary position embedding of ``heads`` heads per token."""
    e, t = c.k.bytes, c.tokens
    size, turned = e * heads * part.head_dim * t, e * heads * part.rotary * t
    makes = f"{name}, rotated"
    if c.k.fuses_norms:
        return c.add(makes, source, bytes=size)
    own: tuple[tuple[str, Size], ...] = ()
    if part.angles.startswith("own each" if name == "key" else "own"):
        element = 4 if part.angles.endswith("float32") else c.k.residual_bytes
        own = ((f"rotary angles of the block, {name}", 2 * element * part.rotary * sequence),)
    if part.joined:  # backward what was turned and the rest are padded to the whole
        return c.add(
            makes, source, bytes=size, scratch=turned, back_scratch=2 * turned + size, extra=own,
            kind=_KIND,
        )  # fmt: skip
    return c.add(
        makes, source, bytes=size, scratch=2 * turned, back_scratch=2 * turned, extra=own,
        kind=_KIND,
    )  # fmt: skip


def _latent(
    c: Chain, part: LatentAttention, source: str, hidden: int, source_bytes: int
) -> tuple[str, str, str]:
    """Append queries, keys and values that are made from short vectors, and return their names."""
    e, t, short, turning = c.k.bytes, c.tokens, part.key_rank, part.rotary
    given, width, given_bytes = source, hidden, source_bytes
    if part.query_rank:
        narrow = c.linear("query, shortened", source, hidden, part.query_rank, source_bytes, _KIND)
        given = norm(c, "rms", "query norm", narrow, part.query_rank, e)
        width, given_bytes = part.query_rank, normed_bytes(c, "rms", e)
    query = c.linear("query", given, width, part.query, given_bytes, _KIND)
    plain, turned = e * part.heads * part.plain * t, e * part.heads * turning * t
    c.add("query, plain", query, bytes=plain, part=True, also=(("query, turning", turned),))

    narrow = c.linear(
        "key and value, shortened", source, hidden, short + turning, source_bytes, _KIND
    )
    c.add(
        "key and value, latent", narrow, bytes=e * short * t, part=True,
        also=(("key, turning", e * turning * t),),
    )  # fmt: skip
    latent = norm(c, "rms", "key and value norm", "key and value, latent", short, e)
    for name, size in (("query", turned), ("key", e * turning * t)):
        c.add(
            f"{name}, turned", f"{name}, turning", bytes=size, scratch=2 * size,
            back_scratch=2 * size,
        )  # fmt: skip
    query = c.add("query, joined", "query, plain", "query, turned", bytes=plain + turned)
    wide = c.linear(
        "key and value", latent, short, part.heads * (part.plain + part.value),
        normed_bytes(c, "rms", e), _KIND,
    )  # fmt: skip
    values = e * part.heads * part.value * t
    c.add("key, plain", wide, bytes=plain, part=True, also=(("value", values),))
    key = c.add("key, joined", "key, plain", "key, turned", bytes=plain + turned)
    return query, key, "value"


def _attend(
    c: Chain, part: Attention | LatentAttention, heads: tuple[str, str, str], sequence: Size
) -> str:
    """Append scores, softmax and the weighted sum; the result has the width of all values."""
    e, t, width = c.k.float_bytes, c.tokens, part.result
    query, key, value = heads
    if c.k.bytes != e:  # autocast converts what layers of bitsandbytes hand back as they got it
        sizes = (part.query, part.query, width)
        if isinstance(part, Attention) and not c.k.repeats:
            sizes = (part.query, part.key, part.key)
        query, key, value = (
            c.cast(f"{name}, for attention", head, size, c.k.bytes, e)
            for name, head, size in zip(("query", "key", "value"), heads, sizes, strict=True)
        )
    if _is_written_out(c.k, part):
        return _written_out(c, part, (query, key, value), sequence)
    if part.held == "products":
        return _by_products(c, part, (query, key, value), sequence)
    logs, masked = 4 * part.heads * t, c.k.attention == "masked" or part.masked
    extra: tuple[tuple[str, Size], ...] = (("attention log-sums", logs),)
    if masked:
        extra = (*extra, ("attention mask", e * t * sequence))
    attended = c.add(
        "attended", query, key, value, bytes=e * width * t,
        saves=(query, key, value, "attended"), extra=extra, back_scratch=logs, kind=_KIND,
        flops=2 * (part.query + width) * t * _seen(part.window, sequence / c.k.packed),
    )  # fmt: skip
    if isinstance(part, Attention) and part.joined and not masked:
        # the kernel's result has the queries' layout: the output layer takes a copy by tokens
        attended = c.add("attended, by token", attended, bytes=e * width * t)
    return attended


def is_kernel(kernels: Kernels, part: Attention | LatentAttention) -> bool:
    """Tell whether scores, softmax and weighted sum are one operation."""
    return part.held != "products" and not _is_written_out(kernels, part)


def adds_to_bias(part: Attention | LatentAttention) -> bool:
    """Tell whether the product of queries and keys is added to a bias in one operation (Bloom)."""
    own = part.held == "own" and part.scores != "biased"
    return own and isinstance(part, Attention) and part.alibi


def _is_written_out(kernels: Kernels, part: Attention | LatentAttention) -> bool:
    """Tell whether attention is the family's own code, one operation after the other."""
    return kernels.attention == "eager" or part.held == "own"


def _by_products(
    c: Chain, part: Attention | LatentAttention, heads: tuple[str, str, str], sequence: Size
) -> str:
    """Append attention as PyTorch does it without a fused kernel, in float32.

    As in ``_scaled_dot_product_attention_math`` (aten/src/ATen/native/transformers/attention.cpp):
    queries, keys and values are converted, and copied for all heads; all of them, and the mask in
    the run's type, live until it is done.
    """
    e, t, width = c.k.float_bytes, c.tokens, part.result
    query, key, value = heads
    key_width = part.key if isinstance(part, Attention) else part.query
    scores = part.heads * t * sequence
    mask = e * t * sequence
    query = c.cast("query, float32", query, part.query, e, 4)
    key = c.cast("key, float32", key, key_width, e, 4)
    value = c.cast("value, float32", value, key_width, e, 4)
    scaled = c.add("query, scaled", query, bytes=4 * part.query * t)
    small = c.add("key, scaled", key, bytes=4 * key_width * t)
    own = c.add("query, by head", scaled, bytes=4 * part.query * t)
    spread = c.add("key, by head", small, bytes=4 * part.query * t)
    product = c.add(
        "scores", own, spread, bytes=4 * scores, saves=(own, spread), kind=_KIND, scratch=mask,
        flops=2 * part.query * t * sequence,
    )  # fmt: skip
    masked = c.add("masked scores", product, bytes=4 * scores, scratch=mask)
    weights = c.add(
        "attention weights", masked, bytes=4 * scores, saves=("attention weights",), kind=_SCORES,
        scratch=mask, back_scratch=4 * scores,
    )  # fmt: skip
    values = c.add("value, by head", value, bytes=4 * width * t)
    # the weights are handed back, too, in the run's type
    handed = e * scores if e != 4 else 0
    summed = c.add(
        "weighted values", weights, values, bytes=4 * width * t, saves=(weights, values),
        kind=_SCORES, names=(query, key, value, scaled), scratch=mask + handed,
        flops=2 * width * t * sequence,
    )  # fmt: skip
    result = c.cast("weighted values, as the run", summed, width, 4, e)
    return c.add("attended", result, bytes=e * width * t)


def _written_out(
    c: Chain, part: Attention | LatentAttention, heads: tuple[str, str, str], sequence: Size
) -> str:
    """Append attention as the families' own code has it, one operation after the other."""
    e, t = c.k.float_bytes, c.tokens
    scores = part.heads * t * sequence
    s = e  # bytes of a score
    query, key, value = (_by_head(c, part, head) for head in heads)
    if part.scores == "float32":
        query = c.cast("query, float32", query, part.query, e, 4)
        key = c.cast("key, float32", key, part.query, e, 4)
        s = 4
        if c.k.autocast:  # which undoes that
            query = c.cast("query, as products", query, part.query, 4, e)
            key = c.cast("key, as products", key, part.query, 4, e)
            s = e
    product = c.add(
        "scores", query, key, bytes=s * scores, saves=(query, key), kind=_KIND,
        flops=2 * part.query * t * sequence,
    )  # fmt: skip
    if part.scores == "narrow":
        masked = c.add("masked scores", product, bytes=s * scores)
        weights = c.add(
            "attention weights", masked, bytes=s * scores, saves=("attention weights",),
            kind=_SCORES, names=(product,), back_scratch=s * scores,
        )  # fmt: skip
        return _summed(c, part, weights, value, sequence)
    scaled = c.add("scaled scores", product, bytes=s * scores)
    if part.scores == "biased":
        # the sum with a float32 bias converts them; masked_fill keeps the mask that all blocks have
        own = c.term(scaled, 4 * scores)
        biased = c.add("biased scores", own, bytes=4 * scores, passes=True)
        masked = c.add("masked scores", biased, bytes=4 * scores)
        wide = c.add(
            "attention weights, float32", masked, bytes=4 * scores, back_scratch=4 * scores,
            saves=("attention weights, float32",), kind=_SCORES,
        )  # fmt: skip
        weights = c.cast("attention weights", wide, part.heads * sequence, 4, e)
        return _summed(c, part, weights, value, sequence)
    if part.capped:
        scaled = c.add("scores over cap", scaled, bytes=s * scores)
        scaled = c.add(
            "tangent of scores", scaled, bytes=s * scores, saves=("tangent of scores",),
            kind=_SCORES,
        )  # fmt: skip
        scaled = c.add("capped scores", scaled, bytes=s * scores)
    # the mask has the type of the residual stream, which may be wider
    masked = c.add("masked scores", scaled, bytes=max(s, c.k.residual_bytes) * scores)
    if isinstance(part, Attention) and part.sinks:
        # the sink is a column more, which is cut off again; nothing is in float32 but what sinks in
        # float32 are joined with
        j = max(s, c.k.residual_bytes)
        joined = c.add("scores and sinks", masked, bytes=j * scores, scratch=j * scores)
        weights = c.add(
            "attention weights", joined, bytes=j * scores, saves=("attention weights",),
            kind=_SCORES,
        )  # fmt: skip
        weights = c.add("attention weights, cut", weights, bytes=j * scores, part=True)
        weights = c.cast("attention weights, as products", weights, part.heads * sequence, j, e)
        return _summed(c, part, weights, value, sequence)
    wide = c.add(
        "attention weights, float32", masked, bytes=4 * scores,
        scratch=4 * scores if s != 4 and c.k.converts_scores else 0,
        # CUDA's kernel makes the product of gradient and weights first, in float32
        # (aten/src/ATen/native/cuda/SoftMax.cu, softmax_backward_cuda_out); where the input was
        # converted, the gradient in float32 comes before its conversion
        back_scratch=(4 + (4 - s if c.k.converts_scores else 0)) * scores,
        saves=("attention weights, float32",), kind=_SCORES,
    )  # fmt: skip
    weights = wide
    if e != 4:
        weights = c.add("attention weights", wide, bytes=e * scores)
    return _summed(c, part, weights, value, sequence)


def _summed(
    c: Chain, part: Attention | LatentAttention, weights: str, value: str, sequence: Size
) -> str:
    """Append the sum of values by attention weights, and its copy by tokens."""
    size = c.k.float_bytes * part.result * c.tokens
    summed = c.add(
        "weighted values", weights, value, bytes=size, saves=(weights, value), kind=_SCORES,
        flops=2 * part.result * c.tokens * sequence,
    )  # fmt: skip
    return c.add("attended", summed, bytes=size)


def _by_head(c: Chain, part: Attention | LatentAttention, name: str) -> str:
    """Append the copy of queries, keys or values that a product by heads makes.

    It takes the place of the tensor itself, and so counts only where that is a part of another.
    """
    if isinstance(part, LatentAttention):
        width = part.result if name == "value" else 0
    else:
        widths = {"query": part.query, "key": part.key, "value": part.key}
        width = widths.get(name, 0) if part.fused else 0
    if not width:
        return name
    return c.add(f"{name}, by head", name, bytes=c.k.float_bytes * width * c.tokens)


def _seen(window: int, sequence: Size) -> Size:
    """Return the tokens that a token sees on average: of those before it, as many as a window has.

    That is half of a sequence without a window, and less the nearer a window is to one token.
    """
    width = least(window, sequence) if window else sequence
    return width - width * width / (2 * sequence)
