"""Trains a byte-level GPT by any of the golden training methods and reports its loss."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.golden.training.held_bytes import held_bytes
from consilico.golden.training.method import Method
from consilico.golden.training.qgalore import QGaLore
from consilico.golden.training.subspace import Subspace
from consilico.sim.traffic.gpt import Gpt, GptConfig

__all__ = ["Run", "Text", "learning_rate", "split_works", "train"]

HEAD = "head"  # the output layer stays float and full-rank, as in the papers


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run but for its text and seed."""

    method: Method
    lr: float
    fused: bool
    """Each gradient is clipped by itself and freed once used; else all are clipped together."""
    model: GptConfig = field(default_factory=GptConfig)
    steps: int = 1000
    batch: int = 16
    warm_up: int = 100
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)
    scale: float = 0.25
    weight_decay: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything that the run depends on."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Text:
    """Bytes to learn from and bytes held out, int64, one dimension each."""

    train: Tensor
    held_out: Tensor


def split_works(works: dict[str, str], share: float = 0.05) -> Text:
    """Hold out the last ``share`` of each work."""
    train, held_out = bytearray(), bytearray()
    for work in works.values():
        raw = work.encode()
        cut = len(raw) - round(share * len(raw))
        train += raw[:cut]
        held_out += raw[cut:]
    return Text(train=_bytes(train), held_out=_bytes(held_out))


def _bytes(raw: bytearray) -> Tensor:
    return torch.frombuffer(raw, dtype=torch.uint8).long()


def learning_rate(run: Run, step: int) -> float:
    """Rate of update ``step``, from 0 on: linear warm-up, then a cosine down to 10 %."""
    if step < run.warm_up:
        return run.lr * (step + 1) / run.warm_up
    progress = (step - run.warm_up) / max(1, run.steps - run.warm_up)
    return run.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))


def train(
    run: Run, text: Text, seed: int, progress: Callable[[int, float], None] = lambda *_: None
) -> dict[str, Any]:
    """Train from scratch; the seed fixes initial weights, batches and stochastic rounding.

    Args:
        run: What to do.
        text: Held-out bytes are all evaluated, in windows of the model's context.
        seed: The seed.
        progress: Is told the step and the training loss, every 50 steps.

    Returns:
        ``validation_loss`` and ``training_loss`` (of the last 50 steps), in nats a byte;
        ``decompositions`` done, ``decompositions_without_lazy`` update; ``held_bytes``;
        ``seconds``.
    """
    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Gpt(run.model)
    optimizer = QGaLore(
        model,
        run.method,
        lr=run.lr,
        betas=run.betas,
        scale=run.scale,
        weight_decay=run.weight_decay,
        keep=(HEAD,),
        seed=seed,
    )
    if run.fused:
        optimizer.fuse(run.clip)
    batches = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    for step in range(run.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(run, step)
        loss = _loss(model, _windows(text.train, run, batches))
        loss.backward()  # type: ignore[no-untyped-call]
        if not run.fused:
            nn.utils.clip_grad_norm_(model.parameters(), run.clip)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            progress(step + 1, losses[-1])
    subspaces = [state["subspace"] for state in optimizer.state.values() if "subspace" in state]
    return {
        "validation_loss": _validate(model, text.held_out, run),
        "training_loss": sum(losses[-50:]) / len(losses[-50:]),
        **_decompositions(subspaces, run),
        "held_bytes": asdict(held_bytes(model, optimizer)),
        "seconds": time.perf_counter() - start,
    }


def _windows(data: Tensor, run: Run, generator: torch.Generator) -> Tensor:
    """Random windows with the byte that follows, shape ``(batch, context + 1)``."""
    length = run.model.context + 1
    starts = torch.randint(len(data) - length + 1, (run.batch,), generator=generator)
    return data[starts[:, None] + torch.arange(length)]


def _loss(model: nn.Module, windows: Tensor) -> Tensor:
    scores = model(windows[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


@torch.no_grad()
def _validate(model: nn.Module, held_out: Tensor, run: Run) -> float:
    """Mean loss of all whole windows, one beside the other."""
    length = run.model.context + 1
    windows = held_out.unfold(0, length, run.model.context)
    total = 0.0
    for part in torch.split(windows, 4 * run.batch):
        total += _loss(model, part).item() * len(part)
    return total / len(windows)


def _decompositions(subspaces: list[Subspace], run: Run) -> dict[str, int]:
    return {
        "decompositions": sum(subspace.renewals for subspace in subspaces),
        "decompositions_without_lazy": len(subspaces) * -(-run.steps // run.method.gap),
    }
