"""Operands that matrix units must be driven with: every product of codes, the longest sums."""

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.fused_dot import FusedDotConfig
from consilico.golden.matmul.operand import code_range

__all__ = ["every_product", "extreme_beats", "too_deep"]

_SHORT = 32  # beats of the sums of extremes that need not be as long as they get
_LONGEST = 4096  # longer sums take too long to simulate


def extreme_beats(config: DotConfig | FusedDotConfig, *, greatest: bool) -> tuple[int, bool]:
    """Return the beats of a sum of extremes, and whether it is as deep as the unit allows.

    Args:
        config: The unit.
        greatest: Its products are the greatest there are.
    """
    full = max(1, config.depth // config.lanes)
    beats = min(full, _LONGEST if greatest else _SHORT)
    return beats, beats == full


def too_deep(config: DotConfig | FusedDotConfig) -> dict[str, str]:
    """Return the coverage points that a unit's stimulus is too short to hit, with the reason."""
    if extreme_beats(config, greatest=True)[1]:
        return {}
    beats = config.depth // config.lanes
    return {"extremes_at_depth": f"a sum of {beats} beats is longer than the {_LONGEST} simulated"}


def every_product(
    rng: np.random.Generator, x_form: str, w_form: str, lanes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return activations and weights, shape ``(pairs, lanes)``: all pairs in each lane."""
    codes = [np.arange(low, high + 1) for low, high in map(code_range, (x_form, w_form))]
    x, w = (side.reshape(-1) for side in np.meshgrid(*codes))
    order = np.stack([rng.permutation(len(x)) for _ in range(lanes)], axis=1)
    return x[order], w[order]
