"""Formats that a normalized score P has as an operand of the product with the values.

A result of a normalizer is a real number: bf16, or a code of its own with 7 or 8 fraction bits.
What multiplies the values has a format that the array decides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.units.unit import Powers

__all__ = ["P_FORMATS", "PFormat", "find_p_format"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PFormat:
    """A format that a normalized score P has where it is multiplied with a value."""

    name: str
    summary: str  # one line for people
    bits: int = 0  # of a code, unsigned; 0: bf16
    relative: bool = False  # to the greatest result of its row

    def weights(self, result: Reals) -> Reals:
        """Return what results of a normalizer count in the product.

        Codes have as many fraction bits as bits; they are rounded half up and saturate. Relative
        ones stand for shares of the greatest of their row, and sums of weighted values are divided
        by the sum of the codes behind the array.

        Args:
            result: Shape ``(rows, scores)``, 0 where masked.
        """
        if not self.bits:
            return _bf16(result)
        if not self.relative:
            codes = self._codes(result * 2.0**self.bits)
            codes *= 2.0**-self.bits
            return codes
        greatest = result.max(axis=1, keepdims=True)
        return _divided(self._codes(result * (self._most / np.where(greatest == 0, 1, greatest))))

    def relative_weights(self, powers: Powers) -> Reals:
        """Return what results count that are relative to a running maximum.

        Codes have as many bits as they need for the greatest result that there can be. Sums of
        weighted codes are shifted exactly where the maximum grows, and divided by the sum of the
        codes; sums of bf16 numbers by the sum that the unit gives.

        Args:
            powers: Results as they come out of the unit.
        """
        later = 2.0**-powers.shift
        if not self.bits:
            total = np.where(powers.total == 0, 1, powers.total)
            shares: Reals = _bf16(powers.value) * later / total[:, None]
            return shares
        return _divided(self._codes(powers.value * 2.0 ** (self.bits - powers.top)) * later)

    @property
    def _most(self) -> int:
        return (1 << self.bits) - 1

    def _codes(self, value: Reals) -> Reals:
        value += 0.5
        np.floor(value, out=value)
        return np.minimum(value, self._most, out=value)


P_FORMATS = {
    form.name: form
    for form in (
        PFormat(name="bf16", summary="bf16 numbers"),
        PFormat(name="int7", summary="7 bits, the operand of an INT8 array", bits=7),
        PFormat(name="uint8", summary="8 bits", bits=8),
        PFormat(name="uint12", summary="12 bits", bits=12),
        PFormat(name="2xint7", summary="two slices of 7 bits", bits=14),
        PFormat(
            name="int7-max", summary="7 bits, as shares of a row's greatest", bits=7, relative=True
        ),
        PFormat(
            name="uint8-max", summary="8 bits, as shares of a row's greatest", bits=8, relative=True
        ),
    )
}
"""All formats of P that can be asked for, by their names."""


def find_p_format(name: str) -> PFormat:
    """Return the format of that name.

    Raises:
        UserError: If there is none; the message lists those there are.
    """
    if name not in P_FORMATS:
        raise UserError(f"p_format must be one of {', '.join(P_FORMATS)}, not {name!r}")
    return P_FORMATS[name]


def _divided(codes: Reals) -> Reals:
    """Return codes divided by the sum of their row; 0 where that is 0."""
    total = codes.sum(axis=1, keepdims=True)
    codes /= np.where(total == 0, 1, total)
    return codes


def _bf16(value: Reals) -> Reals:
    """Round to bf16, to nearest even."""
    raw = value.astype(np.float32).view(np.uint32)
    raw += 0x7FFF + (raw >> 16 & 1)
    return (raw & 0xFFFF0000).view(np.float32).astype(np.float64)
