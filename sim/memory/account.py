"""The account that either engine gives of a training step: the ledger, or execution."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.memory.ledger import StepPart

__all__ = ["Account", "LedgerLine"]


@dataclass(frozen=True, kw_only=True)
class LedgerLine(Facts):
    """Tensors of one name in the ledger."""

    name: str
    kind: str  # weights, gradients, ...; activations say which
    dtype: str  # empty where it is mixed
    bytes: int
    live: bool  # at the peak; of others ``bytes`` is the most they ever take


@dataclass(frozen=True, kw_only=True)
class Account(Facts):
    """Account of one step; the lines that are ``live`` add up to the peak."""

    basis: str  # counted, or executed by which libraries
    parameters: int  # of the model, without adapters
    peak_bytes: int
    peak_at: str
    persistent_bytes: int  # of tensors that live through the whole step
    lines: tuple[LedgerLine, ...]
    parts: tuple[StepPart, ...]  # of the step in their order, each at its greatest moment
