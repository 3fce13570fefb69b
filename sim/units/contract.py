"""State what a unit's streams promise beyond valid, ready and payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Contract"]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Promises of a unit about its streams, which proofs hold it to.

    Expressions are Verilog.
    """

    # Beats on ``o`` that the beat on ``i`` completes, by ``i_payload`` and by ``position``, the
    # number of beats accepted since the last one that completed any
    completes: str = "1"
    # Cycles after which the unit has served whoever offers something, and stands still if nobody
    # does; the latency if not given
    wait_cycles: int | None = None
    # Clocks that must not tick for a lane that is masked: bit of ``i_payload`` that masks it, and
    # the name of the clock net in the flat design
    masked_clocks: Mapping[int, str] = field(default_factory=dict)
