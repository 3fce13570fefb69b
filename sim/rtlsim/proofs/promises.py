"""List what is proved of every unit with streams, and what a proof has to know of one."""

from collections.abc import Callable
from dataclasses import dataclass

from consilico.sim.rtlsim.proofs.slicing import Slice
from consilico.sim.units.contract import Contract
from consilico.sim.units.layout import Layouts

__all__ = ["NO_OVERFLOW", "PROPERTIES", "VALID_FIRST", "Model", "Property", "StreamPromises"]


@dataclass(frozen=True, kw_only=True)
class StreamPromises:
    """Verilog that claims to be a unit with streams, and what it promises about them."""

    text: str
    top: str  # name of its module
    layouts: Layouts  # fields of its payloads
    contract: Contract | None  # None: nothing beyond valid, ready and payload
    latency_cycles: int  # from the handshake on ``i`` to that on ``o`` when nothing stalls
    # Whether registers hold their initial values when power comes, as in a simulation; if not, only
    # a reset may be relied on
    powered: bool = False


@dataclass(frozen=True, kw_only=True)
class Model:
    """Model for a prover: an AIGER file with one output per property of :data:`PROPERTIES`."""

    aiger: bytes
    overflow: bytes | None  # likewise, for NO_OVERFLOW; None if there are no accumulators
    slice: Slice


@dataclass(frozen=True, kw_only=True)
class Property:
    """One promise of a unit, and what it is called."""

    name: str
    statement: str  # one line for people
    needs_contract: bool = False  # what the unit promises must be known
    of_results: bool = False  # so must what completes results
    of_data: bool = False  # it speaks of bits of the payload that decide nothing
    # Whether the model stands for more than the unit does there, so that a run that breaks the
    # promise must be one of the unit, too
    coarse: bool = False
    # Whether a unit has what it is about
    applies: Callable[[StreamPromises, Model], bool] = lambda claim, model: True


VALID_FIRST = Property(
    name="valid_first", statement="o valid does not wait for ready in the same cycle"
)
NO_OVERFLOW = Property(
    name="no_overflow",
    statement="accumulators hold every sum of the declared length, for beats within their bounds",
    applies=lambda claim, model: model.overflow is not None,
)
# In the order of the bits of ``violated``
PROPERTIES = (
    Property(
        name="valid_held",
        statement="o valid stays until ready",
    ),
    Property(
        name="payload_held",
        statement="the payload on o does not change until ready",
        coarse=True,
    ),
    Property(
        name="silent_after_reset",
        statement="nothing is valid after a reset before an input was taken",
    ),
    Property(
        name="nothing_doubled",
        statement="no result without the input that completes it",
        needs_contract=True,
        of_results=True,
    ),
    Property(
        name="nothing_lost",
        statement="every result comes within the latency, even if the consumer waits for valid",
        needs_contract=True,
        of_results=True,
    ),
    Property(
        name="no_deadlock",
        statement="whoever offers a beat is served, whatever order valid and ready come in",
        needs_contract=True,
        of_results=True,
    ),
    Property(
        name="in_order",
        statement="a result depends on its own beats: none reordered, none from before a reset",
        needs_contract=True,
        of_results=True,
        of_data=True,
        coarse=True,
    ),
    Property(
        name="configuration_in_order",
        statement="a configuration changes no result of beats accepted before it",
        needs_contract=True,
        of_results=True,
        applies=lambda claim, model: claim.layouts.cfg.width > 0,
        coarse=True,
    ),
    Property(
        name="invalid_ignored",
        statement="a payload that is not valid reaches no result",
        of_data=True,
        coarse=True,
    ),
    Property(
        name="served_at_once",
        statement="a stream is ready whenever the contract says that it must be",
        needs_contract=True,
        applies=lambda claim, model: bool(claim.contract and claim.contract.ready),
    ),
    # of clocks, which a simulation looks at in both halves of a cycle: the last ones
    Property(
        name="clocks_stop",
        statement="no gated clock ticks while nothing moves",
        needs_contract=True,
        applies=lambda claim, model: bool(model.slice.ticks),
    ),
    Property(
        name="masked_clocks_stop",
        statement="a masked lane costs no clock energy",
        needs_contract=True,
        applies=lambda claim, model: bool(claim.contract and claim.contract.masked_clocks),
    ),
)
