"""Element-wise work of a model: norms, positions, activations, sums."""

from collections.abc import Iterator
from dataclasses import dataclass

from consilico.sim.memory.architecture import (
    NORM_PLACES,
    NORMS,
    Architecture,
    Attention,
    LatentAttention,
    Mixture,
    Mlp,
)

__all__ = ["ElementwisePass", "elementwise_passes"]

_NORM_OPERATIONS = {"rms": 4, "layer": 7, "l2": 3}
"""Scalar operations per element: square, sum, by the root, by the weight; a layer norm has sum,
difference and bias in addition; one without weights lacks a product."""
_ACTIVATION_OPERATIONS = {"silu": 4, "relu": 1, "relu2": 2, "gelu": 8, "quick_gelu": 5}
"""Scalar operations per element, an exponential or a tangent counted as one: SiLU is exponential,
sum, quotient and product; GELU by a tangent is a cube (2), two products, two sums, tangent, sum and
product, less one by factoring."""
_ROTARY = 3.5  # per rotated element: by cosine and by sine, half of them negated, their sum
_RESIDUAL = 1


@dataclass(frozen=True, kw_only=True)
class ElementwisePass:
    """Passes of one kind over activations, those of all layers that have them."""

    name: str
    count: int
    reads: int  # elements, of each
    writes: int
    operations: float  # scalar ones, of each


def elementwise_passes(model: Architecture, t: int) -> Iterator[ElementwisePass]:
    """Yield the passes of a forward pass; the normalization of scores is attention's own.

    Args:
        model: The model.
        t: Tokens, of all sequences.
    """
    h = model.hidden * t
    yield _pass("embedding", 1, h, h, 0)
    for kind, block in enumerate(model.kinds):
        n = model.pattern.count(kind)
        yield _pass("norms", n * len(NORM_PLACES[block.norms]), h, h, _norm(model.norm))
        yield from _of_heads(block.attention, n, t)
        yield from _of_mlp(block.mlp, n, t)
        yield _pass("residuals", 2 * n, 2 * h, h, _RESIDUAL)
    if model.final_norm and not model.post_norm:
        yield _pass("final norm", 1, h, h, _norm(model.norm))


def _pass(name: str, count: int, reads: int, writes: int, each: float) -> ElementwisePass:
    """Return passes with so many operations for each element that they write."""
    return ElementwisePass(
        name=name, count=count, reads=reads, writes=writes, operations=each * writes
    )


def _norm(kind: str) -> int:
    base = "l2" if not NORMS[kind][0] else kind.partition("-")[0]
    return _NORM_OPERATIONS[base]


def _of_heads(
    part: Attention | LatentAttention, layers: int, tokens: int
) -> Iterator[ElementwisePass]:
    """Yield norms and positions of queries and keys."""
    if isinstance(part, LatentAttention):
        short = tokens * (part.query_rank + part.key_rank)
        yield _pass("head norms", layers, short, short, _norm("rms"))
        turned = tokens * (part.heads + 1) * part.rotary
        yield _pass("rotary embedding", layers, turned, turned, _ROTARY)
        return
    both = tokens * (part.heads + part.kv_heads)
    if part.norm:
        size = both * part.head_dim
        yield _pass("head norms", layers, size, size, _norm(part.norm))
    if part.rotary:
        turned = both * part.rotary
        yield _pass("rotary embedding", layers, turned, turned, _ROTARY)


def _of_mlp(part: Mlp | Mixture, layers: int, tokens: int) -> Iterator[ElementwisePass]:
    """Yield the activations of an MLP, or of those that each token meets."""
    met = [(part, 1)] if isinstance(part, Mlp) else [(part.expert, part.chosen)]
    if isinstance(part, Mixture):
        if part.whole:
            met = [(part.expert, part.experts)]
        if part.shared is not None:
            met.append((part.shared, 1))
    for mlp, times in met:
        size = tokens * times * mlp.intermediate
        each = _ACTIVATION_OPERATIONS.get(mlp.activation, _ACTIVATION_OPERATIONS["gelu"])
        yield _pass("activation", layers, size * (1 + mlp.gated), size, each + mlp.gated)
