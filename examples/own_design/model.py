"""A golden model of one's own for ``consilico verify --golden model.py:consmax``.

ConSmax by two tables, in floating point: exp(score - beta) / gamma is the product of an entry for
the low and one for the high nibble of the score, a bf16 number, and then a fraction of 7 bits.
"""

import numpy as np


def consmax(config, accepted):
    """Return ``data``, ``overflow`` and ``underflow`` of every result."""
    score, masked = accepted.data["score"], accepted.data["mask"] == 1  # (beats, lanes)
    product = np.empty(score.shape)
    for beats, loads in accepted.between_loads():
        tables = np.zeros((2, 16), dtype=np.int64)
        tables[loads["table"], loads["nibble"]] = loads["value"]  # the last write counts
        low, high = _value(tables)
        product[beats] = low[score[beats] & 15] * high[score[beats] >> 4 & 15]
    mantissa, exponent = np.frexp(product)
    rounded = np.ldexp(np.rint(mantissa * 256), exponent - 8)  # half to even
    rounded[rounded < 2.0**-126] = 0  # bf16 without subnormal numbers
    rounded[masked] = 0
    fraction = np.floor(rounded * 2**config.fixed_fraction + 0.5)  # half up
    most = 2**config.fixed_width - 1
    return {
        "data": np.minimum(fraction, most).astype(np.int64),
        "overflow": (fraction > most).any(axis=1),
        "underflow": ((fraction == 0) & ~masked).any(axis=1),
    }


def _value(bits):
    """Return the numbers that bf16 bit patterns without a sign stand for."""
    exponent = bits >> 7
    return np.where(exponent == 0, 0.0, np.ldexp(128.0 + (bits & 127), exponent - 134))
