"""Ports and output stages that the ConSmax units share.

Golden model: :func:`consilico.golden.attention.consmax.finish`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from amaranth import Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, Signature

from consilico.golden.attention.consmax import BF16_ONE, ConSmaxConfig
from consilico.hw.bfloat16 import Product, limit, limit_census
from consilico.hw.census import Batch, Census, Size, Step, bit_length
from consilico.hw.parts import part_clock, place

__all__ = [
    "Finish",
    "LaneResult",
    "finish",
    "finish_census",
    "finish_stages",
    "result_layout",
    "score_layout",
    "to_fixed",
    "to_fixed_census",
    "unit_signature",
]


class LaneResult(NamedTuple):
    """Result of a lane before its :class:`Finish`: a product, and whether it is masked."""

    product: Product
    mask: Value


def score_layout(config: ConSmaxConfig) -> data.ArrayLayout:
    """Return the layout of a beat of scores, each with a mask bit.

    A mask bit of 1 makes the result 0.
    """
    score = data.StructLayout({"score": signed(config.score_width), "mask": 1})
    return data.ArrayLayout(score, config.lanes)


def result_layout(config: ConSmaxConfig) -> data.StructLayout:
    """Return the layout of a beat of results with its flags.

    ``underflow`` says that an unmasked lane became 0, ``overflow`` that one saturated.
    """
    results = data.ArrayLayout(unsigned(config.result_width), config.lanes)
    return data.StructLayout({"data": results, "underflow": 1, "overflow": 1})


def unit_signature(config: ConSmaxConfig, constants: data.Layout) -> Signature:
    """Return the ports of a unit: streams of scores, of results and of constants.

    The streams are ``i``, ``o`` and ``cfg``.
    """
    return Signature(
        {
            "i": In(stream.Signature(score_layout(config))),
            "o": Out(stream.Signature(result_layout(config))),
            "cfg": In(stream.Signature(constants)),
        }
    )


def finish_stages(config: ConSmaxConfig) -> int:
    """Return the number of pipeline stages that :class:`Finish` takes."""
    return 1 if config.output == "bf16" else 2


class Finish(Component):
    """Last stages of a lane: the product is limited, zeroed if masked and converted if asked for.

    Members:
        clk: In, gated clock of the result's register.
        first_clk: In, with fixed output only: gated clock of the stage before it.
        bits, product_underflow, product_overflow, mask: In, a :class:`LaneResult`.
        result: Out, registered.
        underflow, overflow: Out, not registered: the result that comes next became 0, or saturated,
            and is not masked.
    """

    def __init__(self, config: ConSmaxConfig) -> None:
        self._config = config
        super().__init__(
            {
                "clk": In(1),
                **({} if config.output == "bf16" else {"first_clk": In(1)}),
                "bits": In(15),
                "product_underflow": In(1),
                "product_overflow": In(1),
                "mask": In(1),
                "result": Out(config.result_width),
                "underflow": Out(1),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "last", self.clk)
        zero = self.product_underflow | self.mask
        limited = limit(Product(self.bits, zero, self.product_overflow))
        if self._config.output == "bf16":
            m.d.last += self.result.eq(limited)
            m.d.comb += [
                self.underflow.eq(self.product_underflow & ~self.mask),
                self.overflow.eq(self.product_overflow & ~self.mask),
            ]
            return m
        part_clock(m, "first", self.first_clk)
        magnitude, visible = Signal(15), Signal()
        m.d.first += [magnitude.eq(limited), visible.eq(~self.mask)]
        # A product that overflowed is now the greatest bf16 number, which is beyond every
        # fixed-point format, so the conversion flags it as well.
        value, over = to_fixed(m, magnitude, self._config)
        m.d.last += self.result.eq(value)
        m.d.comb += [self.underflow.eq(~value.any() & visible), self.overflow.eq(over)]
        return m


def finish(
    m: Module,
    stage: int,
    config: ConSmaxConfig,
    module: str,
    part: Component,
    lanes: Sequence[LaneResult],
    payload: data.View,
) -> None:
    """Deliver a beat of results: add a :class:`Finish` per lane and merge the flags of all lanes.

    Args:
        m: The module that gets the logic; it has the clock domains of the stages.
        stage: First stage to use.
        config: The unit.
        module: Name of the part's Verilog module.
        part: The :class:`Finish`.
        lanes: What the lanes computed.
        payload: Payload of the output stream.
    """
    last = stage + finish_stages(config) - 1
    clocks = {"clk": ClockSignal(f"stage{last}")}
    if last != stage:
        clocks["first_clk"] = ClockSignal(f"stage{stage}")
    done = [
        place(
            m, f"finish{index}", module, part, **clocks,
            bits=lane.product.bits, product_underflow=lane.product.underflow,
            product_overflow=lane.product.overflow, mask=lane.mask,
        )
        for index, lane in enumerate(lanes)
    ]  # fmt: skip
    m.d.comb += [result.eq(lane["result"]) for result, lane in zip(payload.data, done, strict=True)]
    for flag in ("underflow", "overflow"):
        held = Signal(name=flag)
        m.d[f"stage{last}"] += held.eq(Cat(*(lane[flag] for lane in done)).any())
        m.d.comb += payload[flag].eq(held)


def to_fixed(m: Module, bits: Signal, config: ConSmaxConfig) -> tuple[Value, Value]:
    """Convert bf16 magnitude bits to unsigned fixed point, rounding half up and saturating.

    Golden model: :func:`consilico.golden.bfloat16.to_fixed`.

    Args:
        m: The module that gets the logic.
        bits: Magnitude, 15 bits.
        config: The unit, whose ``fixed_width`` and ``fixed_fraction`` count.

    Returns:
        The number, and whether it saturated; both are combinational.
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


def finish_census(c: Batch) -> tuple[Census, list[tuple[Step, ...]]]:
    """Return operators of :func:`finish` for all lanes, and paths, the first from the product."""
    drivers = ("score",)
    lane, before = Census(), (Step("and_or", 1, 4),)
    lane.add("and_or", 1, drivers)  # zero
    lane.include(limit_census(drivers))
    lane.add("flop", c.result_width, drivers)
    paths: list[tuple[Step, ...]] = [before]
    if c.output == "bf16":
        lane.add("and_or", 2, drivers)
    else:
        lane.add("flop", 15 + 1, drivers)
        converted, steps = to_fixed_census(c.fixed_width, drivers)
        lane.include(converted)
        lane.add("and_or", c.fixed_width - 1 + 1, drivers)  # underflow
        paths.append((*steps, Step("and_or", 1, bit_length(c.fixed_width * c.lanes))))
    census = Census()
    census.include(lane, c.lanes)
    census.add("and_or", 2 * (c.lanes - 1), drivers)
    census.add("flop", 2, drivers)
    return census, paths


def to_fixed_census(width: Size, drivers: Sequence[str]) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`to_fixed` to ``width`` bits, and its path."""
    amount = bit_length(np.asarray(width) + 8)
    census = Census()
    census.add("increment", 9, drivers)
    census.add("less", 2 * 9, drivers)
    census.add("and_or", amount, drivers)
    census.add("shift", (width + 8) * amount, drivers)
    census.add("increment", width + 9, drivers)
    census.add("and_or", 7 + 7 + 2 + width, drivers)  # not zero; overflow, which sets all bits
    steps = (
        Step("increment", 9, 1), Step("less", 9, 1), Step("and_or", 1, 1),
        Step("shift", width + 8, 1), Step("increment", width + 9, 1), Step("and_or", 1, 5),
    )  # fmt: skip
    return census, steps
