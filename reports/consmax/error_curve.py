"""Relative error of each architecture over all INT8 scores of one head."""

from fractions import Fraction
from typing import Any

__all__ = ["error_curve"]

_BITS = 100


def error_curve(scale: float, log_c: float) -> dict[str, Any]:
    """Errors of the bit-exact models against exact arithmetic.

    Args:
        scale: Natural units a code.
        log_c: Natural logarithm of the head's C.

    Returns:
        ``scale``, ``log_c``, ``score`` (natural units, 256 entries) and ``relative_error``: for
        ``log2``, ``split``, ``paper`` (truncating) and ``rounded`` (correctly rounded bf16) the
        signed relative errors at these scores.
    """
    import mpmath
    import torch

    from consilico.golden.attention.consmax import HeadConstants
    from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants
    from consilico.golden.attention.consmax_paper import consmax_paper
    from consilico.golden.attention.consmax_split import SplitConfig, consmax_split, split_constants
    from consilico.golden.bfloat16 import decode, encode

    codes = torch.arange(-128, 128)
    score, head = codes[:, None], HeadConstants(scale=scale, log_c=log_c)
    mask = torch.zeros_like(score, dtype=torch.bool)
    log2, split = Log2Config(), SplitConfig()
    plain = split_constants(head, split, balanced=False)
    with mpmath.workprec(_BITS):
        parts = [
            mpmath.frexp(mpmath.exp(mpmath.mpf(log_c) + mpmath.mpf(scale) * code))
            for code in codes.tolist()
        ]
        exact = [
            Fraction(int(mpmath.ldexp(mantissa, _BITS)), 1 << _BITS) * Fraction(2) ** int(exponent)
            for mantissa, exponent in parts
        ]
    bits = {
        "log2": consmax_log2(score, mask, log2_constants(head, log2), log2).data[:, 0].tolist(),
        "split": consmax_split(score, mask, split_constants(head, split), split)
        .data[:, 0]
        .tolist(),
        "paper": consmax_paper(codes, plain).tolist(),
        "rounded": [encode(value) for value in exact],
    }
    return {
        "scale": scale,
        "log_c": log_c,
        "score": [scale * code for code in codes.tolist()],
        "relative_error": {
            name: [float(decode(got) / want - 1) for got, want in zip(patterns, exact, strict=True)]
            for name, patterns in bits.items()
        },
    }
