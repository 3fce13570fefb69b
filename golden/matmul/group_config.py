"""Configuration of the dot product of group-quantised weights."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice
from consilico.golden.matmul.config import sum_width

__all__ = ["HEADROOM", "SUM", "GroupDotConfig"]

SUM = 32  # bits of a result
HEADROOM = 4  # a bf16 scale may be up to 2 ** HEADROOM times the shared exponent's unit


@dataclass(frozen=True, kw_only=True)
class GroupDotConfig(Config):
    """``sum over groups of s * sum((q - z) * x)``: INT4 weights ``q``, INT8 activations ``x``.

    Sums are INT32 with an exponent that all groups of a sum share, a run-time constant. INT8
    second-level scales need it for bf16 results only: it is then the first-level scale's.
    """

    lanes: int = choice(16, (4, 8, 16, 32), "products a beat; divides every group")
    group: int = choice(128, (32, 64, 128, 256), "weights that share scale and zero point")
    scale: str = choice("bf16", ("bf16", "int8"), "bf16, or unsigned second-level as in VS-Quant")
    output: str = choice("int32", ("int32", "bf16"), "INT32 with a shared exponent, or bf16")

    @property
    def has_exponent(self) -> bool:
        """Whether there is a shared exponent to load."""
        return "bf16" in (self.scale, self.output)

    @property
    def result_width(self) -> int:
        """Bits of a result."""
        return SUM if self.output == "int32" else 16

    @property
    def beats(self) -> int:
        """Beats of a group."""
        return self.group // self.lanes

    @property
    def scale_width(self) -> int:
        """Bits of a scale on the stream."""
        return 8 if self.scale == "int8" else 16

    @property
    def multiplier_width(self) -> int:
        """Bits of a scale's magnitude as an integer, in units of the shared exponent."""
        return 8 if self.scale == "int8" else 8 + HEADROOM

    @property
    def group_width(self) -> int:
        """Bits of a group's sum, signed."""
        return sum_width(self.group, -128 * 15, 128 * 15)

    @property
    def slice_width(self) -> int:
        """Bits of a group's sum scaled in a cycle, so that it is done with before the next."""
        return max(2, SUM // self.beats)

    @property
    def slots(self) -> int:
        """Cycles that a group's sum is scaled in."""
        return SUM // self.slice_width
