"""A model small enough for tests, with every kind of parameter that the optimizer tells apart."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.parameter_groups import parameter_groups
from consilico.golden.training.qgalore import QGaLore

TOKENS = torch.tensor([[1, 5, 9, 13, 2, 2, 7, 0], [3, 3, 4, 11, 15, 6, 1, 8]])


class Model(nn.Module):
    """Embedding, two linear layers with a norm, output layer ``head``."""

    def __init__(self, width: int = 32, seed: int = 1, recompute: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(16, width)
            self.up = nn.Linear(width, 2 * width, bias=False)
            self.down = nn.Linear(2 * width, width, bias=False)
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, 16, bias=False)
        self.recompute = recompute

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.recompute:
            y: Tensor = checkpoint(self.block, x, use_reentrant=False)
        else:
            y = self.block(x)
        scores: Tensor = self.head(self.norm(y))
        return scores

    def block(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(F.gelu(self.up(x)))
        return x + y


def loss(model: nn.Module, tokens: Tensor = TOKENS) -> Tensor:
    """Loss of predicting each next token."""
    scores = model(tokens[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten())


def backward(model: nn.Module) -> float:
    """One backward pass; the loss before it."""
    value = loss(model)
    value.backward()  # type: ignore[no-untyped-call]
    return value.item()


def optimizer(
    model: nn.Module, method: Method, lr: float = 1e-2, seed: int = 0, **options: Any
) -> QGaLore:
    """The usual optimizer of a model, whose linear layers become INT8 if the method says so."""
    keep = ("head",)
    if method.weights == 8:
        quantize_linears(model, method.weight_format, keep)
    groups = parameter_groups(model, keep=keep)
    return QGaLore(groups, lr, (0.9, 0.95), method=method, seed=seed, **options)
