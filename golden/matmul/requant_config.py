"""Configuration of the requantiser, shared by model, generator and report."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer

__all__ = ["SHIFT_WIDTH", "RequantConfig"]

SHIFT_WIDTH = 6  # bits of a shift: the widest product has 63 bits, beyond which all rounds to 0


@dataclass(frozen=True, kw_only=True)
class RequantConfig(Config):
    """``saturate(round(x * multiplier / 2 ** shift) + zero_point)`` of INT32 accumulators.

    Every lane is an output channel with a multiplier and a shift of its own. 16 bits of a
    normalised multiplier are within 2 ** -16 of any scale, a 500th of an INT8 step.
    """

    lanes: int = integer(4, 1, 256, "results a cycle, one output channel each")
    result: str = choice("int8", ("int8", "int4"), "form of a result, signed")
    rounding: str = choice("half_away", ("half_away", "half_even"), "ties: away from 0, to even")
    zero_point: bool = choice(False, (False, True), "add a zero point, one for all lanes")
    multiplier_width: int = integer(16, 4, 32, "bits of a multiplier, unsigned")

    @property
    def result_width(self) -> int:
        """Bits of a result."""
        return int(self.result[-1])
