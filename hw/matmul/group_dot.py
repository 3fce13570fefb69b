"""Generate ``matmul/group_dot``, a dot product with weights quantized in groups.

Golden model: :mod:`consilico.golden.matmul.group_dot`. Zero points cost no subtraction in a lane
and no sum of activations: see :data:`consilico.hw.matmul.group_lanes.OFFSETS`.
"""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, ClockSignal, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.group_dot import HEADROOM, GroupDotConfig
from consilico.hw.bfloat16 import from_integer
from consilico.hw.cells import gated_domain
from consilico.hw.census import Census, Size, Step
from consilico.hw.matmul.dot import accumulate, sum_layout
from consilico.hw.matmul.group_lanes import GroupLanes, pass_tables
from consilico.hw.matmul.group_scaler import GroupScaler, total_layout
from consilico.hw.parts import place
from consilico.hw.pipeline import Pipeline

__all__ = [
    "STAGES",
    "GroupDot",
    "beat_layout",
    "fixed_scale",
    "fixed_scale_census",
    "latency",
    "result_layout",
]

STAGES = 3  # stages up to the sum of a group


def latency(config: GroupDotConfig) -> int:
    """Return the cycles from the last beat of a sum to its result when nothing stalls.

    It takes one more cycle where that beat's zero point is not in 5..10.
    """
    return STAGES + 1 + config.slots + (config.output == "bf16")


def beat_layout(config: GroupDotConfig) -> data.StructLayout:
    """Return the layout of a beat: activations, weights and their zero point.

    ``scale`` and ``end`` (the group is the last of a sum) only count in the last beat of a group.
    """
    return data.StructLayout(
        {
            "x": data.ArrayLayout(signed(8), config.lanes),
            "q": data.ArrayLayout(unsigned(4), config.lanes),
            "zero": 4,
            "scale": config.scale_width,
            "end": 1,
        }
    )


def result_layout(config: GroupDotConfig) -> data.StructLayout:
    """Return the layout of a result: the sum, and ``overflow``.

    ``overflow`` says that a partial sum, a scale or the result was out of range.
    """
    if config.output == "int32":
        return total_layout()
    return data.StructLayout({"sum": 16, "overflow": 1})


