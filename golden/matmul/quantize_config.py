"""Configuration of the group quantiser, and the scale arithmetic its hardware tabulates."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice

__all__ = ["QuantizeConfig", "reciprocal", "scale_significand"]

_LEAST_BEATS = 8  # of a group: more than pass while its scale is computed
# Fraction bits of the reciprocal by bits of a magnitude: the fewest with which no quotient is
# rounded wrongly (tests/golden/matmul/test_quantize.py tries all of them)
_RECIPROCAL_FRACTION = {3: 19, 4: 21, 7: 24, 8: 25}


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(Config):
    """Groups of bf16 values to integer codes, with a scale for each group.

    ``mode="absmax"`` gives signed codes from ``-qmax`` to ``qmax``, ``mode="minmax"`` unsigned ones
    from 0 to ``qmax`` and a zero point among them; ``qmax`` is ``2 ** magnitude_width - 1``.
    """

    lanes: int = choice(4, (1, 2, 4, 8, 16, 32), "values a cycle")
    group: int = choice(128, (32, 64, 128, 256), "values that share a scale")
    result: str = choice("int8", ("int8", "int4"), "form of a code")
    mode: str = choice("absmax", ("absmax", "minmax"), "symmetric, or with a zero point")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beats < _LEAST_BEATS:
            raise ValueError(
                f"lanes must be at most group / {_LEAST_BEATS} = {self.group // _LEAST_BEATS}, "
                f"not {self.lanes}"
            )

    @property
    def result_width(self) -> int:
        """Bits of a code."""
        return int(self.result[-1])

    @property
    def magnitude_width(self) -> int:
        """Bits of the greatest code, ``qmax``."""
        return self.result_width - (self.mode == "absmax")

    @property
    def beats(self) -> int:
        """Beats of a group."""
        return self.group // self.lanes

    @property
    def reciprocal_fraction(self) -> int:
        """Fraction bits of a significand's :func:`reciprocal`."""
        return _RECIPROCAL_FRACTION[self.magnitude_width]

    @property
    def least_range(self) -> int:
        """bf16 pattern of ``qmax * 2 ** -126``: smaller ranges get the least normal scale too."""
        width = self.magnitude_width
        return width << 7 | ((1 << width) - 1) << (8 - width) & 127


def scale_significand(significand: int, width: int) -> tuple[int, int]:
    """Significand of ``significand * 2 ** width / (2 ** width - 1)``, rounded up to 8 bits.

    Args:
        significand: Of a range, 128 to 255.
        width: Bits of the greatest code.

    Returns:
        The significand, 128 to 255, and what it adds to the exponent, 0 or 1.
    """
    quotient = -(-(significand << width) // ((1 << width) - 1))
    return (quotient, 0) if quotient < 256 else ((quotient + 1) >> 1, 1)


def reciprocal(significand: int, fraction: int) -> int:
    """``2 ** fraction / significand``, rounded up.

    Rounded up, its product with a dividend is never below a tie that the quotient is (Granlund and
    Montgomery, Division by invariant integers using multiplication, PLDI 1994).
    """
    return -(-(1 << fraction) // significand)
