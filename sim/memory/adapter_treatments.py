"""Treatments of frozen matrices whose adapters are other than two low-rank factors (LoRA).

As in ``treatments.py``, each names the tensors that a matrix brings with it, from the paper or from
peft 0.21.2 where that has the method.
"""

from dataclasses import replace

from consilico.sim.memory.bases import BASES
from consilico.sim.memory.entries import Size, ceil_div
from consilico.sim.memory.holdings import (
    ADAPTERS,
    Dims,
    Elements,
    Holding,
    Treatment,
    factors,
    full,
    state,
    weight,
)

__all__ = ["ADALORA", "EORA", "INCRELORA", "NOLA", "RANDLORA", "SVFIT"]

_COEFFICIENTS = 1024  # of each factor of NOLA


def _trained(elements: Elements, *frozen: Holding) -> Treatment:
    """Return the treatment of a frozen matrix next to ``elements`` that AdamW trains."""
    return Treatment(
        holdings=(
            weight(),
            *frozen,
            Holding(name="adapter", kind=ADAPTERS, elements=elements, dtype="adapter"),
            state("first moment of adapter", elements, "adapter state"),
            state("second moment of adapter", elements, "adapter state"),
        ),
        gradient=elements,
        trains_factors=True,
        kernel=True,
    )


def _frozen_factors(name: str) -> Holding:
    """Return two low-rank factors that do not train."""
    return Holding(name=name, kind=ADAPTERS, elements=factors, dtype="adapter")


def _scaled_bases(d: Dims) -> Size:
    """Return the elements that RandLoRA trains for a matrix.

    So many bases of rank r that they reach full rank have r scales and as many as the shorter side
    has each (arXiv 2502.00987, section 4: the diagonals Lambda and Gamma).
    """
    bases = ceil_div(d.short, d.factor_rank)
    return d.matrices * bases * (d.factor_rank + d.short)


def _factors_and_values(d: Dims) -> Size:
    """Return the elements of two factors and of the values between them."""
    return d.factors + d.matrices * d.factor_rank


RANDLORA = _trained(_scaled_bases)
SVFIT = _trained(lambda d: d.matrices * d.factor_rank, _frozen_factors("singular vectors"))
NOLA = _trained(lambda d: 2 * _COEFFICIENTS * d.matrices, _frozen_factors("factors as made"))
INCRELORA = _trained(_factors_and_values)

ADALORA = replace(
    INCRELORA,
    holdings=(
        *INCRELORA.holdings,
        # peft's RankAllocator: ipt, exp_avg_ipt and exp_avg_unc
        Holding(
            name="importance, its mean and deviation", kind=ADAPTERS, dtype="adapter",
            elements=lambda d: 3 * _factors_and_values(d),
        ),
    ),
)  # fmt: skip

_STORED = BASES["gptq4"](full)
EORA = Treatment(
    holdings=(*_STORED, _frozen_factors("compensation")), weights=len(_STORED), weight_copies=1
)
"""Weights that were compressed, next to low-rank factors that make up for the error."""
