"""Specify ``attention/key_buffer``: keys one after another to elements of many keys at a time.

A cache holds keys as they were made, all elements of one together. An output-stationary array for
scores takes them the other way round: the first element of ``columns`` keys, then the second one of
the same keys. So blocks of keys are transposed on their way to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KeyBufferConfig", "transposed"]


@dataclass(frozen=True, kw_only=True)
class KeyBufferConfig(Config):
    """Parameters of a buffer that transposes blocks of INT8 keys."""

    columns: int = integer(4, 2, 64, "keys of a block")
    head_dim: int = integer(8, 2, 128, "elements of a key")
    storage: str = choice("latch", ("latch", "flop"), "what the words of the buffer are made of")


def transposed(keys: Tensor, config: KeyBufferConfig) -> Tensor:
    """Return the beats of a block.

    Args:
        keys: INT8 codes, int64, shape ``(keys, head_dim)``, at most ``columns`` keys.
        config: The unit.

    Returns:
        int64, shape ``(head_dim, columns)``; lanes behind the last key are 0.

    Raises:
        ValueError: If the shape is another one.
    """
    count = len(keys)
    if keys.shape != (count, config.head_dim) or not 1 <= count <= config.columns:
        raise ValueError(
            f"keys must be 1 to {config.columns} of {config.head_dim} elements,"
            f" not {tuple(keys.shape)}"
        )
    return torch.nn.functional.pad(keys, (0, 0, 0, config.columns - count)).T
