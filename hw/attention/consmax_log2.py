"""ConSmax, ``log2`` architecture. Golden model: :mod:`golden.attention.consmax_log2`."""

from typing import Any

from amaranth import Array, C, Cat, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring

from golden.attention.config import BF16_ONE, Log2Config
from golden.attention.tables import mantissa_table
from hw.arith import booth_digits, booth_multiply_add
from hw.attention.ports import finish, finish_stages, unit_signature
from hw.bfloat16 import Product
from hw.cells import gated_domain
from hw.pipeline import Pipeline

__all__ = ["ConSmaxLog2", "latency"]


def latency(config: Log2Config) -> int:
    """Cycles from the input to the output handshake when nothing stalls."""
    return 2 + finish_stages(config)


class ConSmaxLog2(wiring.Component):
    """``C exp(scale * s) = 2 ** (k s + b)``: a multiply-add and a fraction table.

    Stages: Booth digits of the scores; multiply-add; mantissa; with fixed output, conversion.
    Throughput ``lanes`` results a cycle. A masked lane's operands hold still.

    Members:
        i: In, a beat of scores with mask bits (:func:`hw.attention.ports.score_layout`).
        o: Out, results and flags (:func:`hw.attention.ports.result_layout`).
        cfg: In, ``{k, b}`` of a head; holds for scores accepted in the same cycle and later.
            Reset keeps it.
    """

    def __init__(self, config: Log2Config) -> None:
        self._config = config
        constants = data.StructLayout(
            {"k": unsigned(config.k_width), "b": unsigned(config.b_width)}
        )
        super().__init__(unit_signature(config, constants))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, latency(config))

        constants = Signal.like(self.cfg.payload)
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        m.d.constants += constants.eq(self.cfg.payload)
        # 64 + (b + 63) is b with the exponent bias of bf16
        addend = Cat(constants.b, C(0, 2)) + C((BF16_ONE - 63) << config.fraction)

        lanes = []
        for lane in range(config.lanes):
            score = self.i.payload[lane]
            gated_domain(m, f"lane{lane}", pipeline.advance & self.i.valid & ~score.mask)
            masks = [Signal(name=f"mask{lane}_{stage}", reset_less=True) for stage in range(2)]
            with m.If(pipeline.advance):
                m.d.sync += masks[0].eq(score.mask)
            m.d.stage1 += masks[1].eq(masks[0])

            digits = []
            for index, digit in enumerate(booth_digits(score.score.as_unsigned())):
                held = Signal(3, name=f"digit{lane}_{index}")
                m.d[f"lane{lane}"] += held.eq(Cat(*digit))
                digits.append((held[0], held[1], held[2]))
            drop = config.k_fraction - config.fraction
            width = 9 + config.fraction
            power = booth_multiply_add(m, digits, constants.k, addend[:width], drop)
            # from -64 to 319, modulo 512: the two top bits tell negative from too great
            exponent = Signal(9, name=f"exponent{lane}")
            address = Signal(config.address, name=f"address{lane}")
            m.d.stage1 += [
                exponent.eq(power[config.fraction :]),
                address.eq(power[config.fraction - config.address : config.fraction]),
            ]
            under = exponent[7:].all() | ~exponent.any()
            over = (exponent[8] & ~exponent[7]) | exponent[:8].all() & ~exponent[8]
            magnitude = Cat(self._mantissa(m, address), exponent[:8])
            lanes.append((Product(magnitude, under, over), masks[1]))
        finish(m, 2, config, lanes, self.o.payload)
        return m

    def _mantissa(self, m: Module, address: Signal) -> Value:
        """The table as a correction to the address itself: half the logic of the plain table."""
        size = self._config.address
        table = mantissa_table(size)
        leading = [(index << 7) >> size for index in range(1 << size)]
        corrections = [value - lead for value, lead in zip(table, leading, strict=True)]
        width = max(max(corrections).bit_length(), (-min(corrections) - 1).bit_length()) + 1
        correction = Signal(width)
        m.d.comb += correction.eq(Array(C(value, width) for value in corrections)[address])
        lead = Cat(C(0, max(7 - size, 0)), address)[-7:]
        mantissa = Signal(7)
        m.d.comb += mantissa.eq(lead + correction.as_signed())
        return mantissa
