"""Every product of two forms of codes, for stimuli that leave none out."""

import numpy as np
from numpy.typing import NDArray

from golden.matmul.operand import code_range

__all__ = ["every_product"]


def every_product(
    rng: np.random.Generator, x_form: str, w_form: str, lanes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Activations and weights, shape ``(pairs, lanes)``: all pairs in every lane's own order."""
    codes = [np.arange(low, high + 1) for low, high in map(code_range, (x_form, w_form))]
    x, w = (side.reshape(-1) for side in np.meshgrid(*codes))
    order = np.stack([rng.permutation(len(x)) for _ in range(lanes)], axis=1)
    return x[order], w[order]
