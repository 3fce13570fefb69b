"""How a training method is described: which tensors each parameter brings with it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from consilico.sim.memory.architecture import Architecture, Parameter
from consilico.sim.memory.sizes import Size, least

__all__ = ["Dims", "Holding", "Method", "Treatment"]


@dataclass(frozen=True)
class Dims:
    """The dimensions of one parameter, and the method's numbers; ``rank`` may be an array."""

    rows: int
    columns: int
    rank: Size  # of a projection: no more than the shorter side
    factor_rank: Size  # of factors, which may be larger
    density: float = 1.0  # part of the weight that a method keeps

    @classmethod
    def of(cls, parameter: Parameter, rank: Size, density: float = 1.0) -> "Dims":
        """Those of a parameter."""
        clipped = least(rank, min(parameter.rows, parameter.columns))
        return cls(parameter.rows, parameter.columns, clipped, rank, density)

    @property
    def full(self) -> int:
        """Elements of the parameter."""
        return self.rows * self.columns

    @property
    def kept(self) -> int:
        """Elements of the parameter that are kept."""
        return round(self.full * self.density)

    @property
    def short(self) -> int:
        """Shorter side."""
        return min(self.rows, self.columns)

    @property
    def long(self) -> int:
        """Longer side."""
        return max(self.rows, self.columns)

    @property
    def low(self) -> Size:
        """Elements of the gradient once it is projected to ``rank``."""
        return self.rank * self.long

    @property
    def basis(self) -> Size:
        """Elements of the projection."""
        return self.rank * self.short

    @property
    def factors(self) -> Size:
        """Elements of two factors of ``factor_rank``."""
        return self.factor_rank * (self.rows + self.columns)


Elements = Callable[[Dims], Size]
Transient = Callable[[Dims, int], Size]  # bytes, from dimensions and bytes of an element


def _none(d: Dims, e: int) -> Size:
    return 0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A tensor that a parameter brings with it for the whole run.

    ``dtype`` is a name of :data:`consilico.sim.memory.sizes.BITS`, or ``weight``, ``state``,
    ``adapter`` or ``adapter state``: what the run chooses for those.
    """

    name: str
    kind: str
    elements: Elements
    dtype: str
    group: int = 0  # elements that share constants; 0: none; -1: the run's group
    constants: float = 0.0  # bytes of the constants of a group


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """How one class of parameters is trained."""

    holdings: tuple[Holding, ...]
    gradient: Elements | None = None  # elements of what backward leaves; None: frozen
    beside: bool = False  # what trains are factors beside a frozen weight
    kernel: bool = False  # an AdamW step of torch.optim, whose kernel decides the transient
    update: Transient = _none  # bytes more while one parameter is updated
    renewal: Transient = _none  # bytes more while its subspace is renewed, before the update
    svd: bool = False  # a new subspace comes from an SVD of the gradient
    weight_copies: int = 0  # float weights, of the type of activations, made for a product


@dataclass(frozen=True, kw_only=True)
class Method:
    """A training method.

    A description says which tensors exist, in which type, and when they live: holdings always,
    gradients from their operation on to their update, transients during it.
    """

    name: str
    title: str
    source: str
    blocks: Treatment  # matrices of the blocks
    ends: Treatment  # embeddings and output layer
    vectors: Treatment  # norms and biases
    head: Treatment | None = None  # output layer, where it is treated in another way
    sampled: int = 0  # blocks trained at a time; 0: all
    rank: int = 0  # usual rank; 0: the method has none; -1: a quarter of the hidden size
    adapters: str = ""  # beside each matrix: "factors" that both train, or a "core" between frozen
    density: Callable[[Architecture], float] = field(default=lambda architecture: 1.0)
    shared: Callable[[Architecture], int] = field(default=lambda architecture: 0)  # elements
    per_layer: bool = False  # by its nature updates each parameter inside the backward pass
    inside: bool = False  # such an update runs before the product's own backward step is over
    kept_gradients: frozenset[str] = frozenset()  # roles whose gradients are never freed
    forward_only: bool = False
    lazy: bool = False  # subspaces that stay are renewed less and less often
    published: "Method | None" = None  # as the authors' code runs it, where that differs
    note: str = ""

    @property
    def low_bit(self) -> bool:
        """Whether the weights that train are integers."""
        return self.blocks.holdings[0].dtype == "uint8"