class GroupDot(wiring.Component):
    """Unit that computes the sum over groups of ``s * sum((q - z) * x)``.

    Weights are never dequantized: the zero point goes into the recoding of the weights, and the
    scale is applied to the sum of a group, serially, while the next group comes in.

    The stages are: operands; products, added up to two rows; sum of the group; scaling; conversion
    to bf16 if asked for. Throughput is one beat per cycle where the zero point is in 5..10,
    otherwise one beat in two cycles. A group is ``group / lanes`` beats. A reset drops the group
    and the sum that have begun.

    Members:
        i: In, :func:`beat_layout`.
        o: Out, :func:`result_layout`.
        cfg: In, with bf16 scales or results: the biased exponent that groups share which end with
            beats accepted in the same cycle and later. A reset keeps it.
    """

    def __init__(self, config: GroupDotConfig) -> None:
        self._config = config
        members = {
            "i": In(stream.Signature(beat_layout(config))),
            "o": Out(stream.Signature(result_layout(config))),
        }
        if config.has_exponent:
            members["cfg"] = In(stream.Signature(unsigned(8)))
        super().__init__(members)
        self.parts: dict[str, wiring.Component] = {
            "matmul_group_dot_lanes": GroupLanes(config.lanes)
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.scaler = scaler = GroupScaler(
            config.group_width, config.multiplier_width, config.slice_width,
            announces=config.output == "bf16",
        )  # fmt: skip
        frozen = scaler.o.valid & ~scaler.o.ready
        passed = stream.Signature(0).create()
        sums = stream.Signature(sum_layout(config.group_width, saturates=False)).create()
        ends = Signal()
        pipeline = Pipeline(m, passed, sums, STAGES, delivers=ends)

        beat = self.i.payload
        second, offset, more, fill = Signal(), Signal(3), Signal(), Signal()
        _passes(m, beat.zero, second, offset, more, fill)
        goes = Signal()
        m.d.comb += [
            # the scale must not be replaced while the scaler waits for o
            passed.valid.eq(self.i.valid & ~frozen),
            goes.eq(passed.valid & passed.ready),
            self.i.ready.eq(passed.ready & ~frozen & ~(self.i.valid & more)),
        ]
        with m.If(goes):
            m.d.sync += second.eq(more)
        last = self._counted(m, goes & ~more)
        gated_domain(m, "taken", goes)
        chosen, last0, last1 = Signal(3), Signal(), Signal()
        m.d.taken += [chosen.eq(offset), last0.eq(last & ~more)]
        m.d.stage1 += last1.eq(last0)

        (part,) = self.parts.items()
        codes = beat.q.as_value()
        done = place(
            m, "lanes", *part,
            taken_clk=ClockSignal("taken"), stage1_clk=ClockSignal("stage1"), offset=chosen,
            x=beat.x.as_value(),
            q=(codes & (~second).replicate(len(codes))) | fill.replicate(len(codes)),
        )  # fmt: skip
        total = Signal(signed(len(done["row0"])))
        m.d.comb += total.eq(done["row0"] + done["row1"])
        accumulate(m, pipeline, total, last1, ends, sums.payload, saturates=False)

        m.d.comb += [
            scaler.i.valid.eq(sums.valid),
            scaler.i.payload.eq(sums.payload.sum),
            sums.ready.eq(scaler.i.ready),
        ]
        exponent: Value = Const(0, 8)
        if config.has_exponent:
            m.d.comb += self.cfg.ready.eq(1)  # a group's exponent is used as its last beat comes
            gated_domain(m, "constants", self.cfg.valid)
            shared = Signal(8, name="exponent")
            m.d.constants += shared.eq(self.cfg.payload)
            exponent = Mux(self.cfg.valid, self.cfg.payload, shared)
        ends_group = goes & ~more & last
        of_sum = self._scale(m, beat, exponent, ends_group, scaler)
        if config.output == "int32":
            wiring.connect(m, scaler.o, wiring.flipped(self.o))
        else:
            self._encode(m, scaler, of_sum)
        return m

    def _encode(self, m: Module, scaler: GroupScaler, exponent: Value) -> None:
        """Convert results to bf16, in one more stage."""
        # when a group is done, the scaler may take the next one, whose exponent may be another
        gated_domain(m, "group_begins", scaler.i.valid & scaler.i.ready)
        gated_domain(m, "group_ends", scaler.final)
        scaled = Signal(8, name="group_exponent")
        held = Signal(8, name="sum_exponent")
        m.d.group_begins += scaled.eq(exponent)
        m.d.group_ends += held.eq(scaled)
        pipeline = Pipeline(m, scaler.o, self.o, 1)
        gated_domain(m, "encodes", pipeline.advance & scaler.o.valid)
        bits, over = from_integer(m, scaler.o.payload.sum, held)
        result = Signal(17, name="result")
        m.d.encodes += result.eq(Cat(bits, over | scaler.o.payload.overflow))
        m.d.comb += self.o.payload.eq(result)

    def _counted(self, m: Module, taken: Value) -> Value:
        """Count the beats of a group; return a signal that is 1 at its last one."""
        beats = self._config.beats
        count = Signal(range(beats))
        with m.If(taken):
            m.d.sync += count.eq(count + 1)
        return count == beats - 1

    def _scale(
        self, m: Module, beat: Any, exponent: Value, ends_group: Value, scaler: GroupScaler
    ) -> Value:
        """Bring a group's scale to the scaler, and hold it as long as the scaler needs it.

        Returns:
            With bf16 results, the exponent of the sum whose group the scaler takes.
        """
        config = self._config
        scale, negative, over = beat.scale, Const(0, 1), Const(0, 1)
        if config.scale == "bf16":
            scale, negative, over = fixed_scale(m, beat.scale, exponent)
        of_group = Cat(scale, negative, over)
        of_sum = exponent if config.output == "bf16" else Const(0, 0)
        arrives = Cat(of_group, of_sum, beat.end)
        gated_domain(m, "scaled", ends_group)
        domains = ["scaled"]
        if config.beats < STAGES:
            # the next group's scale arrives before the scaler takes the sum of this one
            domains += ["stage1", "stage2"]
        for domain in domains:
            held = Signal.like(arrives, name=f"constants_{domain}")
            m.d[domain] += held.eq(arrives)
            arrives = held
        used = arrives[: len(of_group)]
        used_slots = -(-config.group_width // config.slice_width)
        if config.beats < used_slots + STAGES:
            # the next group's scale arrives before the scaler has finished with this one's
            gated_domain(m, "held", scaler.i.valid & scaler.i.ready)
            held = Signal(len(of_group), name="constants_held")
            m.d.held += held.eq(used)
            used = held
        inputs = Cat(scaler.multiplier, scaler.negative, scaler.over)
        m.d.comb += [inputs.eq(used), scaler.end.eq(arrives[-1])]
        return arrives[len(of_group) : -1]


def _passes(m: Module, zero: Value, second: Value, offset: Value, more: Value, fill: Value) -> None:
    """Drive what the lanes do with a zero point in their first or second pass."""
    *offsets, two, fifteen = pass_tables()
    for bit, table in zip(offset, offsets, strict=True):
        m.d.comb += bit.eq(_lookup(table, Cat(zero, second)))
    m.d.comb += [
        more.eq(~second & _lookup(two, zero)),
        fill.eq(second & _lookup(fifteen, zero)),
    ]


def _lookup(table: int, index: Value) -> Value:
    return (Const(table, 1 << len(index)) >> index)[0]


def fixed_scale(m: Module, scale: Value, exponent: Value) -> tuple[Value, Value, Value]:
    """Convert a bf16 scale to units of the shared exponent.

    Golden model: :func:`consilico.golden.matmul.group_dot.fixed_scale`.

    Returns:
        Magnitude, sign, and whether the scale is too great; all are combinational.
    """
    nonzero = scale[7:15].any()
    significand = Cat(scale[:7], nonzero)
    right = Signal(signed(10))
    m.d.comb += right.eq(exponent + HEADROOM - scale[7:15])
    amount = right[:4] | (right[4:].any() | ~nonzero).replicate(4)  # shifting by 15 leaves nothing
    guarded = Signal(8 + HEADROOM + 1)
    m.d.comb += guarded.eq((significand << (HEADROOM + 1)) >> amount)
    over = right[-1] & nonzero
    rounded = Signal(8 + HEADROOM)
    m.d.comb += rounded.eq((guarded + 1) >> 1)
    return rounded | over.replicate(len(rounded)), scale[15], over


def fixed_scale_census(drivers: Sequence[str], rate: Size) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`fixed_scale`, and its longest path.

    Args:
        drivers: What makes the scale toggle.
        rate: Fraction of the cycles in which it may.
    """
    census = Census()
    for kind, bits in (
        ("and_or", 30),
        ("increment", 9),
        ("add", 10),
        ("shift", 52),
        ("increment", 14),
    ):
        census.add(kind, bits, drivers, rate=rate)
    path = (
        ("increment", 9, 1), ("add", 10, 1), ("and_or", 1, 5), ("shift", 15, 1),
        ("increment", 14, 1), ("and_or", 1, 1),
    )  # fmt: skip
    return census, tuple(Step(*step) for step in path)
