"""A byte-level GPT, small enough to train on a CPU: pre-norm blocks, learned positions."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from consilico.golden.config import Config, choice, integer

__all__ = ["BYTES", "Gpt", "GptConfig"]

BYTES = 256  # size of the vocabulary


@dataclass(frozen=True, kw_only=True)
class GptConfig(Config):
    """Shape of the model."""

    layers: int = integer(4, 1, 96, "blocks")
    heads: int = integer(4, 1, 128, "attention heads")
    width: int = integer(128, 1, 16384, "of the residual stream; a multiple of heads")
    context: int = integer(128, 1, 65536, "bytes a window")
    checkpoint: bool = choice(False, (False, True), "recompute activations in the backward pass")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads {self.heads}, not {self.width}")


class _Block(nn.Module):
    """Attention and feed-forward network, each behind a layer norm and beside a shortcut."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        width = config.width
        self._heads = config.heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, time, width)`` to the same shape."""
        batch, time, width = x.shape
        normal = self.attention_norm(x)
        q, k, v = (
            part(normal).view(batch, time, self._heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, time, width))
        widened: Tensor = self.down(F.gelu(self.up(self.mlp_norm(x))))
        return x + widened


class Gpt(nn.Module):
    """The model; ``head`` is its output layer, not tied to the embedding."""

    def __init__(self, config: GptConfig) -> None:
        """Draw the weights from torch's global generator: normal, deviation 0.02."""
        super().__init__()
        self._config = config
        self.embedding = nn.Embedding(BYTES, config.width)
        self.position = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, BYTES, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # GPT-2: what adds to the residual stream shrinks with the number of additions
                adds = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * config.layers) ** (adds / 2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores of the next byte.

        Args:
            tokens: int64, shape ``(batch, time)``, ``time`` up to ``context``.

        Returns:
            Float32, shape ``(batch, time, 256)``.
        """
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            if self._config.checkpoint and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        scores: Tensor = self.head(self.norm(x))
        return scores
