"""Generate ``training/weight_update``, the INT8 weight update.

Golden model: :mod:`consilico.golden.training.weight_update`.
"""

from typing import Any

from amaranth import C, Cat, ClockSignal, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.training.weight_update import WeightUpdateConfig
from consilico.hw.bfloat16 import significand_product, significand_product_census
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, after_constants, after_constants_census, pipeline_census
from consilico.hw.training.lfsr import RANDOM, SEED_BITS, random_words, random_words_census
from consilico.hw.training.stochastic_round import saturate, saturate_census

__all__ = ["WeightUpdate", "WeightUpdateLane", "census", "latency"]


def latency(config: WeightUpdateConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 2


class WeightUpdate(wiring.Component):
    """Unit that computes ``code + update * factor``, rounded stochastically and saturated.

    The stages are: product and shift of the significands; addition, rounding, saturation.
    Throughput is ``lanes`` weights per cycle, but none in a cycle that loads a constant.

    Members:
        i: In, for each lane ``code`` (INT8) and ``update`` (bf16).
        o: Out, for each lane the new code.
        cfg: In, ``value`` and ``seeds``. With ``seeds`` 0 the low 16 bits are the group's factor
            (bf16); with 1 the value is the generator's seed. It holds for weights accepted later. A
            reset keeps both.
    """

    def __init__(self, config: WeightUpdateConfig) -> None:
        self._config = config
        weight = data.StructLayout({"code": signed(8), "update": 16})
        constants = data.StructLayout({"value": SEED_BITS, "seeds": 1})
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(weight, config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(8), config.lanes))),
                "cfg": In(stream.Signature(constants)),
            }
        )
        self.parts: dict[str, wiring.Component] = {"weight_update_lane": WeightUpdateLane(config)}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i = after_constants(m, self.i, self.cfg)
        pipeline = Pipeline(m, i, self.o, latency(self._config))
        taken = pipeline.advance & i.valid
        gated_domain(m, "stage0", taken)

        cfg = self.cfg.payload
        # a beat in stage 0 still needs its random words, so a seed waits until that beat moves on
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        loads = self.cfg.valid & self.cfg.ready
        seeds = loads & cfg.seeds
        gated_domain(m, "constants", loads & ~cfg.seeds)
        sign, mantissa, nonzero = Signal(), Signal(7), Signal()
        # the product is shifted right by 7 minus both unbiased exponents; this is that amount plus
        # the update's biased exponent
        offset = Signal(9)
        m.d.constants += [
            mantissa.eq(cfg.value[:7]),
            offset.eq(261 - cfg.value[7:15]),
            nonzero.eq(cfg.value[7:15].any()),
            sign.eq(cfg.value[15]),
        ]
        # the generator moves with every beat accepted, even with those that a reset drops
        gated_domain(m, "generator", taken | seeds)
        words = random_words(m, "generator", cfg.value, seeds, self._config)

        ((name, part),) = self.parts.items()
        for index, word in enumerate(words):
            weight = i.payload[index]
            lane = place(
                m, f"lane{index}", name, part,
                stage0_clk=ClockSignal("stage0"), stage1_clk=ClockSignal("stage1"),
                code=weight.code.as_unsigned(), update=weight.update,
                mantissa=mantissa, offset=offset, sign=sign, nonzero=nonzero, random=word,
            )  # fmt: skip
            m.d.comb += self.o.payload[index].eq(lane["result"])
        return m


class WeightUpdateLane(wiring.Component):
    """One lane, which adds an update to an INT8 weight and rounds the sum at random.

    Members:
        stage0_clk, stage1_clk: In, gated clocks of the stages.
        code, update: In, the lane's part of the incoming beat.
        mantissa, offset, sign, nonzero: In, the factor; ``offset`` is 261 less its exponent.
        random: In, random word of the beat in stage 0.
        result: Out, registered.
    """

    def __init__(self, config: WeightUpdateConfig) -> None:
        self._config = config
        super().__init__(
            {
                "stage0_clk": In(1),
                "stage1_clk": In(1),
                "code": In(8),
                "update": In(16),
                "mantissa": In(7),
                "offset": In(9),
                "sign": In(1),
                "nonzero": In(1),
                "random": In(config.random_bits),
                "result": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "stage0", self.stage0_clk)
        part_clock(m, "stage1", self.stage1_clk)
        bits = self._config.random_bits
        exponent = self.update[7:15]
        drop = Signal(signed(10))
        m.d.comb += drop.eq(self.offset - exponent)
        nonzero = self.nonzero & exponent.any()
        over = nonzero & (drop < 0)
        product = significand_product(m, self.update[:7], self.mantissa)
        held, amount, sign, code = Signal(16), Signal(5), Signal(), Signal(8)
        m.d.stage0 += [
            # with a shift amount of 0 the highest bit alone saturates every code
            held.eq(Cat(product[:15], product[15] | over)),
            # an amount of 31 shifts everything out
            amount.eq((drop[:5] | (drop[5:].any() | ~nonzero).replicate(5)) & ~over.replicate(5)),
            sign.eq(self.update[15] ^ self.sign),
            code.eq(self.code),
        ]
        magnitude = Signal(bits + 10)
        m.d.comb += magnitude.eq(((held << bits) >> 6) >> amount)
        # The magnitude has one bit below what the random bits resolve. It is negated without the
        # carry, and a 1 is appended below the random word: together this rounds the magnitude half
        # away from zero.
        addend = Cat(magnitude ^ sign.replicate(bits + 10), sign).as_signed()
        total = Signal(signed(bits + 12))
        m.d.comb += total.eq(Cat(C(1, 1), self.random, code).as_signed() + addend)
        m.d.stage1 += self.result.eq(saturate(total[bits + 1 :], 8))
        return m


def census(c: Batch) -> Census:
    """Return the operators of :class:`WeightUpdate`, and its longest paths."""
    made = pipeline_census(2)
    made.include(after_constants_census())
    made.add("and_or", 6)  # enables of the clock gates, cfg.ready
    made.add("clock_gate", 3)
    made.add("flop", 1 + 7 + 9 + 1, rate=0)  # factor
    made.add("increment", 10)
    made.add("and_or", 7)
    made.include(random_words_census(c))

    # stage 0: product of the significands, and how far to shift it
    update, bits = ("update",), c.random_bits
    lane, product = significand_product_census(update)
    lane.add("add", 10, update)
    lane.add("less", 10, update)
    lane.add("and_or", 7 + 2 + 1 + 4 + 1 + 5 + 5, update)
    lane.add("xor", 1, update)
    lane.add("flop", 16 + 5 + 1, update)
    lane.add("flop", 8, ("code",))
    made.path(*product)
    made.path(("add", 10, 1), ("less", 10, 1), ("and_or", 1, 3))
    # stage 1: the sum, rounded and saturated
    drivers = ("code", "update", RANDOM)
    lane.add("shift", 5 * (bits + 10), update)
    lane.add("xor", bits + 10, update)
    lane.add("add", bits + 12, drivers)
    saturated, steps = saturate_census(11, 8, drivers)
    lane.include(saturated)
    lane.add("flop", 8, drivers)
    made.include(lane, c.lanes)
    made.path(("shift", bits + 10, 1), ("xor", 1, 1), ("add", bits + 12, 1), *steps)
    return made
