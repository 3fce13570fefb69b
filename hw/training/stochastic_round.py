"""Generate ``training/stochastic_round``, which rounds fixed-point numbers at random.

Golden model: :mod:`consilico.golden.training.stochastic_round`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import C, Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.training.stochastic_round import StochasticRoundConfig
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, Size, Step
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, after_constants, after_constants_census, pipeline_census
from consilico.hw.training.lfsr import RANDOM, SEED_BITS, random_words, random_words_census

__all__ = [
    "StochasticRound",
    "StochasticRoundLane",
    "census",
    "latency",
    "saturate",
    "saturate_census",
]


def latency(config: StochasticRoundConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 1


class StochasticRound(wiring.Component):
    """Unit that rounds signed fixed-point values to integers, with one generator for all lanes.

    Throughput is ``lanes`` values per cycle, but none in a cycle that loads a seed. The generator
    moves on with every beat that is accepted.

    Members:
        i: In, a beat of signed values with ``fraction`` fraction bits.
        o: Out, a beat of signed integers, saturated.
        cfg: In, seed of the generator, to be given before the first beat. It holds for values
            accepted later. A reset keeps the generator's state.
    """

    def __init__(self, config: StochasticRoundConfig) -> None:
        self._config = config
        values = data.ArrayLayout(signed(config.width), config.lanes)
        results = data.ArrayLayout(signed(config.result_width), config.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(values)),
                "o": Out(stream.Signature(results)),
                "cfg": In(stream.Signature(unsigned(SEED_BITS))),
            }
        )
        self.parts: dict[str, wiring.Component] = {
            "stochastic_round_lane": StochasticRoundLane(config)
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        i = after_constants(m, self.i, self.cfg)
        pipeline = Pipeline(m, i, self.o, latency(config))
        m.d.comb += self.cfg.ready.eq(1)
        taken = pipeline.advance & i.valid
        gated_domain(m, "taken", taken)
        gated_domain(m, "generator", taken | self.cfg.valid)
        words = random_words(m, "generator", self.cfg.payload, self.cfg.valid, config)
        ((name, part),) = self.parts.items()
        for index, word in enumerate(words):
            lane = place(
                m, f"lane{index}", name, part,
                clk=ClockSignal("taken"), value=i.payload[index].as_unsigned(), random=word,
            )  # fmt: skip
            m.d.comb += self.o.payload[index].eq(lane["result"])
        return m


class StochasticRoundLane(wiring.Component):
    """One lane, which adds the random word below the point, drops the fraction and saturates.

    Members:
        clk: In, gated clock of the result.
        value: In, the value of the incoming beat.
        random: In, the lane's random word.
        result: Out, registered.
    """

    def __init__(self, config: StochasticRoundConfig) -> None:
        self._config = config
        super().__init__(
            {
                "clk": In(1),
                "value": In(config.width),
                "random": In(config.random_bits),
                "result": Out(config.result_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "taken", self.clk)
        config = self._config
        below = config.fraction - config.random_bits
        # a constant 1 is half of what the random bits resolve, if the value has bits below them
        addend = Cat(C(1, 1), self.random) if below else self.random
        value = self.value[max(below - 1, 0) :].as_signed()
        total = Signal(signed(len(value) + 1))
        m.d.comb += total.eq(value + addend)
        m.d.taken += self.result.eq(saturate(total[len(addend) :], config.result_width))
        return m


def saturate(value: Value, width: int) -> Value:
    """Return the nearest signed number of ``width`` bits."""
    sign = value[-1]
    fits = (value[width - 1 :] == 0) | value[width - 1 :].all()
    return Mux(fits, value[:width], Cat((~sign).replicate(width - 1), sign))


def saturate_census(
    value: Size, width: Size, drivers: Sequence[str]
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`saturate` from ``value`` to ``width`` bits, and its path."""
    census = Census()
    census.add("and_or", 2 * (value - width) + 1, drivers)
    census.add("mux", width, drivers)
    depth = np.log2(value - width + 1)
    return census, (Step("and_or", 1, depth + 1), Step("mux", width, 1))


def census(c: Batch) -> Census:
    """Return the operators of :class:`StochasticRound`, and its longest path."""
    drivers = ("payload", RANDOM)
    made = pipeline_census(1)
    made.include(after_constants_census())
    made.add("and_or", 2)
    made.add("clock_gate", 2)
    made.include(random_words_census(c))

    below = c.fraction - c.random_bits
    value = c.width - np.maximum(below - 1, 0)
    lane = Census()
    lane.add("add", value + 1, drivers)
    rest = value + 1 - c.random_bits - (below > 0)
    saturated, steps = saturate_census(rest, c.result_width, drivers)
    lane.include(saturated)
    lane.add("flop", c.result_width, drivers)
    made.include(lane, c.lanes)
    made.path(("xor", 1, 2), ("add", value + 1, 1), *steps)
    return made
