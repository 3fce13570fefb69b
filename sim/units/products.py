"""Operands that matrix units must be driven with: every product of codes, the longest sums."""

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.fused_dot import FusedDotConfig
from consilico.golden.matmul.operand import code_range

__all__ = ["NEAR", "every_product", "extreme_beats", "in_every_lane", "rotated"]

NEAR = 16  # units of a product, below a step of what is made of it, that count as near to it
_SHORT = 32  # beats of the sums of extremes that need not be as long as they get
_LONGEST = 4096  # longer sums are left to the exhaustive stimulus


def extreme_beats(config: DotConfig | FusedDotConfig, *, greatest: bool) -> int:
    """Return the beats of a sum of extremes in the verification stimulus.

    Args:
        config: The unit.
        greatest: Its products are the greatest there are.
    """
    return min(max(1, config.depth // config.lanes), _LONGEST if greatest else _SHORT)


def rotated(count: int, lanes: int) -> NDArray[np.int64]:
    """Return the numbers below a power of two in every lane, in another order in each.

    The numbers of a beat differ from lane to lane, so that no fault of one lane hides behind that
    of another.

    Returns:
        Shape ``(count, lanes)``.
    """
    lane = np.arange(lanes)
    order: NDArray[np.int64] = (np.arange(count)[:, None] * (2 * lane + 1) + 7919 * lane) % count
    return order


def every_product(
    x_form: str, w_form: str, lanes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return activations and weights, shape ``(pairs, lanes)``: all pairs in each lane."""
    (x_low, x_high), (w_low, w_high) = map(code_range, (x_form, w_form))
    codes = x_high - x_low + 1
    pair = rotated(codes * (w_high - w_low + 1), lanes)
    return pair % codes + x_low, pair // codes + w_low


def in_every_lane(codes: NDArray[np.int64], count: int) -> int:
    """Return the number of lanes if each of them saw all of so many codes, otherwise 0.

    Args:
        codes: Numbers from 0 to ``count - 1``, shape ``(beats, lanes)``; greater ones do not count.
        count: Number of codes.
    """
    lanes = int(codes.shape[1])
    for lane in range(lanes):
        seen = np.zeros(count, dtype=bool)
        of_lane = codes[:, lane]
        seen[of_lane[of_lane < count]] = True
        if not seen.all():
            return 0
    return lanes
