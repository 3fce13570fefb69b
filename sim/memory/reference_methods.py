"""Methods as :class:`consilico.golden.training.qgalore.QGaLore` runs them.

Its states are float32 or 8-bit whatever the type of the weights, and a gradient in 16 bits is first
copied to float32. Sizes of its transients are counted from the code, one tensor after the other.
"""

from dataclasses import replace

from consilico.sim.memory import holdings as h
from consilico.sim.memory import treatments as t
from consilico.sim.memory.entries import Size
from consilico.sim.memory.holdings import Dims, Treatment
from consilico.sim.memory.methods import METHODS, TrainingMethod

__all__ = ["REFERENCE_METHODS"]


def _copy(elements: Size, e: int) -> Size:
    """Return the bytes of a float32 copy of a gradient of ``e`` bytes per element."""
    return 0 if e == 4 else 4 * elements


def _adam(d: Dims, e: int) -> Size:
    """Return the bytes that ``Moments.direction`` takes.

    They are the root of the second moment, the first moment without bias, and their quotient.
    """
    return 12 * d.full + _copy(d.full, e)


def _adam_8bit(d: Dims, e: int) -> Size:
    """Return the bytes of writing an 8-bit state back.

    They are float32 values of both moments, padded and normalized copies, int64 codes, and codes.
    """
    return 26 * d.full + _copy(d.full, e)


def _projected(d: Dims, e: int) -> Size:
    """Return the bytes of a projected update.

    They are the step brought back and scaled, the gradient in float32, and the step in the
    subspace.
    """
    return 12 * d.full + 8 * d.low + _copy(d.full, e) // 2


def _reference_requantized(d: Dims, e: int) -> Size:
    """Return the bytes of ``quantize`` with stochastic rounding.

    They are int64 fixed point, draws, their sum and its shift, and five float32 copies.
    """
    return 52 * d.full + 4 * d.low


def _reference_svd(d: Dims, e: int) -> Size:
    """Return the bytes of both factors of the reduced SVD and of the vectors that are kept."""
    return 4 * (d.full + d.short * d.short + d.basis) + _copy(d.full, e)


_ADAM = Treatment(
    holdings=(h.weight(), *h.moments(h.full, "float32")), gradient=h.full, update=_adam
)
_ADAM_8BIT = Treatment(
    holdings=(h.weight(), *h.moments(h.full, "uint8")), gradient=h.full, update=_adam_8bit
)
_LORA = replace(
    t.LORA,
    holdings=(
        *t.LORA.holdings[:2],
        h.state("first moment of adapter", h.factors, "float32"),
        h.state("second moment of adapter", h.factors, "float32"),
    ),
    kernel=False,
    update=lambda d, e: (
        12 * d.factor_rank * d.long + _copy(d.factor_rank * d.long, e)
    ),  # the larger factor
)

_GALORE = replace(
    t.GALORE,
    holdings=(h.weight(), *h.moments(h.low, "float32"), h.projection("float32")),
    update=_projected,
    renewal=_reference_svd,
)
_GALORE_8BIT = replace(
    _GALORE, holdings=(h.weight(), *h.moments(h.low, "uint8"), h.projection("float32"))
)
_Q_GALORE = replace(
    t.Q_GALORE,
    holdings=(  # scale and minimum of a group in float32
        h.weight("uint8", h.RUN_GROUP, 8.0),
        *h.moments(h.low, "uint8"),
        h.projection("int4", h.RUN_GROUP, 8.0),
    ),
    update=_reference_requantized,
    renewal=_reference_svd,
    weight_copies=2,
)


def _as_run(name: str, blocks: Treatment, **fields: Treatment) -> TrainingMethod:
    """Return a method of the catalogue with the blocks' treatment that our own code gives it."""
    own = replace(METHODS[name], blocks=blocks, published=None, **fields)  # type: ignore[arg-type]
    return replace(own, source="consilico.golden.training.qgalore", note="", inside=False)


# of 8-bit methods the embedding keeps float32 states, the output layer does not
REFERENCE_METHODS = {
    "adamw": _as_run("adamw", _ADAM, ends=_ADAM, vectors=_ADAM),
    "adamw-8bit": _as_run("adamw-8bit", _ADAM_8BIT, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
    "lora": _as_run("lora", _LORA),
    "galore": _as_run("galore", _GALORE, ends=_ADAM, vectors=_ADAM),
    "galore-8bit": _as_run("galore-8bit", _GALORE_8BIT, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
    "q-galore": _as_run("q-galore", _Q_GALORE, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
}
"""The methods by name, as :class:`consilico.golden.training.qgalore.QGaLore` runs them."""
