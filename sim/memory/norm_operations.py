"""The operations of norms, as PyTorch's kernels or as transformers writes them out."""

from consilico.sim.memory.chain import Chain

__all__ = ["norm", "normed_bytes"]

_KIND = "activations: norm"


def norm(
    c: Chain, kind: str, name: str, source: str, width: int, element: int, vectors: int = 1
) -> str:
    """Append a norm and return the name of its result, of :func:`normed_bytes` per element.

    Args:
        c: The chain.
        kind: One of :data:`consilico.sim.memory.architecture.NORMS`.
        name: Of the norm's weights.
        source: Its input.
        width: Elements of the input per token.
        element: Bytes of an element of the input.
        vectors: Number of vectors per token that these are; each is normed by itself.
    """
    if kind in ("rms", "rms-float", "l2"):
        return _rms(c, kind, name, source, width, element, vectors)
    if kind == "layer-float":
        return _written_out(c, name, source, width, element, vectors)
    back = kind == "layer-plain" and element != 4
    made = 4 if back else normed_bytes(c, kind, element)
    source = c.cast(f"{name} input, cast", source, width, element, made)
    result = c.add(
        f"{name} result, float32" if back else f"{name} result", source,
        bytes=made * width * c.tokens, saves=(source,),
        extra=((f"{name} mean and scale", 8 * vectors * c.tokens),),
        parameter=name if name in c.t.trained else "", kind=_KIND,
    )  # fmt: skip
    return c.cast(f"{name} result", result, width, 4, element) if back else result


def normed_bytes(c: Chain, kind: str, element: int) -> int:
    """Return the bytes of an element of what a norm makes of elements of ``element`` bytes.

    CUDA's autocast runs PyTorch's layer norm in float32 (aten/src/ATen/autocast_mode.h), unless its
    caller turns autocast off. LLaMA's norm is written out with its weights last, whose type its
    result then has if it is the wider one. All other norms hand back the type that they got.
    """
    if c.k.autocast and kind == "layer-narrow":
        return c.k.product_bytes
    if kind == "rms" and not c.k.fuses_norms:
        return max(element, c.k.residual_bytes)
    return 4 if c.k.autocast and kind in ("layer", "layer-unbiased") else element


def _rms(
    c: Chain, kind: str, name: str, source: str, width: int, element: int, vectors: int
) -> str:
    """Append a root-mean-square norm, fused or as transformers writes it out in float32."""
    n, e, few = width * c.tokens, element, 4 * vectors * c.tokens
    parameter = name if name in c.t.trained else ""
    scale = ((f"{name} scale", few),)
    if c.k.fuses_norms:
        return c.add(
            f"{name} result", source, bytes=e * n, saves=(source,), extra=scale,
            parameter=parameter, kind=_KIND,
        )  # fmt: skip
    given = c.cast(f"{name} input, float32", source, width, e, 4)
    old = c.k.implementation == "transformers-2023"
    c.add(
        f"{name} inverse root", given, bytes=few, saves=(given,), extra=scale,
        back_scratch=12 * n, kind=_KIND,
    )  # fmt: skip
    factor = source if old else given
    normal = c.add(
        f"{name} normalized, float32", factor, f"{name} inverse root", bytes=4 * n,
        saves=(factor,), back_scratch=4 * n, kind=_KIND,
    )  # fmt: skip
    if kind == "l2":
        return c.cast(f"{name} result", normal, width, 4, e)
    if kind == "rms-float":
        result = c.add(
            f"{name} result, float32", normal, bytes=4 * n, saves=(normal,) if parameter else (),
            parameter=parameter, weighs=True, back_scratch=4 * n, kind=_KIND,
        )  # fmt: skip
        return c.cast(f"{name} result", result, width, 4, e)
    narrow = c.cast(f"{name} normalized", normal, width, 4, e)
    made = normed_bytes(c, kind, e) * n
    return c.add(
        f"{name} result", narrow, bytes=made, saves=(narrow,) if parameter else (),
        parameter=parameter, weighs=True, back_scratch=made, kind=_KIND,
    )  # fmt: skip


def _written_out(c: Chain, name: str, source: str, width: int, element: int, vectors: int) -> str:
    """Append Cohere's layer norm: the mean is taken off twice, and both results are kept."""
    n, few = width * c.tokens, 4 * vectors * c.tokens
    parameter = name if name in c.t.trained else ""
    given = c.cast(f"{name} input, float32", source, width, element, 4)
    mean = c.add(f"{name} mean", given, bytes=few)
    centered = c.add(f"{name} centered", given, mean, bytes=4 * n)
    c.add(
        f"{name} inverse root", centered, bytes=few, saves=(centered,), back_scratch=12 * n,
        extra=((f"{name} scale", few),), kind=_KIND,
    )  # fmt: skip
    again = c.add(f"{name} centered again", given, mean, bytes=4 * n)
    normal = c.add(
        f"{name} normalized, float32", again, f"{name} inverse root", bytes=4 * n,
        saves=(again,), back_scratch=4 * n, kind=_KIND,
    )  # fmt: skip
    result = c.add(
        f"{name} result, float32", normal, bytes=4 * n, saves=(normal,) if parameter else (),
        parameter=parameter, weighs=True, back_scratch=4 * n, kind=_KIND,
    )  # fmt: skip
    return c.cast(f"{name} result", result, width, 4, element)
