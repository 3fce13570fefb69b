"""Lines of the ledger, and the parameters they come from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from consilico.sim.memory.architecture import Parameter
from consilico.sim.memory.method import Dims, Treatment
from consilico.sim.memory.sizes import Size, is_zero

__all__ = ["Entry", "Tensor", "merged"]

_FAMILY = {
    "embedding": "embedding",
    "position": "embedding",
    "attention": "attention matrices",
    "mlp": "MLP matrices",
    "norm": "norms and biases",
    "bias": "norms and biases",
    "head": "output layer",
}


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: tensors of one kind and purpose."""

    name: str
    kind: str
    dtype: str
    bytes: Size
    tensors: int
    live: bool = True  # at the peak

    def plus(self, other: "Entry") -> "Entry":
        """Both on one line."""
        return replace(self, bytes=self.bytes + other.bytes, tensors=self.tensors + other.tensors)

    def gone(self) -> "Entry":
        """The same line for what does not live at the peak."""
        return replace(self, live=False)


@dataclass(frozen=True)
class Tensor:
    """A parameter of the model and how it is trained."""

    parameter: Parameter
    treatment: Treatment
    dims: Dims
    count: int
    gradient: Size  # bytes of its gradient; 0 if it is frozen
    update: Size  # bytes more while it is updated
    renewal: Size  # bytes more while its subspace is renewed

    @property
    def family(self) -> str:
        """Its heading."""
        return _FAMILY[self.parameter.role]

    @property
    def trains(self) -> bool:
        """Whether it has a gradient."""
        return not is_zero(self.gradient)

    @property
    def in_block(self) -> bool:
        """Whether each block has one."""
        single = ("embedding", "position", "head")
        return self.parameter.role not in single and "final" not in self.parameter.name


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """One line for all entries of a name."""
    lines: dict[str, Entry] = {}
    for entry in entries:
        known = lines.get(entry.name)
        lines[entry.name] = entry if known is None else known.plus(entry)
    return list(lines.values())
