"""State what a unit's streams promise beyond valid, ready and payload."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["FREE", "MOVES", "Accumulator", "Contract", "PerBeat", "clocked_by"]

# When a pipeline whose stages move together is ready, see :attr:`Contract.ready`: for a beat that
# enters it, and for a configuration that the beat in its first stage must not see
MOVES, FREE = "!waits", "!(waits && entered)"


@dataclass(frozen=True, kw_only=True)
class Accumulator:
    """A register that adds beats up and must hold every sum of a declared length.

    Names are those of nets in the flat design, or of bits of them, such as ``total[27:0]``.
    """

    total: str  # the register, two's complement
    beat: str  # what is added, two's complement
    fresh: str  # 1 if a beat begins a sum
    before: str = ""  # what it is added to; the register if not given
    least: int  # least value of a beat
    greatest: int
    least_sum: int  # of the longest sum
    greatest_sum: int


@dataclass(frozen=True, kw_only=True)
class PerBeat:
    """Ticks that a gated clock may have: for beats taken and, once more, for each reset."""

    stream: str = "i"  # or "cfg"
    # Labels of fields of ``i``: a beat counts where one of them is not 0; all do if none is given
    where: tuple[str, ...] = ()
    masked_by: str = ""  # label of a field of ``i``: a beat where it is 1 does not count
    beats: int = 1  # that count, in a group
    ticks: int = 1  # at most, for each group that has begun

    def most(self, beats: int, resets: int) -> int:
        """Return the greatest number of ticks for so many beats that count, and resets."""
        return self.ticks * (-(-beats // self.beats) + resets)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Promises of a unit about its streams, which proofs hold it to.

    ``completes``, ``closes`` and ``lawful`` are Verilog expressions. They know the fields of the
    beat on ``i`` that are no arrays, such as ``i_last``, ``position``, the place of the beat in its
    group, and what ``state`` declares.
    """

    # Beats on ``o`` that the beat on ``i`` completes; None: that takes more than this to say
    completes: str | None = "1"
    # Whether no result of later beats depends on the beat on ``i``, or on those before it; if not
    # given, that is so where the beat completes results
    closes: str = ""
    # Whether what was accepted so far means something, such as sizes within their limits; without
    # it, nothing is promised about results
    lawful: str = "1"
    # Verilog of what these expressions have to remember, such as the counters of a job. It knows
    # ``clk``, ``rst``, ``take`` and ``configure`` (a beat on ``i`` or ``cfg`` is taken, not in a
    # reset), and the fields of both beats, such as ``cfg_m``.
    state: str = ""
    group_beats: int = 1  # ``position`` counts the beats from a reset on, modulo this
    most_due: int = 15  # results that may be due at a time: completed, and not yet taken
    # Cycles after which a result has come that is due, if none comes before it; the latency if not
    # given
    late_cycles: int | None = None
    # Cycles after which the unit has served whoever offers something, and stands still if nobody
    # does; the latency if not given
    wait_cycles: int | None = None
    # When an offer must be taken, whatever stalls: by stream (``i`` or ``cfg``) a Verilog
    # expression that is 1 in cycles in which ready must be. It knows ``waits`` (``o`` offers a
    # result that is not taken), ``entered`` (the last cycle in which it did not wait took a beat on
    # ``i``) and ``cfg_valid``. Proofs and simulations hold the unit to it.
    ready: Mapping[str, str] = field(default_factory=dict)
    # Gated clocks that must not tick for a beat whose field is 1: label of the field of ``i``, and
    # name of the clock's net in the flat design
    masked_clocks: Mapping[str, str] = field(default_factory=dict)
    # How often gated clocks may tick, whatever stalls, by the name of the clock's net in the flat
    # design. Simulations hold the unit to it.
    beat_clocks: Mapping[str, PerBeat] = field(default_factory=dict)
    accumulators: tuple[Accumulator, ...] = ()
    # What makes the promises follow by induction: Verilog expressions that are 1 in every cycle
    # after a reset. They know :attr:`lemma_nets`, ``due`` (results that are due), ``position``,
    # ``lawful_so_far`` (from the last reset on), ``ended[n]`` (a beat that completes results was
    # taken n + 1 cycles ago), ``overdue_cycles`` (for which no result came though one is due) and
    # ``stuck_cycles`` (for which nothing moved though something is offered). They are proved
    # together with each promise.
    lemmas: tuple[str, ...] = ()
    # Verilog of what lemmas have to remember, such as the time since something happened. It knows
    # what they know.
    lemma_state: str = ""
    # Nets of the flat design, or bits of them, by the names that lemmas have for them. Proofs
    # follow the values of these nets and of what they come from. So those that decide what takes
    # part in a result, such as the end of a row, belong here where there are no lemmas, too.
    lemma_nets: Mapping[str, str] = field(default_factory=dict)


def clocked_by(
    latency_cycles: int, *, i: Iterable[str] = (), cfg: Iterable[str] = ()
) -> dict[str, PerBeat]:
    """Return :attr:`Contract.beat_clocks` of a pipeline whose stages hold still by clock gating.

    Args:
        latency_cycles: Its stages; from stage 1 on each has a gated clock.
        i: Further gated clock domains that tick once for a beat on ``i``.
        cfg: Gated clock domains that tick once for a beat on ``cfg``.
    """
    stages = (f"stage{stage}" for stage in range(1, latency_cycles))
    domains = dict.fromkeys((*stages, *i), PerBeat())
    domains |= dict.fromkeys(cfg, PerBeat(stream="cfg"))
    return {f"{domain}_clk": often for domain, often in domains.items()}
