"""Relative error of each architecture over all INT8 scores of one head."""

from dataclasses import dataclass
from fractions import Fraction

from consilico.sim.base.facts import Facts

__all__ = ["ErrorCurve", "error_curve"]

_BITS = 100


@dataclass(frozen=True, kw_only=True)
class ErrorCurve(Facts):
    """Relative errors of the bit-exact models over all INT8 scores of one head.

    The models are ``log2``, ``split``, ``paper`` (truncating) and ``rounded`` (correctly rounded
    bf16).
    """

    head: str = ""  # which head, in words
    scale: float  # natural units per code
    log_c: float  # natural logarithm of the head's C
    score: tuple[float, ...]  # natural units, 256 entries
    relative_error: dict[str, tuple[float, ...]]  # signed, at these scores, by model


def error_curve(scale: float, log_c: float) -> ErrorCurve:
    """Return the errors of the bit-exact models against exact arithmetic.

    Args:
        scale: Natural units per code.
        log_c: Natural logarithm of the head's C.
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
    return ErrorCurve(
        scale=scale,
        log_c=log_c,
        score=tuple(scale * code for code in codes.tolist()),
        relative_error={
            name: tuple(
                float(decode(got) / want - 1) for got, want in zip(patterns, exact, strict=True)
            )
            for name, patterns in bits.items()
        },
    )
