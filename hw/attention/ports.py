"""Ports and the output side that the ConSmax units share."""

from amaranth import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from golden.attention.config import BF16_ONE, ConSmaxConfig
from hw.bfloat16 import Product, limit

__all__ = ["finish", "finish_stages", "result_layout", "score_layout", "to_fixed", "unit_signature"]


def score_layout(lanes: int) -> data.ArrayLayout:
    """A beat of INT8 scores, each with its mask bit (1: the result is 0)."""
    return data.ArrayLayout(data.StructLayout({"score": signed(8), "mask": 1}), lanes)


def result_layout(config: ConSmaxConfig) -> data.StructLayout:
    """A beat of results, with flags: an unmasked lane became 0, or saturated."""
    results = data.ArrayLayout(unsigned(config.result_width), config.lanes)
    return data.StructLayout({"data": results, "underflow": 1, "overflow": 1})


def unit_signature(config: ConSmaxConfig, constants: data.Layout) -> Signature:
    """Streams ``i`` (scores), ``o`` (results) and ``cfg`` (a head's constants)."""
    return Signature(
        {
            "i": In(stream.Signature(score_layout(config.lanes))),
            "o": Out(stream.Signature(result_layout(config))),
            "cfg": In(stream.Signature(constants)),
        }
    )


def finish_stages(config: ConSmaxConfig) -> int:
    """Pipeline stages that :func:`finish` takes."""
    return 1 if config.output == "bf16" else 2


def finish(
    m: Module,
    stage: int,
    config: ConSmaxConfig,
    lanes: list[tuple[Product, Value]],
    payload: data.View,
) -> None:
    """Deliver results: zero the masked lanes, join the flags of a beat, convert to fixed point.

    Registers bf16 results in ``stage``; with fixed output the converted ones in the next.

    Args:
        m: The module that gets the logic.
        stage: First stage to use.
        config: The unit.
        lanes: For each lane its product and its mask bit.
        payload: Of the output stream.
    """
    domain = m.d[f"stage{stage}"]
    magnitudes = []
    for lane, (product, mask) in enumerate(lanes):
        magnitude = Signal(15, name=f"magnitude{lane}")
        domain += magnitude.eq(limit(product._replace(underflow=product.underflow | mask)))
        magnitudes.append(magnitude)
    underflow, overflow = Signal(name="underflow"), Signal(name="overflow")
    domain += [
        underflow.eq(Cat(*(product.underflow & ~mask for product, mask in lanes)).any()),
        overflow.eq(Cat(*(product.overflow & ~mask for product, mask in lanes)).any()),
    ]
    if config.output == "bf16":
        m.d.comb += [result.eq(bits) for result, bits in zip(payload.data, magnitudes, strict=True)]
        m.d.comb += [payload.underflow.eq(underflow), payload.overflow.eq(overflow)]
        return
    visible = Signal(config.lanes, name="visible")
    domain += visible.eq(Cat(*(~mask for _, mask in lanes)))
    fixed = [to_fixed(m, magnitude, config) for magnitude in magnitudes]
    last = m.d[f"stage{stage + 1}"]
    last += [result.eq(value) for result, (value, _) in zip(payload.data, fixed, strict=True)]
    zero = Cat(*(~value.any() for value, _ in fixed))
    saturated = Cat(*(over for _, over in fixed))
    last += [
        payload.underflow.eq((zero & visible).any()),
        payload.overflow.eq(saturated.any() | overflow),
    ]


def to_fixed(m: Module, bits: Signal, config: ConSmaxConfig) -> tuple[Value, Value]:
    """Unsigned fixed point of bf16 magnitude bits, rounded half up and saturated; and overflow.

    Golden model: :func:`golden.bfloat16.to_fixed`.
    """
    width = config.fixed_width
    exponent, nonzero = bits[7:], bits[7:].any()
    offset = BF16_ONE + 7 - config.fixed_fraction + width - 1
    shift = Signal(signed(10))
    m.d.comb += shift.eq(offset - exponent)
    significand = Cat(bits[:7], nonzero)
    amount = Signal(range(width + 9))
    m.d.comb += amount.eq(Mux(shift > width + 8, width + 8, shift[: len(amount)]))
    guarded = Signal(width + 8)
    m.d.comb += guarded.eq((significand << width) >> amount)
    rounded = Signal(width + 8)
    m.d.comb += rounded.eq((guarded + 1) >> 1)
    over = Signal()
    m.d.comb += over.eq(nonzero & ((shift < 0) | rounded[width:].any()))
    return rounded[:width] | over.replicate(width), over
