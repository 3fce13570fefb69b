"""Treatments of parameters by methods: what each keeps, from its paper or its authors' code.

The catalogue in ``methods.py`` puts them together; adapters other than LoRA's have theirs in
``adapter_treatments.py``.
"""

from collections.abc import Callable
from dataclasses import replace
from math import ceil

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture, Attention, Mlp
from consilico.sim.memory.bases import BASES
from consilico.sim.memory.entries import Size
from consilico.sim.memory.holdings import (
    ADAPTERS,
    PROJECTIONS,
    RUN_GROUP,
    STATES,
    WEIGHTS,
    Dims,
    Holding,
    Treatment,
    core,
    factors,
    full,
    kept,
    low,
    moments,
    projection,
    sparse,
    state,
    weight,
)

__all__ = [
    "ADAFACTOR",
    "ADAFACTOR_VECTORS",
    "ADALOMO",
    "ADAM",
    "ADAM_4BIT",
    "ADAM_8BIT",
    "ADAM_32",
    "APOLLO",
    "BADAM",
    "DCT",
    "FIRA",
    "FROZEN",
    "GALORE",
    "GALORE_8BIT",
    "GRAD_NORM_LORP",
    "LAMDA",
    "LOMO",
    "LORA",
    "LORAM",
    "MUON",
    "MUON_8BIT",
    "PLAIN",
    "QLORA",
    "QLORAM",
    "Q_APOLLO",
    "Q_GALORE",
    "Q_GALORE_PUBLISHED",
    "SST",
    "WELORE",
    "adapted",
    "low_rank_and_sparse",
    "structured",
    "with_magnitudes",
]  # fmt: skip


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
    update=lambda d, e: (8 if e == 4 else 16) * d.full,
)
"""As transformers runs it: step and its successor, and gradient and weight where they are not
float32 already (``optimization.py``)."""
ADALOMO = replace(ADAFACTOR, update=lambda d, e: 8 * d.full)  # the gradient and its step in float32
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


def adapted(stored: tuple[Holding, ...], *more: Holding, weight_copies: int = 0) -> Treatment:
    """Return the treatment of a frozen weight next to two trained low-rank factors (LoRA).

    Args:
        stored: The weight as it is stored.
        more: What else the method keeps for it.
        weight_copies: As the treatment has it.
    """
    return Treatment(
        holdings=(
            *stored,
            *more,
            Holding(name="adapter", kind=ADAPTERS, elements=factors, dtype="adapter"),
            state("first moment of adapter", factors, "adapter state"),
            state("second moment of adapter", factors, "adapter state"),
        ),
        weights=len(stored),
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


LORA = adapted((weight(),))
QLORA = adapted(BASES["nf4-double"](full), weight_copies=1)
LORAM = adapted((weight(elements=kept),))
QLORAM = adapted(BASES["nf4-double"](kept), weight_copies=1)
GRAD_NORM_LORP = adapted(
    (weight(),),
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
