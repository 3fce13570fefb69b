"""Define how methods treat a parameter: the tensors they keep for it, and those of an update.

A :class:`Treatment` describes one class of parameters under one method. The catalogue in
``methods.py`` puts treatments together; the constants here are its building blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture, Attention, Mlp, Parameter
from consilico.sim.memory.entries import Size, least

__all__ = ["Dims", "Holding", "Treatment"]


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
        return cls(parameter.rows, parameter.columns, clipped, rank, density, parameter.matrices)

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


def _galore_update(d: Dims, e: int) -> Size:
    """Return the bytes of GaLore's update.

    They are the step in the subspace and its denominator, the step brought back, and the same
    scaled.
    """
    return e * (2 * d.low + 2 * d.full)


def _svd(d: Dims, e: int) -> Size:
    """Return the bytes of a new subspace: a float32 copy of the gradient and its reduced SVD.

    The solver's workspace is not counted.
    """
    return 4 * (2 * d.full + d.matrices * d.short * d.short)


def _requantized(d: Dims, e: int) -> Size:
    """Return the bytes of writing an INT8 weight back as the authors' code does.

    Its ``_quantize_stochastic_round`` makes the new weight and a copy of it; then quotient,
    ceiling, floor, fraction, random numbers and the choice among them, each as large as the weight.
    """
    return e * 8 * d.full


FROZEN = Treatment(holdings=(weight(),))
PLAIN = Treatment(holdings=(weight(),), gradient=full)
ADAM = Treatment(holdings=(weight(), *moments(full)), gradient=full, kernel=True)
ADAM_8BIT = Treatment(holdings=(weight(), *moments(full, "uint8")), gradient=full)
ADAM_32 = Treatment(holdings=(weight(), *moments(full, "float32")), gradient=full)
LOMO = replace(PLAIN, update=lambda d, e: 8 * d.full)  # gradient and weight in float32
_FACTORED = state(
    "row and column statistics", lambda d: d.matrices * (d.rows + d.columns), "float32"
)
ADAFACTOR = Treatment(
    holdings=(weight(), _FACTORED),
    gradient=full,
    update=lambda d, e: 8 * d.full,  # the gradient and its step in float32
)
ADAFACTOR_VECTORS = Treatment(
    holdings=(weight(), state("second moment", full, "float32")), gradient=full
)


def _newton_schulz(d: Dims, e: int) -> Size:
    """Return the bytes of orthogonalizing a momentum (torch.optim.Muon, ``_muon.py``).

    They are the momentum looked ahead, two iterates in bfloat16, and two squares of the shorter
    side.
    """
    return (e + 4) * d.full + 4 * d.matrices * d.short * d.short


MUON = Treatment(holdings=(weight(), state("momentum", full)), gradient=full, update=_newton_schulz)
MUON_8BIT = replace(
    MUON,
    holdings=(weight(), state("momentum", full, "uint8")),
    update=lambda d, e: 4 * d.full + _newton_schulz(d, e),  # and the momentum in float32
)


def _four_bits(name: str, group: int) -> Holding:
    """Return a moment in 4 bits, in groups with a float32 scale; none where ``group`` is 0."""
    return Holding(
        name=name, kind=STATES, elements=full, dtype="int4", group=group,
        constants=4.0 if group else 0.0,
    )  # fmt: skip


ADAM_4BIT = Treatment(
    holdings=(
        weight(),
        _four_bits("first moment", 128),
        _four_bits("second moment", 0),
        state("row and column maxima", lambda d: d.matrices * (d.rows + d.columns), "float32"),
    ),
    gradient=full,
    update=lambda d, e: 8 * d.full,  # both moments in float32
)
BADAM = Treatment(
    holdings=(
        weight(),
        Holding(name="master weight", kind=WEIGHTS, elements=full, dtype="float32"),
        *moments(full, "float32"),
    ),
    gradient=full,
    kernel=True,
    wide_gradient=True,
)


def _sampled_vectors(d: Dims) -> Size:
    """Return all singular values of a matrix and ``rank`` pairs of singular vectors."""
    return d.matrices * (d.rank * (d.rows + d.columns) + d.short)


SST = Treatment(
    holdings=(
        weight(elements=lambda d: d.matrices * d.short * (d.rows + d.columns + 1)),
        *moments(_sampled_vectors),
    ),
    gradient=_sampled_vectors,
    kernel=True,
)
GALORE = Treatment(
    holdings=(weight(), *moments(low), projection("weight")),
    gradient=full,
    update=_galore_update,
    renewal=_svd,
    svd=True,
)
GALORE_8BIT = replace(GALORE, holdings=(weight(), *moments(low, "uint8"), projection("weight")))
FIRA = replace(GALORE, update=lambda d, e: e * (2 * d.low + 4 * d.full))  # and the residual, scaled
DCT = replace(
    GALORE,
    holdings=(
        weight(),
        *moments(low),
        Holding(
            name="chosen columns",
            kind=PROJECTIONS,
            elements=lambda d: d.matrices * d.rank,
            dtype="int32",
        ),
    ),
    renewal=lambda d, e: e * d.full,  # the gradient in the whole basis
    svd=False,
)

Q_GALORE_PUBLISHED = Treatment(
    holdings=(  # scale and zero of a group in bfloat16
        weight("uint8", RUN_GROUP, 4.0),
        *moments(low, "uint8"),
        projection("uint8", RUN_GROUP, 4.0),
    ),
    gradient=full,
    update=_requantized,
    renewal=_svd,
    svd=True,
    weight_copies=1,
)

Q_GALORE = replace(
    Q_GALORE_PUBLISHED,
    holdings=(*Q_GALORE_PUBLISHED.holdings[:-1], projection("int4", RUN_GROUP, 4.0)),
)
APOLLO = Treatment(
    holdings=(weight(), *moments(low)),  # the random projection is made anew from its seed
    gradient=full,
    update=lambda d, e: e * (d.basis + 3 * d.low + d.full),
)
Q_APOLLO = replace(
    APOLLO,
    holdings=(weight("uint8", RUN_GROUP, 4.0), *moments(low)),
    update=_requantized,
    weight_copies=1,
)


def adapted(base: Holding, *more: Holding, weight_copies: int = 0) -> Treatment:
    """Return the treatment of a frozen weight next to two trained low-rank factors (LoRA)."""
    return Treatment(
        holdings=(
            base,
            *more,
            Holding(name="adapter", kind=ADAPTERS, elements=factors, dtype="adapter"),
            state("first moment of adapter", factors, "adapter state"),
            state("second moment of adapter", factors, "adapter state"),
        ),
        gradient=factors,
        trains_factors=True,
        kernel=True,
        weight_copies=weight_copies,
    )


def with_magnitudes(treatment: Treatment) -> Treatment:
    """Return a treatment whose adapters train a magnitude for each row, too (DoRA, section 4)."""

    def elements(d: Dims) -> Size:
        return d.factors + d.full // d.columns

    holdings = tuple(
        replace(h, elements=elements) if h.elements is factors else h for h in treatment.holdings
    )
    return replace(treatment, holdings=holdings, gradient=elements)


# NF4 in blocks of 64, whose scales are 8-bit in blocks of 256 with a float32 scale each:
# 1 + 4 / 256 bytes a block (arXiv 2305.14314, section 3)
def nf4(elements: Elements = full) -> Holding:
    """Return a weight in NF4 with double quantization."""
    return weight("nf4", 64, 1 + 4 / 256, elements)


LORA = adapted(weight())
QLORA = adapted(nf4(), weight_copies=1)
LORAM = adapted(weight(elements=kept))
QLORAM = adapted(nf4(kept), weight_copies=1)
GRAD_NORM_LORP = adapted(
    weight(),
    Holding(name="magnitudes", kind=ADAPTERS, elements=lambda d: d.columns, dtype="adapter"),
)
LAMDA = Treatment(
    holdings=(
        weight(),
        Holding(name="frozen factors", kind=ADAPTERS, elements=factors, dtype="adapter"),
        Holding(name="core", kind=ADAPTERS, elements=core, dtype="adapter"),
        state("first moment of core", core, "adapter state"),
        state("second moment of core", core, "adapter state"),
    ),
    gradient=core,
    trains_factors=True,
    kernel=True,
)

WELORE = Treatment(holdings=(weight(elements=kept), *moments(kept)), gradient=kept, kernel=True)


def low_rank_and_sparse(density: float, index_bytes: str) -> Treatment:
    """Return the treatment of a weight made of two factors and a sparse rest, all of them trained.

    The dense weight exists only while a product uses it.
    """
    elements = sparse(density)
    indices = Holding(
        name="indices", kind=WEIGHTS, elements=lambda d: round(density * d.full), dtype=index_bytes
    )
    return Treatment(
        holdings=(weight(elements=elements), indices, *moments(elements)),
        gradient=elements,
        kernel=True,
        weight_copies=1,
    )


def _groups_and_channels(arch: Architecture) -> tuple[int, int]:
    """Return what structured pruning cuts in a block: groups of heads, and channels of the MLP.

    Raises:
        UserError: If blocks differ, or are of other parts.
    """
    attention, mlp = arch.block.attention, arch.block.mlp
    if len(arch.kinds) == 1 and isinstance(attention, Attention) and isinstance(mlp, Mlp):
        return attention.kv_heads, mlp.intermediate
    raise UserError(
        "structured pruning (loram, qloram) must have equal blocks of attention and one MLP, not"
        f" those of {arch.name}"
    )


def structured(ratio: float) -> Callable[[Architecture], float]:
    """Return the share of the blocks' weights that structured pruning by ``ratio`` leaves.

    LLM-Pruner as LoRAM uses it (arXiv 2502.13533): the first four and the last two blocks stay
    whole; in the others heads, in groups that share keys, and MLP channels are cut, and rounded up.
    """

    def density(arch: Architecture) -> float:
        groups, width = _groups_and_channels(arch)
        whole = min(6, arch.layers)
        heads = ceil(round((1 - ratio) * groups, 9)) / groups
        channels = round((1 - ratio) * width) / width
        block = arch.matrix_elements(0)
        attention = sum(p.elements for p in arch.parameters() if p.role == "attention")
        cut = (heads * attention + channels * (block - attention)) / block
        return (whole + (arch.layers - whole) * cut) / arch.layers

    return density
