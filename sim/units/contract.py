"""State what a unit's streams promise beyond valid, ready and payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Accumulator", "Contract"]


@dataclass(frozen=True, kw_only=True)
class Accumulator:
    """A register that adds beats up and must hold every sum of a declared length.

    Names are those of nets in the flat design.
    """

    total: str  # the register, two's complement
    beat: str  # what is added, two's complement
    fresh: str  # 1 if a beat begins a sum
    least: int  # least value of a beat
    greatest: int
    beats: int  # of the longest sum


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Promises of a unit about its streams, which proofs hold it to.

    ``completes`` is a Verilog expression. It knows the fields of the beat on ``i`` that are no
    arrays, such as ``i_last``, and ``position``, the place of the beat in its group.
    """

    completes: str = "1"  # beats on ``o`` that the beat on ``i`` completes
    group_beats: int = 1  # ``position`` counts the beats from a reset on, modulo this
    most_due: int = 15  # results that may be due at a time: completed, and not yet taken
    # Cycles after which the unit has served whoever offers something, and stands still if nobody
    # does; the latency if not given
    wait_cycles: int | None = None
    # Gated clocks that must not tick for a beat whose field is 1: label of the field of ``i``, and
    # name of the clock's net in the flat design
    masked_clocks: Mapping[str, str] = field(default_factory=dict)
    accumulators: tuple[Accumulator, ...] = ()
