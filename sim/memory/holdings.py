"""Define how a method treats a parameter: tensors that it keeps for it, and those of an update.

A :class:`Treatment` describes one class of parameters under one method: its tensors, each a
:class:`Holding`, and its gradient, with counts of elements that follow from the parameter's
:class:`Dims`. The functions here make the usual ones; ``treatments.py`` puts them together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consilico.sim.memory.architecture import Parameter
from consilico.sim.memory.entries import Size, least

__all__ = [
    "ADAPTERS", "CONSTANTS", "PROJECTIONS", "RUN_GROUP", "STATES", "STATES_BLOCK",
    "WEIGHTS", "Dims", "Elements", "Holding", "Transient", "Treatment", "basis", "core",
    "factors", "full", "kept", "low", "moments", "projection", "sparse", "state", "weight",
]  # fmt: skip


@dataclass(frozen=True)
class Dims:
    """Dimensions of one parameter, and the method's numbers; ``rank`` may be an array."""

    rows: int
    columns: int
    rank: Size  # of a projection: no more than the shorter side
    factor_rank: Size  # of factors, which may be larger
    density: float = 1.0  # part of the weight that a method keeps
    matrices: int = 1  # in the tensor, each of these rows and columns

    @classmethod
    def of(cls, parameter: Parameter, rank: Size, density: float = 1.0) -> "Dims":
        """Return the dimensions of a parameter; a projection's rank is at most its shorter side."""
        clipped = least(rank, min(parameter.rows, parameter.columns))
        return cls(
            parameter.rows,
            parameter.columns,
            clipped,
            rank * parameter.fused,
            density,
            parameter.matrices,
        )

    @property
    def full(self) -> int:
        """Return the number of elements of the parameter."""
        return self.matrices * self.rows * self.columns

    @property
    def kept(self) -> int:
        """Return the number of elements that remain after pruning."""
        return round(self.full * self.density)

    @property
    def short(self) -> int:
        """Return the length of the shorter side."""
        return min(self.rows, self.columns)

    @property
    def long(self) -> int:
        """Return the length of the longer side."""
        return max(self.rows, self.columns)

    @property
    def low(self) -> Size:
        """Return the number of elements of the gradient once it is projected to ``rank``."""
        return self.matrices * self.rank * self.long

    @property
    def basis(self) -> Size:
        """Return the number of elements of the projection."""
        return self.matrices * self.rank * self.short

    @property
    def factors(self) -> Size:
        """Return the number of elements of two low-rank factors of ``factor_rank``."""
        return self.matrices * self.factor_rank * (self.rows + self.columns)


Elements = Callable[[Dims], Size]
"""Gives the number of elements of a tensor from its parameter's dimensions."""
Transient = Callable[[Dims, int], Size]  # bytes, from dimensions and bytes of an element
"""Gives bytes from a parameter's dimensions and the bytes of one of its elements."""


def _none(d: Dims, e: int) -> Size:
    """Return no bytes: the update works in place."""
    return 0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A tensor that a parameter brings with it for the whole run.

    ``dtype`` is a name of :data:`consilico.sim.memory.entries.BITS`, or ``weight``, ``state``,
    ``adapter`` or ``adapter state`` where the run chooses the type.
    """

    name: str
    kind: str
    elements: Elements
    dtype: str
    group: int = 0  # elements that share constants; 0: none; or RUN_GROUP, STATES_BLOCK
    constants: float = 0.0  # bytes of the constants of a group


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """Treatment of one class of parameters by a training method."""

    holdings: tuple[Holding, ...]  # the first ones are the weight as it is stored
    weights: int = 1  # how many those are
    gradient: Elements | None = None  # elements of what backward leaves; None: frozen
    trains_factors: bool = False  # low-rank factors next to a frozen weight
    kernel: bool = False  # an AdamW step of torch.optim, whose kernel decides the transient
    update: Transient = _none  # bytes more while one parameter is updated
    renewal: Transient = _none  # bytes more while its subspace is renewed, before the update
    svd: bool = False  # a new subspace comes from an SVD of the gradient
    wide_gradient: bool = False  # for the update all gradients are made float32 together
    weight_copies: int = 0  # float weights, of the type of activations, made for a product


WEIGHTS, CONSTANTS, STATES = "weights", "quantization constants", "optimizer states"
PROJECTIONS, ADAPTERS = "projections", "adapters"
RUN_GROUP = -1
"""As a holding's group: that of the run."""
STATES_BLOCK = -2
"""As a holding's group: the run's block of 8-bit states (arXiv 2110.02861, section 2.1)."""


def full(d: Dims) -> Size:
    """Return all elements of the parameter."""
    return d.full


def kept(d: Dims) -> Size:
    """Return the elements that remain after pruning."""
    return d.kept


def low(d: Dims) -> Size:
    """Return the elements of a projected gradient."""
    return d.low


def basis(d: Dims) -> Size:
    """Return the elements of a projection."""
    return d.basis


def factors(d: Dims) -> Size:
    """Return the elements of two low-rank factors."""
    return d.factors


def core(d: Dims) -> Size:
    """Return the elements of a square matrix between two low-rank factors."""
    return d.matrices * d.factor_rank * d.factor_rank


def sparse(density: float) -> Elements:
    """Return a count of two low-rank factors and the share ``density`` of the matrix."""
    return lambda d: d.factors + round(density * d.full)


def weight(
    dtype: str = "weight", group: int = 0, constants: float = 0.0, elements: Elements = full
) -> Holding:
    """Return the holding that is the parameter itself."""
    return Holding(
        name="weight", kind=WEIGHTS, elements=elements, dtype=dtype, group=group,
        constants=constants,
    )  # fmt: skip


def state(name: str, elements: Elements, dtype: str = "state") -> Holding:
    """Return a tensor of the optimizer; in 8 bits with a float32 scale per block of elements."""
    block = (STATES_BLOCK, 4.0) if dtype == "uint8" else (0, 0.0)
    return Holding(
        name=name, kind=STATES, elements=elements, dtype=dtype, group=block[0], constants=block[1]
    )


def moments(elements: Elements, dtype: str = "state") -> tuple[Holding, Holding]:
    """Return Adam's first and second moment."""
    return state("first moment", elements, dtype), state("second moment", elements, dtype)


def projection(dtype: str, group: int = 0, constants: float = 0.0) -> Holding:
    """Return the basis of a gradient's subspace."""
    return Holding(
        name="projection", kind=PROJECTIONS, elements=basis, dtype=dtype, group=group,
        constants=constants,
    )  # fmt: skip
