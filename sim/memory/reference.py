"""The methods as :class:`consilico.golden.training.qgalore.QGaLore` runs them, transients and all.

Its states are float32 or 8-bit whatever the type of the weights; a gradient in 16 bits is first
copied to float32. Sizes of transients are counted from its code, one tensor after the other.
"""

from dataclasses import replace

from consilico.sim.memory import treatments as t
from consilico.sim.memory.method import Dims, Method, Treatment
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.sizes import Size

__all__ = ["REFERENCE"]


def _copy(elements: Size, e: int) -> Size:
    """Float32 copy of a gradient of ``e`` bytes an element."""
    return 0 if e == 4 else 4 * elements


def _adam(d: Dims, e: int) -> Size:
    """``Moments.direction``: root of the second moment, first moment without bias, quotient."""
    return 12 * d.full + _copy(d.full, e)


def _adam_8bit(d: Dims, e: int) -> Size:
    """A state written back: float32 of both, padded and normalised copies, int64 codes, codes."""
    return 26 * d.full + _copy(d.full, e)


def _projected(d: Dims, e: int) -> Size:
    """Step brought back and scaled, gradient in float32; the step in the subspace."""
    return 12 * d.full + 8 * d.low + _copy(d.full, e) // 2


def _requantised(d: Dims, e: int) -> Size:
    """Of ``quantise``: int64 fixed point, draws, their sum and its shift; five float32 copies."""
    return 52 * d.full + 4 * d.low


def _svd(d: Dims, e: int) -> Size:
    """Both factors of the reduced SVD and the vectors that are kept."""
    return 4 * (d.full + d.short * d.short + d.basis) + _copy(d.full, e)


_ADAM = Treatment(
    holdings=(t.weight(), *t.moments(t.full, "float32")), gradient=t.full, update=_adam
)
_ADAM_8BIT = Treatment(
    holdings=(t.weight(), *t.moments(t.full, "uint8")), gradient=t.full, update=_adam_8bit
)
_LORA = replace(
    t.LORA,
    holdings=(
        *t.LORA.holdings[:2],
        t.state("first moment of adapter", t.factors, "float32"),
        t.state("second moment of adapter", t.factors, "float32"),
    ),
    kernel=False,
    update=lambda d, e: (
        12 * d.factor_rank * d.long + _copy(d.factor_rank * d.long, e)
    ),  # the larger factor
)
_GALORE = replace(
    t.GALORE,
    holdings=(t.weight(), *t.moments(t.low, "float32"), t.projection("float32")),
    update=_projected,
    renewal=_svd,
)
_GALORE_8BIT = replace(
    _GALORE, holdings=(t.weight(), *t.moments(t.low, "uint8"), t.projection("float32"))
)
_Q_GALORE = replace(
    t.Q_GALORE,
    holdings=(  # scale and minimum of a group in float32
        t.weight("uint8", -1, 8.0),
        *t.moments(t.low, "uint8"),
        t.projection("int4", -1, 8.0),
    ),
    update=_requantised,
    renewal=_svd,
    weight_copies=2,
)


def _as_run(name: str, blocks: Treatment, **fields: Treatment) -> Method:
    own = replace(METHODS[name], blocks=blocks, published=None, **fields)  # type: ignore[arg-type]
    return replace(own, source="consilico.golden.training.qgalore", note="", inside=False)


# of 8-bit methods the embedding keeps float32 states, the output layer does not
REFERENCE = {
    "adamw": _as_run("adamw", _ADAM, ends=_ADAM, vectors=_ADAM),
    "adamw-8bit": _as_run("adamw-8bit", _ADAM_8BIT, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
    "lora": _as_run("lora", _LORA),
    "galore": _as_run("galore", _GALORE, ends=_ADAM, vectors=_ADAM),
    "galore-8bit": _as_run("galore-8bit", _GALORE_8BIT, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
    "q-galore": _as_run("q-galore", _Q_GALORE, ends=_ADAM, head=_ADAM_8BIT, vectors=_ADAM),
}
