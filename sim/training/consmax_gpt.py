"""Decoders whose attention is normalized by softmax or by ConSmax, to be trained; a byte-level GPT.

The GPT is :class:`consilico.sim.traffic.gpt_training.Gpt`, with the weights that it starts from;
only what makes weights of the values out of scores is another. ``consmax_rows`` is ConSmax times
``1 / (t + 1)``, the number of keys that query ``t`` sees under the causal mask: it is known without
a sum over the row, and ``consmax/log2`` takes it as another constant per row.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.golden.attention.consmax_module import ConSmax
from consilico.golden.config import Config, choice
from consilico.sim.traffic.gpt_training import BYTES, Gpt, GptConfig
from consilico.sim.traffic.transformer import Normalize, causal_softmax

__all__ = ["KINDS", "NormalizedGpt", "NormalizedModel", "Normalizer"]

KINDS = ("softmax", "consmax", "consmax_rows")
"""Names of what may make weights out of the scores of attention."""

_CEILING = math.log(torch.finfo(torch.float32).max) * (1 - 2**-20)


@dataclass(frozen=True, kw_only=True)
class Normalizer(Config):
    """Normalizer of a model's scores, and where its constants start.

    The defaults of ConSmax are the paper's (arXiv 2402.10930, section III): beta uniform in [0.5,
    2.5], gamma 100, learned at the rate of all other weights.

    Raises:
        ValueError: If a field's value is not accepted; the message names the field.
    """

    kind: str = choice("softmax", KINDS, "what makes weights of the values out of scores")
    beta: tuple[float, float] = (0.5, 2.5)  # range that initial betas are drawn from
    gamma: float = 100.0  # initial, of all heads
    rate: float = 1.0  # learning rate of beta and gamma, relative to that of the weights

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta[0] <= self.beta[1]:
            raise ValueError(f"beta must be a range from low to high, not {self.beta}")
        if not (self.gamma > 0 and math.isfinite(self.gamma)):
            raise ValueError(f"gamma must be positive, not {self.gamma}")
        if not (self.rate >= 0 and math.isfinite(self.rate)):
            raise ValueError(f"rate must not be negative, not {self.rate}")

    def to_json(self) -> dict[str, Any]:
        """Return everything that a training depends on, as plain data."""
        return asdict(self)

    def module(self, heads: int) -> ConSmax | None:
        """Return the trainable constants of a layer, drawn from torch's generator.

        Args:
            heads: Of the layer.
        """
        if self.kind == "softmax":
            return None
        return ConSmax(heads, self.beta, self.gamma)


class _Consmax(torch.autograd.Function):
    """``exp(score - offset)`` under the causal mask, in one pass each way over the weights.

    It is what :class:`ConSmax` computes, with ``offset = beta + ln gamma``; a saturated weight has
    a gradient here.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, offset: Tensor, ceiling: float) -> Tensor:
        """Return weights; ``offset`` has a dimension of 1 where it is the same for all of it."""
        weights = (scores - offset).clamp_(max=ceiling).exp_().tril_()
        ctx.save_for_backward(weights)
        ctx.offset_shape = offset.shape
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of scores and offset."""
        (weights,) = ctx.saved_tensors
        of_scores = gradient * weights
        return of_scores, -of_scores.sum_to_size(ctx.offset_shape), None


class NormalizedModel(nn.Module):
    """A decoder that normalizes its scores as it is told.

    Attributes:
        kind: One of :data:`KINDS`: what it is trained with.
        vocabulary: How many tokens there are.
        ceiling: Logarithm of the weight at which ConSmax saturates.
        constants: Beta and gamma of each layer, as :class:`ConSmax` has them; empty with softmax.
    """

    kind: str
    vocabulary: int
    ceiling: float = _CEILING
    constants: nn.ModuleList

    def weights(self, layer: int, scores: Tensor) -> Tensor:
        """Return the weights of a layer's values.

        Args:
            layer: From 0.
            scores: Shape ``(batch, heads, queries, keys)``, as many queries as keys.

        Returns:
            The same shape; 0 for future keys.
        """
        if self.kind == "softmax":
            return causal_softmax(layer, scores)
        constants: Any = self.constants[layer]
        offset = (constants.beta + constants.gamma.log())[:, None, None]
        if self.kind == "consmax_rows":
            keys = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
            offset = offset + keys.log()[:, None]
        weights: Tensor = _Consmax.apply(scores, offset, self.ceiling)  # type: ignore[no-untyped-call]
        return weights

    def mixed(
        self, layer: int, q: Tensor, k: Tensor, v: Tensor, normalize: Normalize | None
    ) -> Tensor:
        """Return what attention makes of the values of a layer.

        Args:
            layer: From 0.
            q: Queries, shape ``(batch, heads, time, head_width)``.
            k: Keys, the same shape.
            v: Values, the same shape.
            normalize: Makes weights of the scores; None: :meth:`weights`.

        Returns:
            Shape ``(batch, time, heads * head_width)``.
        """
        if normalize is None and self.kind == "softmax":  # PyTorch's, which holds no scores
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(2, 3)
            mixed = (normalize or self.weights)(layer, scores) @ v
        return mixed.transpose(1, 2).flatten(2)

    def forward(self, tokens: Tensor, normalize: Normalize | None = None) -> Tensor:
        """Return the scores of the next token.

        Args:
            tokens: int64, shape ``(batch, time)``.
            normalize: Makes weights of a layer's scores; None: what the model is trained with.

        Returns:
            Float32, shape ``(batch, time, vocabulary)``.
        """
        raise NotImplementedError


class NormalizedGpt(NormalizedModel):
    """A byte-level GPT that normalizes its scores as it is told.

    Attributes:
        gpt: The model whose weights are used; its own attention is not.
    """

    def __init__(self, config: GptConfig, normalizer: Normalizer) -> None:
        """Draw the weights as :class:`Gpt` does, and after them the constants."""
        super().__init__()
        self.gpt = Gpt(config)
        self._heads, self.kind, self.vocabulary = config.heads, normalizer.kind, BYTES
        modules = [normalizer.module(config.heads) for _ in range(config.layers)]
        self.constants = nn.ModuleList(module for module in modules if module is not None)

    def forward(self, tokens: Tensor, normalize: Normalize | None = None) -> Tensor:
        """Return the scores of the next byte.

        Args:
            tokens: int64, shape ``(batch, time)``, ``time`` up to the context.
            normalize: Makes weights of a layer's scores; None: what the model is trained with.

        Returns:
            Float32, shape ``(batch, time, 256)``.
        """
        gpt, blocks = self.gpt, cast(Iterable[Any], self.gpt.blocks)
        x = gpt.embedding(tokens) + gpt.position.weight[: tokens.shape[1]]
        for layer, block in enumerate(blocks):
            normal = block.attention_norm(x)
            q, k, v = (
                part(normal).view(*normal.shape[:2], self._heads, -1).transpose(1, 2)
                for part in (block.query, block.key, block.value)
            )
            x = x + block.output(self.mixed(layer, q, k, v, normalize))
            x = x + block.down(F.gelu(block.up(block.mlp_norm(x))))
        logits: Tensor = gpt.head(gpt.norm(x))
        return logits
