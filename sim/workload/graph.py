"""The operators of a language model with their shapes: prompt, token by token, and training step.

One graph for every family that the ledger reads. What a token is worth is decided by two numbers:
how many new tokens a sequence has, and how many tokens the last of them sees (its *context*, itself
included). A prompt brings all tokens of its context at once; decoding brings one; what a cache
keeps of the others are keys and values. Scores are therefore ``new`` x ``context``.

Products are those that PyTorch dispatches for Hugging Face's models, one for each query head. What
a causal mask or a window makes void is part of their shapes, and told apart by ``seen``. A latent
attention makes the keys and values of its whole context anew for new tokens, as there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import (
    Architecture,
    Block,
    LatentAttention,
    Parameter,
)
from consilico.sim.workload.elementwise import ElementwisePass, elementwise_passes
from consilico.sim.workload.products import (
    ACTIVATION,
    GRADIENT,
    SCORES,
    MatrixProduct,
    ProductOperand,
)

__all__ = [
    "PHASES", "AttentionOperator", "OperatorGraph", "Workload", "operator_graph",
    "seen_scores",
]  # fmt: skip

PHASES = ("prefill", "decode", "training")
"""``prefill``: a prompt, whose last token alone needs logits; ``decode``: tokens that a cache has
the context of; ``training``: all tokens of a sequence, forward and backward, everything trained."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model and the tokens it is given.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    model: Architecture
    phase: str  # one of PHASES
    context: int  # tokens that the last new token of a sequence sees, itself included
    new: int = 0  # new tokens of a sequence; 0: all of the context, or one in decoding
    batch: int = 1  # sequences

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise UserError(f"phase must be one of {', '.join(PHASES)}, not {self.phase!r}")
        for name, least in (("context", 1), ("new", 0), ("batch", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise UserError(f"{name} must be an integer of {least} or more, not {value!r}")
        if self.tokens > self.context:
            raise UserError(f"new must be at most the context of {self.context}, not {self.new}")
        if self.phase == "training" and self.tokens != self.context:
            raise UserError(f"new must be the whole context in training, not {self.new}")
        positions = self.model.positions
        if positions and self.context > self.model.context:
            raise UserError(
                f"context must be at most {self.model.context}, the learned positions of"
                f" {self.model.name}, not {self.context}"
            )
        if self.model.post_norm and self.tokens != self.context:
            raise UserError(
                f"phase must be prefill or training for {self.model.name}: an encoder has no tokens"
                " to decode"
            )

    @property
    def tokens(self) -> int:
        """Return the new tokens of one sequence."""
        return self.new or (1 if self.phase == "decode" else self.context)

    @property
    def rows(self) -> int:
        """Return the new tokens of all sequences."""
        return self.tokens * self.batch

    @property
    def causal(self) -> bool:
        """Tell whether a token sees those before it only; in an encoder it sees all."""
        return not self.model.post_norm


def seen_scores(new: int, context: int, window: int, causal: bool) -> int:
    """Return how many of the ``new`` x ``context`` scores of a head no mask hides.

    Args:
        new: Queries; the last of them is the last token of the context.
        context: Keys.
        window: Tokens that a token sees, itself included; 0: all before it.
        causal: Whether a token sees only those before it.
    """
    if not causal:
        return new * context
    first = context - new + 1  # what the first of them sees
    if not window or window >= context:
        return new * (first + context) // 2
    rising = max(0, window - first)  # queries that see less than a window
    return rising * (first + window - 1) // 2 + (new - rising) * window


@dataclass(frozen=True, kw_only=True)
class AttentionOperator:
    """Attention of equal layers: scores, their normalization, and the weighted sum of values."""

    layers: int
    batch: int
    heads: int
    kv_heads: int  # of keys and values as the cache has them
    new: int  # queries of a sequence
    keys: int  # that they meet
    key_dim: int
    value_dim: int
    cached: int  # elements that a cache keeps for each key of a layer
    window: int  # 0: none
    causal: bool

    @property
    def group(self) -> int:
        """Return the query heads that share keys and values."""
        return self.heads // self.kv_heads

    @property
    def seen(self) -> int:
        """Return the scores of one head of one sequence that no mask hides."""
        return seen_scores(self.new, self.keys, self.window, self.causal)

    @property
    def scores(self) -> int:
        """Return the scores of all heads, sequences and layers that no mask hides."""
        return self.layers * self.batch * self.heads * self.seen

    @property
    def kv_elements(self) -> int:
        """Return the elements of keys and values of all layers and sequences that it reads."""
        per_key = self.kv_heads * (self.key_dim + self.value_dim)
        return self.layers * self.batch * self.keys * per_key

    @property
    def cached_elements(self) -> int:
        """Return the elements that the caches of all layers and sequences keep."""
        return self.layers * self.batch * self.keys * self.cached

    def products(self, stays: bool = True) -> tuple[MatrixProduct, MatrixProduct]:
        """Return scores and weighted values, a product each for every query head.

        Args:
            stays: Whether scores never leave the chip.
        """
        scores, seen = replace(SCORES, stays=stays), self.seen / (self.new * self.keys)
        first = MatrixProduct(
            name="scores", phase="forward", m=self.new, k=self.key_dim, n=self.keys, a=ACTIVATION,
            b=ACTIVATION, c=scores, count=self.layers * self.batch * self.heads, seen=seen,
        )  # fmt: skip
        second = replace(
            first, name="weighted values", k=self.keys, n=self.value_dim, a=scores, c=ACTIVATION
        )
        return first, second

    def gradients(self, stays: bool = True) -> Iterator[MatrixProduct]:
        """Yield two products for each of the two; a fused kernel computes its scores again.

        Args:
            stays: Whether scores never leave the chip, as in a fused kernel.
        """
        scores, values = (replace(p, phase="backward") for p in self.products(stays))
        if stays:
            yield replace(scores, name="scores, again")
        yield replace(scores, name="gradient of attention weights", k=self.value_dim, a=GRADIENT)
        turned = replace(values, m=self.keys, k=self.new, c=GRADIENT)
        yield replace(turned, name="gradient of values", b=GRADIENT)
        yield replace(values, name="gradient of queries", n=self.key_dim, c=GRADIENT)
        yield replace(turned, name="gradient of keys", n=self.key_dim)


@dataclass(frozen=True, kw_only=True)
class OperatorGraph:
    """Everything that a workload computes forward."""

    workload: Workload
    linear: tuple[MatrixProduct, ...]
    attention: tuple[AttentionOperator, ...]
    elementwise: tuple[ElementwisePass, ...]

    def forward(self) -> Iterator[MatrixProduct]:
        """Yield all matrix products of the forward pass."""
        yield from self.linear
        for operator in self.attention:
            yield from operator.products()

    def backward(self, eager: bool = False) -> Iterator[MatrixProduct]:
        """Yield those of the backward pass where all parameters are trained.

        Of ``y = x w'`` they are ``dx = dy w`` and ``dw = dy' x``.

        Args:
            eager: Whether attention is written out and keeps its scores.
        """
        for p in self.linear:
            yield replace(
                p, name=f"{p.name}: gradient of the input", phase="backward", k=p.n, n=p.k,
                a=GRADIENT, c=GRADIENT,
            )  # fmt: skip
            yield replace(
                p, name=f"{p.name}: gradient of the weight", phase="backward", m=p.n, k=p.m, n=p.k,
                a=GRADIENT, b=ACTIVATION, c=replace(p.b, kind="weight gradient"),
            )  # fmt: skip
        for operator in self.attention:
            yield from operator.gradients(not eager)

    @cached_property
    def weights(self) -> int:
        """Return the elements of the matrices that are met, each counted once."""
        return sum(p.k * p.n * p.count for p in self.linear)

    @cached_property
    def kv_cache_elements(self) -> int:
        """Return the elements that caches keep of the whole context, or of what windows show."""
        return sum(operator.cached_elements for operator in self.attention)


def operator_graph(workload: Workload) -> OperatorGraph:
    """Return the operators of a workload, in the order of the forward pass where it has one."""
    model = workload.model
    return OperatorGraph(
        workload=workload,
        linear=tuple(_linear(workload)),
        attention=tuple(
            _attention(workload, block, model.pattern.count(kind))
            for kind, block in enumerate(model.kinds)
        ),
        elementwise=tuple(elementwise_passes(workload.model, workload.rows)),
    )


def _linear(workload: Workload) -> Iterator[MatrixProduct]:
    """Yield the products with a weight: all matrices but those that are only looked up in."""
    model, rows = workload.model, workload.rows
    last = workload.batch if workload.phase == "prefill" else rows  # that need logits
    latent = any(isinstance(block.attention, LatentAttention) for block in model.kinds)
    for p in model.parameters():
        if p.columns == 1 or p.name == "embedding" or p.role == "position":
            continue
        if p.matrices > 1:
            yield from _experts(p, rows)
            continue
        met = rows
        if p.role == "head":
            met = last
        elif latent and p.name == "key and value":  # the cache keeps what they are made of
            met = workload.batch * workload.context
        yield _product(p, met, p.count)
    if model.tied:
        head = next(p for p in model.parameters() if p.name == "embedding")
        yield replace(_product(head, last, 1), name="output layer")


def _product(p: Parameter, rows: int, count: int) -> MatrixProduct:
    return MatrixProduct(
        name=p.name, phase="forward", m=rows, k=p.columns, n=p.rows, count=count,
        a=ACTIVATION, b=ProductOperand(kind="weight", name=p.name), c=ACTIVATION,
    )  # fmt: skip


def _experts(p: Parameter, rows: int) -> Iterator[MatrixProduct]:
    """Yield the products of a stack of experts, to which tokens are shared out evenly."""
    each, more = divmod(rows * p.used, p.matrices)
    if more:
        yield _product(p, each + 1, p.count * more)
    if each:
        yield _product(p, each, p.count * (p.matrices - more))


def _attention(workload: Workload, block: Block, layers: int) -> AttentionOperator:
    """Return the attention of the layers of one kind; of a window a cache keeps what is seen."""
    part, new, keys = block.attention, workload.tokens, workload.context
    if part.window:
        keys = min(keys, part.window - 1 + new)
    latent = isinstance(part, LatentAttention)
    return AttentionOperator(
        layers=layers, batch=workload.batch, heads=part.heads,
        kv_heads=part.heads if isinstance(part, LatentAttention) else part.kv_heads,
        new=new, keys=keys, key_dim=part.head_dim,
        value_dim=part.value if isinstance(part, LatentAttention) else part.head_dim,
        cached=part.kv_cache_elements, window=0 if latent else part.window, causal=workload.causal,
    )  # fmt: skip
