"""Fixed tables that model and generator share. Exact integers, no torch."""

import numpy as np

__all__ = ["mantissa_table"]


def mantissa_table(address: int) -> list[int]:
    """Mantissa of ``2 ** f``, 7 bits, for ``f`` in the middle of each of ``2 ** address`` steps.

    The middle makes truncating the fraction to the address as good as rounding it, and keeps the
    carry out of the exponent.
    """
    middle = (np.arange(1 << address) + 0.5) / (1 << address)
    mantissa = np.minimum(np.rint(128 * np.exp2(middle)) - 128, 127)
    return [int(value) for value in mantissa]
