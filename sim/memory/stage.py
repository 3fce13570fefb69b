"""A moment of a training step, and the tensors that live in it."""

from collections.abc import Callable
from dataclasses import dataclass

from consilico.sim.memory.entry import Entry, merged
from consilico.sim.memory.sizes import Size

__all__ = ["Part", "Stage"]


@dataclass(frozen=True)
class Part:
    """Some of what lives in a stage; its lines are only written out where they are wanted."""

    bytes: Size
    entries: Callable[[], list[Entry]]


@dataclass(frozen=True)
class Stage:
    """A moment of a step."""

    phase: str  # forward, loss, backward, update or new subspace
    label: str
    bytes: Size  # of all tensors, the persistent ones too
    parts: tuple[Part, ...]

    def entries(self) -> list[Entry]:
        """What lives beside the persistent tensors, one line for each name."""
        return merged(entry for part in self.parts for entry in part.entries())
