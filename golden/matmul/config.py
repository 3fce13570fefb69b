"""Configurations of the dot-product units, shared by model, generator and report."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer
from consilico.golden.matmul.operand import Operands

__all__ = ["FUSED_MODES", "DotConfig", "FusedDotConfig", "SparseDotConfig", "sum_width"]

FUSED_MODES = ("int8", "int8_int4", "int4")  # activations and weights; 1, 2, 4 products a lane


def sum_width(count: int, least: int, greatest: int) -> int:
    """Bits of a two's complement number that holds every sum of ``count`` terms.

    Args:
        count: Number of terms, at least 1.
        least: Of a term, at most 0.
        greatest: Of a term, at least 0.
    """
    return max((count * greatest).bit_length(), (-count * least - 1).bit_length()) + 1


@dataclass(frozen=True, kw_only=True)
class DotConfig(Operands, Config):
    """``sum(x * w)`` over the beats up to ``last``, ``lanes`` products a beat.

    With ``w="uint4"`` weights stand for ``w - zero_point``, a run-time constant.
    """

    lanes: int = integer(16, 1, 256, "products a beat")
    x: str = choice("int8", ("int8", "int4"), "activations, signed")
    w: str = choice("int8", ("int8", "int4", "uint4"), "weights; uint4 has a zero point")
    depth: int = integer(4096, 1, 1 << 20, "products of one sum that no sum may overflow with")
    accumulator: int = integer(0, 0, 40, "bits of a sum that saturates; 0: all that depth needs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.w == "int8" and self.x == "int4":
            raise ValueError("w must be int4 or uint4 with x=int4, not int8: exchange the operands")
        if self.accumulator and self.accumulator < self.beat_width:
            raise ValueError(
                f"accumulator must be 0 or at least {self.beat_width}, the bits of one beat's sum, "
                f"not {self.accumulator}"
            )
        if self.accumulator >= self.full_width:
            raise ValueError(
                f"accumulator must be 0 or below {self.full_width}, with which no sum of depth "
                f"{self.depth} saturates, not {self.accumulator}"
            )

    @property
    def beat_width(self) -> int:
        """Bits of the sum of one beat, signed."""
        return sum_width(self.lanes, *self.product_range)

    @property
    def full_width(self) -> int:
        """Bits of a sum of ``depth`` products, signed, with which none overflows."""
        return max(self.beat_width, sum_width(self.depth, *self.product_range))

    @property
    def saturates(self) -> bool:
        """Whether sums saturate, beat by beat."""
        return self.accumulator != 0

    @property
    def sum_width(self) -> int:
        """Bits of a result, signed."""
        return self.accumulator or self.full_width


@dataclass(frozen=True, kw_only=True)
class SparseDotConfig(DotConfig):
    """A dot product with 2:4 sparse weights: two of every four, each with a 2-bit index.

    ``lanes`` multipliers take ``2 * lanes`` activations a beat. ``depth`` counts products made.
    """

    lanes: int = integer(16, 2, 256, "products made a beat, of twice as many activations")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lanes % 2:
            raise ValueError(f"lanes must be even, two a group of four, not {self.lanes}")


@dataclass(frozen=True, kw_only=True)
class FusedDotConfig(Config):
    """A dot product whose lanes do 1, 2 or 4 products a beat, chosen at run time."""

    lanes: int = integer(16, 1, 256, "lanes: INT8 x INT8 products a beat")
    depth: int = integer(4096, 1, 1 << 20, "INT8 x INT8 products of one sum that cannot overflow")

    @property
    def sum_width(self) -> int:
        """Bits of a result, signed; four INT4 x INT4 products are less than one INT8 x INT8."""
        return sum_width(max(self.depth, self.lanes), -128 * 127, 128 * 128)

    @property
    def beat_width(self) -> int:
        """Bits of the sum of one beat, signed."""
        return sum_width(self.lanes, -128 * 127, 128 * 128)
