"""A byte-level GPT, small enough to train on a CPU, and what a training of it consists of.

Its trainings give operands to training hardware (:mod:`consilico.sim.traffic.collect_training`) and
losses to compare methods by (:mod:`consilico.sim.training.loss`).
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from consilico.golden.config import Config, choice, integer
from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.parameter_groups import parameter_groups
from consilico.golden.training.qgalore import QGaLore

__all__ = [
    "BYTES",
    "Gpt",
    "GptConfig",
    "GptTrainer",
    "GptTraining",
    "TrainingText",
    "learning_rate",
    "split_works",
    "window_loss",
]

BYTES = 256  # size of the vocabulary
_HEAD = "head"  # the output layer stays float and full-rank, as in the papers


@dataclass(frozen=True, kw_only=True)
class GptConfig(Config):
    """Shape of a small GPT: layers, heads, width and context.

    Raises:
        ValueError: If a field's value is not accepted; the message names the field.
    """

    layers: int = integer(4, 1, 96, "blocks")
    heads: int = integer(4, 1, 128, "attention heads")
    width: int = integer(128, 1, 16384, "of the residual stream; a multiple of heads")
    context: int = integer(128, 1, 65536, "bytes in a window")
    checkpoint: bool = choice(False, (False, True), "recompute activations in the backward pass")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads {self.heads}, not {self.width}")


class _Block(nn.Module):
    """Attention and a feed-forward network, each behind a layer norm and next to a shortcut."""

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
        """Return the scores of the next byte.

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


@dataclass(frozen=True, kw_only=True)
class GptTraining:
    """Settings of a GPT's training, without the text and the seed."""

    method: Method
    lr: float  # greatest learning rate
    fused: bool  # each gradient is clipped by itself and freed once used; else all are together
    model: GptConfig = field(default_factory=GptConfig)
    steps: int = 1000
    batch: int = 16
    warm_up: int = 100  # steps in which the learning rate rises
    clip: float = 1.0  # greatest norm of a gradient
    betas: tuple[float, float] = (0.9, 0.95)
    scale: float = 0.25  # of GaLore's update
    weight_decay: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return everything that the training depends on, as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainingText:
    """Bytes to learn from and bytes held out, int64, one dimension each."""

    train: Tensor
    held_out: Tensor


def split_works(works: dict[str, str], share: float = 0.05) -> TrainingText:
    """Hold out the last ``share`` of each work."""
    train, held_out = bytearray(), bytearray()
    for work in works.values():
        raw = work.encode()
        cut = len(raw) - round(share * len(raw))
        train += raw[:cut]
        held_out += raw[cut:]
    return TrainingText(train=_bytes(train), held_out=_bytes(held_out))


def _bytes(raw: bytearray) -> Tensor:
    """Return bytes as int64 numbers."""
    return torch.frombuffer(raw, dtype=torch.uint8).long()


def learning_rate(run: GptTraining, step: int) -> float:
    """Return the rate of update ``step``, from 0 on.

    It rises linearly during the warm-up, then falls as a cosine to a tenth.
    """
    if step < run.warm_up:
        return run.lr * (step + 1) / run.warm_up
    progress = (step - run.warm_up) / max(1, run.steps - run.warm_up)
    return run.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))


def window_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """Return the mean loss of predicting each next byte, in nats.

    Args:
        model: The model.
        windows: Bytes, int64, shape ``(batch, context + 1)``.
    """
    scores = model(windows[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


class GptTrainer:
    """A training under way: a model, its optimizer, and the batches that it learns from.

    Attributes:
        model: The model.
        optimizer: Its optimizer; the caller steps it.
    """

    def __init__(self, run: GptTraining, text: Tensor, seed: int) -> None:
        """Initialize all weights at random, before the first step.

        Args:
            run: How to train.
            text: Bytes to learn from, int64, one dimension.
            seed: Fixes initial weights, batches and stochastic rounding.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = Gpt(run.model)
        if run.method.weights == 8:
            quantize_linears(self.model, run.method.weight_format, keep=(_HEAD,))
        self.optimizer = QGaLore(
            parameter_groups(self.model, keep=(_HEAD,)),
            lr=run.lr,
            betas=run.betas,
            weight_decay=run.weight_decay,
            method=run.method,
            scale=run.scale,
            seed=seed,
        )
        self._run, self._text = run, text
        self._batches = torch.Generator().manual_seed(seed)

    def backward(self, step: int) -> float:
        """Set the learning rate of a step, and make the gradients of a batch of random windows.

        Returns:
            The loss of the batch, in nats per byte.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self._run, step)
        length = self._run.model.context + 1
        last = len(self._text) - length + 1
        starts = torch.randint(last, (self._run.batch,), generator=self._batches)
        loss = window_loss(self.model, self._text[starts[:, None] + torch.arange(length)])
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()
