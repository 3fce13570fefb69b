"""Forward pass of a Llama-style decoder in plain torch, with its attention scores laid open.

RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied embeddings: Touvron et al.,
arXiv:2302.13971; Ainslie et al., arXiv:2305.13245.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from consilico.sim.traffic.smollm import GgufModel, ModelShape

__all__ = [
    "Normalize",
    "ScoreHook",
    "Transformer",
    "angles",
    "causal_softmax",
    "perplexity",
    "rotate",
]

ScoreHook = Callable[[int, Tensor], None]
"""Called with a layer and its scores, float32, shape ``(batch, heads, queries, keys)``: q.k/sqrt(d)
of every pair, the future keys that the causal mask is about to remove included."""

Normalize = Callable[[int, Tensor], Tensor]
"""Makes weights of the values out of a layer and its scores, which are as :data:`ScoreHook` has
them; the same shape, 0 for future keys."""


def causal_softmax(layer: int, scores: Tensor) -> Tensor:
    """Return softmax over the keys up to each query, shape ``(batch, heads, queries, keys)``."""
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def angles(shape: ModelShape, time: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angles of each position's pairs, as :func:`rotate` takes them.

    Args:
        shape: Of the model.
        time: Positions, from 0 on.
    """
    half = torch.arange(shape.head_width // 2, dtype=torch.float64)
    frequency = shape.rope_base ** (-2 * half / shape.head_width)
    angle = torch.outer(torch.arange(time, dtype=torch.float64), frequency)
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Apply the rotary position embedding over adjacent pairs ``(2i, 2i + 1)``.

    llama.cpp's converter permutes the rows of the query and key weights for this pairing; the
    halves ``(i, i + d / 2)`` of the original checkpoint would be wrong here.

    Args:
        x: Shape ``(..., time, head_width)``.
        cosine: Cosine of each pair's angle, shape ``(time, head_width / 2)``.
        sine: Its sine, likewise.
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    rotated = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
    return rotated.flatten(-2)


class Transformer:
    """The decoder in float32, without a key/value cache: whole windows at a time."""

    def __init__(self, model: GgufModel) -> None:
        self.shape: ModelShape = model.shape
        names = [*model.int4, *model.floats]
        self._weights = {name: torch.from_numpy(model.weight(name).copy()) for name in names}

    def hidden(
        self,
        tokens: Tensor,
        on_scores: ScoreHook | None = None,
        normalize: Normalize = causal_softmax,
    ) -> Tensor:
        """Run all layers on some tokens and return the last hidden states.

        Args:
            tokens: int64, shape ``(batch, time)``; a window starts at position 0.
            on_scores: Sees each layer's attention scores before mask and normalization.
            normalize: Makes weights of them.

        Returns:
            Normalized output of the last layer, float32, shape ``(batch, time, width)``.
        """
        with torch.inference_mode():
            x = F.embedding(tokens, self._weights["token_embd.weight"])
            turns = angles(self.shape, tokens.shape[1])
            for layer in range(self.shape.layers):
                x = x + self._attention(layer, x, turns, on_scores, normalize)
                x = x + self._feed_forward(layer, x)
            return self._norm(x, "output_norm")

    def logits(self, tokens: Tensor, normalize: Normalize = causal_softmax) -> Tensor:
        """Return the scores of the next token, float32, shape ``(batch, time, vocabulary)``."""
        with torch.inference_mode():
            hidden = self.hidden(tokens, normalize=normalize)
            return F.linear(hidden, self._weights["token_embd.weight"])

    def _attention(
        self,
        layer: int,
        x: Tensor,
        turns: tuple[Tensor, Tensor],
        on_scores: ScoreHook | None,
        normalize: Normalize,
    ) -> Tensor:
        shape = self.shape
        batch, time, _ = x.shape
        x = self._norm(x, f"blk.{layer}.attn_norm")
        q, k, v = (
            self._linear(x, f"blk.{layer}.attn_{part}")
            .view(batch, time, -1, shape.head_width)
            .transpose(1, 2)
            for part in "qkv"
        )
        shared = shape.heads // shape.kv_heads  # query heads that share one key/value head
        k = rotate(k, *turns).repeat_interleave(shared, dim=1)
        scores = rotate(q, *turns) @ k.transpose(2, 3) / shape.head_width**0.5
        if on_scores is not None:
            on_scores(layer, scores)
        mixed = normalize(layer, scores) @ v.repeat_interleave(shared, dim=1)
        return self._linear(mixed.transpose(1, 2).flatten(2), f"blk.{layer}.attn_output")

    def _feed_forward(self, layer: int, x: Tensor) -> Tensor:
        x = self._norm(x, f"blk.{layer}.ffn_norm")
        gate = F.silu(self._linear(x, f"blk.{layer}.ffn_gate"))
        return self._linear(gate * self._linear(x, f"blk.{layer}.ffn_up"), f"blk.{layer}.ffn_down")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight = self._weights[f"{name}.weight"]
        return F.rms_norm(x, weight.shape, weight, self.shape.norm_epsilon)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"])


def perplexity(transformer: Transformer, tokens: Tensor) -> float:
    """Return the perplexity per token: exp of the mean cross-entropy of each next token.

    Args:
        transformer: The model.
        tokens: int64, shape ``(batch, time)``; the first token of a row is not predicted.
    """
    logits = transformer.logits(tokens)[:, :-1]
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    return float(loss.exp())
