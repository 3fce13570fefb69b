"""State what a unit's streams promise beyond valid, ready and payload."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Accumulator", "Contract", "clocked_by"]


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
    # Cycles after which a result has come that is due, if none comes before it; the latency if not
    # given
    late_cycles: int | None = None
    # Cycles after which the unit has served whoever offers something, and stands still if nobody
    # does; the latency if not given
    wait_cycles: int | None = None
    # Gated clocks that must not tick for a beat whose field is 1: label of the field of ``i``, and
    # name of the clock's net in the flat design
    masked_clocks: Mapping[str, str] = field(default_factory=dict)
    # Gated clocks that tick at most once for each beat taken and for each reset, whatever stalls:
    # name of the clock's net in the flat design, and the stream, ``i`` or ``cfg``. Simulations hold
    # the unit to it.
    beat_clocks: Mapping[str, str] = field(default_factory=dict)
    accumulators: tuple[Accumulator, ...] = ()


def clocked_by(
    latency_cycles: int, *, i: Iterable[str] = (), cfg: Iterable[str] = ()
) -> dict[str, str]:
    """Return :attr:`Contract.beat_clocks` of a pipeline whose stages hold still by clock gating.

    Args:
        latency_cycles: Its stages; from stage 1 on each has a gated clock.
        i: Further gated clock domains that tick once for a beat on ``i``.
        cfg: Gated clock domains that tick once for a beat on ``cfg``.
    """
    domains = {f"stage{stage}": "i" for stage in range(1, latency_cycles)}
    domains |= dict.fromkeys(i, "i") | dict.fromkeys(cfg, "cfg")
    return {f"{domain}_clk": stream for domain, stream in domains.items()}
