"""Runs a short training by Q-GaLore and keeps what its low-bit arithmetic is given."""

from collections.abc import Collection
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from consilico.golden.training.int8_linear import Int8Linear
from consilico.golden.training.moments import BLOCK, Blockwise, Moments
from consilico.golden.training.qgalore import QGaLore
from consilico.golden.training.subspace import Subspace
from consilico.sim.traffic.gpt_training import GptTrainer, GptTraining
from consilico.sim.traffic.quantized import bf16_bits

__all__ = ["LayerUpdate", "collect_training", "observe"]

_GROUPS = 4  # of weights kept of a layer and update
_BLOCKS = 1  # of either moment
_VECTORS = 8  # of the gradient, and of the subspace


class LayerUpdate(NamedTuple):
    """Operands of one update of a layer of INT8 weights."""

    code: Tensor  # float32 integers, -128 to 127, shape (groups, group): the weights before
    update: Tensor  # float32, the same shape: what is subtracted from them, times the rate
    factor: Tensor  # float32, shape (groups,): what a unit of ``update`` adds to a code
    mean: Tensor  # float32, shape (blocks, 2048): first moment, not yet in 8 bits
    square: Tensor  # float32, the same shape: second moment
    gradient: Tensor  # float32, shape (long side, short side)
    vectors: Tensor  # float32, shape (rank, short side): what it is projected on


@torch.no_grad()
def observe(optimizer: QGaLore, layer: Int8Linear) -> LayerUpdate:
    """Return what the next step will do to a layer; nothing is changed by it.

    Args:
        optimizer: The optimizer, after its first step.
        layer: A layer of its model, with a gradient.

    Raises:
        ValueError: If the layer's weights and states are not whole groups and blocks in 8 bits.
    """
    parameter = layer.weight
    assert parameter.grad is not None
    gradient = parameter.grad.float()
    group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
    state = deepcopy(optimizer.state[parameter])
    subspace: Subspace = state["subspace"]
    moments: Moments = state["moments"]
    subspace.advance(gradient)
    low = subspace.down(gradient)
    if not isinstance(moments.mean, Blockwise) or not isinstance(moments.square, Blockwise):
        raise ValueError("states of the layer must be in 8 bits")
    if gradient.numel() % layer.int8.format.group or low.numel() % BLOCK:
        raise ValueError(f"the layer must have whole groups and blocks, not {gradient.numel()}")
    mean = moments.mean.dequantize().lerp(low, 1 - group["betas"][0])
    square = moments.square.dequantize() * group["betas"][1]
    square.addcmul_(low, low, value=1 - group["betas"][1])
    direction = moments.direction(low, group["betas"], group["eps"])
    update = group["scale"] * subspace.up(direction, gradient.shape)
    return LayerUpdate(
        code=layer.codes.float() - 128,
        update=update.reshape(-1, layer.int8.format.group),
        factor=-group["lr"] / layer.scale[:, 0],
        mean=mean.reshape(-1, BLOCK),
        square=square.reshape(-1, BLOCK),
        gradient=gradient if gradient.shape[0] >= gradient.shape[1] else gradient.T,
        vectors=subspace.vectors(),
    )


def collect_training(
    run: GptTraining, text: Tensor, seed: int, observed: Collection[int]
) -> dict[str, NDArray[np.int64]]:
    """Train from scratch, each gradient clipped by itself, and keep a sample of some updates.

    Args:
        run: How to train; INT8 weights, 8-bit states.
        text: Bytes to learn from, int64, one dimension.
        seed: Fixes initial weights, batches, rounding and sample.
        observed: Steps to keep a sample of every layer from; not the first, 0.

    Returns:
        Fields of :class:`LayerUpdate` by name, groups and blocks of all steps and layers in order;
        all but ``code`` are bf16 patterns. ``gradient`` and ``vectors``: rows of each layer, shape
        (layers, 8, short side).
    """
    trainer = GptTrainer(run, text, seed)
    model, optimizer = trainer.model, trainer.optimizer
    layers = [module for module in model.modules() if isinstance(module, Int8Linear)]
    rng = np.random.default_rng(seed)
    kept: dict[str, list[NDArray[np.int64]]] = {name: [] for name in LayerUpdate._fields}
    for step in range(max(observed) + 1):
        trainer.backward(step)
        for parameter in model.parameters():
            nn.utils.clip_grad_norm_([parameter], run.clip)
        if step in observed:
            for layer in layers:
                _keep(kept, observe(optimizer, layer), rng)
        optimizer.step()
        optimizer.zero_grad()
    joined = {name: np.concatenate(parts) for name, parts in kept.items()}
    for name in ("gradient", "vectors"):
        joined[name] = joined[name].reshape(-1, _VECTORS, joined[name].shape[1])
    return joined


def _keep(
    kept: dict[str, list[NDArray[np.int64]]], update: LayerUpdate, rng: np.random.Generator
) -> None:
    """Add drawn groups and blocks of an update."""
    groups = np.sort(rng.choice(len(update.code), _GROUPS, replace=False))
    blocks = np.sort(rng.choice(len(update.mean), _BLOCKS, replace=False))
    long, rank = len(update.gradient), len(update.vectors)
    kept["code"].append(update.code.numpy()[groups].astype(np.int64))
    for name, rows in (
        ("update", groups),
        ("factor", groups),
        ("mean", blocks),
        ("square", blocks),
        ("gradient", np.sort(rng.choice(long, _VECTORS, replace=False))),
        ("vectors", np.sort(rng.choice(rank, _VECTORS, replace=False))),
    ):
        kept[name].append(bf16_bits(getattr(update, name).numpy()[rows]))
