"""Faults of generators, planted one at a time, and what of a verification catches each.

The first are those that an earlier harness let through; the others cover every unit. A fault is an
edit of a generator's text. What replays it, on one simulator, must find it there, and must find
nothing in the unit as it is. Wrong tables, which generator and golden model share, are planted in
``tests/oracles``; accumulators that are too narrow and lanes that ignore their mask in the tests
of proofs and of clock gates.
"""

import inspect
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from consilico.golden.config import Config
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_script
from consilico.sim.rtlsim.judgement import judged, quick_cycles
from consilico.sim.rtlsim.plan import Planned, planned
from consilico.sim.rtlsim.profiles import PROFILES
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import configure, find_unit, own_units, verilog
from consilico.sim.units.unit import Unit

AFTER_VALID = "continuous, ready after valid"
LONG_STALL = "bursts, stalls and sleeps of thousands"
FULL_SPEED = "full speed"
EXHAUSTIVE = "exhaustive, full speed"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An edit of a generator."""

    what: str
    unit: str
    settings: tuple[str, ...] = ()
    module: str  # below consilico.hw
    edits: tuple[tuple[str, str], ...]  # text that stands there once, and what replaces it
    caught_by: str  # replay of a verification
    says: str = ""  # in one of the problems
    quick: bool = False  # a second or two: part of `make test`


PIPELINE, CONSMAX, LOG2 = "pipeline", "attention.consmax", "attention.consmax_log2"
ONE = ("lanes=1",)
TWO = ("lanes=2",)
_WAS = "was = Signal(reset_less=True)\n        m.d.sync += was.eq({})\n        "
_STALLED = (
    "        stalled = Signal(13)\n"
    "        from amaranth import Mux\n"
    "        m.d.sync += stalled.eq(Mux(delivered & ~o.ready, stalled + (stalled < {0}), 0))\n"
    "        m.d.comb += [\n"
    "            self.advance.eq(o.ready | ~delivered | (stalled == {0})),\n"
)
_ADVANCES = "        m.d.comb += [\n            self.advance.eq(o.ready | ~delivered),\n"
_TAKEN_EARLY = "self.cfg.ready.eq(pipeline.free(0))", "self.cfg.ready.eq(1)"
_LOADS = 'gated_domain(m, "constants", self.cfg.valid & self.cfg.ready'

NAMED = (  # in the issue that asked for a harness that catches them
    Fault(
        what="a configuration is lost where data come in the same cycle",
        unit="consmax/log2",
        module=LOG2,
        edits=((f"{_LOADS})", f"{_LOADS} & ~self.i.valid)"),),
        caught_by=AFTER_VALID,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="the second of two configurations back to back is lost",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(
            (
                'gated_domain(m, "constants", taken)',
                _WAS.format("taken") + 'gated_domain(m, "constants", taken & ~was)',
            ),
        ),
        caught_by=AFTER_VALID,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="a configuration in the first cycle after a reset is lost",
        unit="training/blockwise_dequantize",
        settings=ONE,
        module="training.blockwise_dequantize",
        edits=(
            (f"{_LOADS})", _WAS.format("ResetSignal()") + f"{_LOADS} & ~was)"),
            ("import Array,", "import Array, ResetSignal,"),
        ),
        caught_by=AFTER_VALID,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="a reset does not clear the result that waits",
        unit="consmax/split",
        module=PIPELINE,
        edits=(
            (
                'Signal(name=f"{prefix}valid{stage}")',
                'Signal(name=f"{prefix}valid{stage}", reset_less=stage == stages - 1)',
            ),
        ),
        caught_by=AFTER_VALID,
        says="nothing was due",
        quick=True,
    ),
    Fault(
        what="the pipeline moves only where ready is 1 already",
        unit="training/weight_update",
        settings=ONE,
        module=PIPELINE,
        edits=(("self.advance.eq(o.ready | ~delivered)", "self.advance.eq(o.ready)"),),
        caught_by=AFTER_VALID,
        says="hang",
        quick=True,
    ),
    Fault(
        what="valid waits for ready",
        unit="training/blockwise_quantize",
        settings=ONE,
        module=PIPELINE,
        edits=(("o.valid.eq(delivered)", "o.valid.eq(delivered & o.ready)"),),
        caught_by=AFTER_VALID,
        says="hang",
        quick=True,
    ),
    Fault(
        what="a result is lost after 200 stalled cycles",
        unit="training/stochastic_round",
        settings=ONE,
        module=PIPELINE,
        edits=((_ADVANCES, _STALLED.format(200)),),
        caught_by=LONG_STALL,
        says="changed before o__ready",
        quick=True,
    ),
    Fault(
        what="a result is lost after 4,000 stalled cycles",
        unit="consmax/log2",
        module=PIPELINE,
        edits=((_ADVANCES, _STALLED.format(4000)),),
        caught_by=LONG_STALL,
        says="changed before o__ready",
    ),
    Fault(
        what="the rate halves after 32 beats",
        unit="matmul/dot",
        settings=TWO,
        module=PIPELINE,
        edits=(
            (
                "            i.ready.eq(self.advance),\n",
                "            i.ready.eq(self.advance & ~(taken[5] & turn)),\n",
            ),
            (
                _ADVANCES,
                "        taken, turn = Signal(6), Signal()\n"
                "        m.d.sync += turn.eq(~turn)\n"
                "        with m.If(i.valid & i.ready & ~taken[5]):\n"
                "            m.d.sync += taken.eq(taken + 1)\n" + _ADVANCES,
            ),
            ("arrives = i.valid\n", "arrives = i.valid & i.ready\n"),
        ),
        caught_by=FULL_SPEED,
        says="took",
        quick=True,
    ),
    Fault(
        what="counters of 8 bits where extents of 4096 are promised",
        unit="matmul/systolic",
        settings=("rows=2", "columns=2"),
        module="matmul.systolic",
        edits=(
            (
                'Signal.like(limit, name=f"{name}_done")',
                'Signal(min(8, len(limit)), name=f"{name}_done")',
            ),
        ),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="a flag of overflow stays for the sums that follow",
        unit="matmul/group_dot",
        settings=("lanes=4",),
        module="matmul.group_scaler",
        edits=(("(overflow & ~(first & fresh))", "overflow"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="the flag of a masked lane",
        unit="consmax/log2",
        settings=TWO,
        module=CONSMAX,
        edits=(
            (
                "self.underflow.eq(self.product_underflow & ~self.mask)",
                "self.underflow.eq(self.product_underflow)",
            ),
        ),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="an exact tie is rounded up, not to even",
        unit="consmax/split",
        module="bfloat16",
        edits=(("truncate else guard & (sticky | kept[0])", "truncate else guard"),),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="one unit in the last place above a tie counts as the tie",
        unit="consmax/split",
        module="bfloat16",
        edits=(("sticky = product[:6].any()", "sticky = product[1:6].any()"),),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="a single product of one lane is wrong",
        unit="matmul/dot",
        settings=("lanes=4",),
        module="matmul.dot",
        edits=(
            (
                "x = self.x.word_select(lane, config.x_width)\n",
                (
                    "x = self.x.word_select(lane, config.x_width)\n"
                    "        if lane == 3:\n"
                    "            x = x ^ ((x == 0x4D)"
                    " & (self.w.word_select(lane, config.w_width) == 0x71))\n"
                ),
            ),
        ),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="a single product of one lane of 4 bits is wrong",
        unit="matmul/dot",
        settings=("lanes=4", "x=int4", "w=int4"),
        module="matmul.dot",
        edits=(
            (
                "x = self.x.word_select(lane, config.x_width)\n",
                (
                    "x = self.x.word_select(lane, config.x_width)\n"
                    "        if lane == 2:\n"
                    "            x = x ^ ((x == 0x8)"
                    " & (self.w.word_select(lane, config.w_width) == 0x7))\n"
                ),
            ),
        ),
        caught_by=EXHAUSTIVE,
    ),
)
OWN = (
    Fault(
        what="a bank takes keys while its last element is still to leave",
        unit="attention/key_buffer",
        settings=("columns=2", "head_dim=2"),
        module="attention.key_buffer",
        edits=(
            ("with m.If(leaves & done & (reads == bank)):", "with m.If(leaves & (reads == bank)):"),
        ),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="lanes behind the last key keep what an earlier block left there",
        unit="attention/key_buffer",
        settings=("columns=2", "head_dim=2"),
        module="attention.key_buffer",
        edits=(("& (count > lane).replicate(_BYTE)", ""),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="values of the next key tile are loaded over those that are still to be used",
        unit="attention/tile",
        settings=("rows=2", "columns=2", "head_dim=2"),
        module="attention.tile",
        edits=(
            ("loads.eq(self.waiting.o.valid & (number != size))", "loads.eq(self.waiting.o.valid)"),
        ),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a query sees one key more than it should",
        unit="attention/tile",
        settings=("rows=2", "columns=2", "head_dim=2"),
        module="attention.tile",
        edits=(("lane.mask.eq(key >= row.shown)", "lane.mask.eq(key > row.shown)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a clock gate of a stage is open in every cycle",
        unit="consmax/log2",
        module=PIPELINE,
        edits=(
            (
                'gated_domain(m, f"{prefix}stage{stage}", self.advance & arrives)',
                'gated_domain(m, f"{prefix}stage{stage}", self.advance)',
            ),
        ),
        caught_by=FULL_SPEED,
        says="clock gate",
        quick=True,
    ),
    Fault(
        what="the carry of one number stays that of the head before",
        unit="consmax/base2",
        module="attention.consmax_base2",
        edits=(("numbers.eq(Cat(*entries))", "numbers.eq(Cat(*entries[:-1], numbers[-1]))"),),
        caught_by=FULL_SPEED,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="a word of the row buffer is overwritten before it was used",
        unit="softermax",
        settings=("row=16", "buffer=flop"),
        module="attention.rows",
        edits=(
            (
                "full.eq((written ^ read) == config.beats)",
                "full.eq((written ^ read)[-1] & ((written ^ read)[:-1] == 1))",
            ),
        ),
        caught_by=LONG_STALL,
    ),
    Fault(
        what="the sum is not rescaled by as much as its scores are where the maximum grows",
        unit="sole",
        settings=("row=16", "buffer=flop"),
        module="attention.sole",
        edits=(("following.eq((total >> growth)", "following.eq((total >> growth[:-1])"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="exponentials are added to those of the row before",
        unit="ibert",
        settings=("row=16", "buffer=flop", "scores=int8"),
        module="attention.ibert",
        edits=(("(~passes.surveys).replicate(width)", "C(-1, width)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="constants come while a stage still needs those before",
        unit="ibert",
        settings=("row=16", "buffer=flop", "scores=int8"),
        module="attention.ibert",
        edits=(("READ_CONSTANTS = 5", "READ_CONSTANTS = 3"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a word may be overwritten once it was read for the sum",
        unit="ibert",
        settings=("row=16", "buffer=flop", "scores=int8"),
        module="attention.rows",
        edits=(("active | surveying, consumed & ~surveying", "active | surveying, consumed"),),
        caught_by=FULL_SPEED,
    ),
    Fault(
        what="a score is rounded by a quarter of a step",
        unit="base2_scores",
        settings=ONE,
        module="attention.base2_scores",
        edits=(("columns.add(_DROP - 1, C(1, 1))", "columns.add(_DROP - 2, C(1, 1))"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a bit of a row of the product with the reciprocal is lost",
        unit="softermax",
        settings=("row=16", "buffer=flop"),
        module="attention.softermax",
        edits=(
            (
                "columns.add(place_of_bit, power & bit.replicate(_POWER), 1)",
                (
                    "columns.add(place_of_bit, power & bit.replicate(_POWER)"
                    " & ~((place_of_bit == 2) << 4), 1)"
                ),
            ),
        ),
        caught_by=EXHAUSTIVE,
        says="wrong",
    ),
    Fault(
        what="one score of one scale is wrong",
        unit="base2_scores",
        settings=ONE,
        module="attention.base2_scores",
        edits=(
            (
                "product.eq(rows[0] + rows[1])",
                (
                    "product.eq(rows[0] + rows[1]"
                    " ^ ((k.value == 301) & (taken.score[lane] == 77)) << _DROP)"
                ),
            ),
        ),
        caught_by=EXHAUSTIVE,
        says="wrong",
    ),
    Fault(
        what="the next row begins before the sum of the last one is taken",
        unit="ita",
        settings=("row=16", "buffer=flop"),
        module="attention.rows",
        edits=(("opened.eq(~full & (~closing | complete)", "opened.eq(~full & (1"),),
        caught_by=FULL_SPEED,
    ),
    Fault(
        what="constants go to the row that is under way",
        unit="softmax",
        settings=("row=16", "buffer=flop"),
        module="attention.rows",
        edits=(("applies.eq(fresh & (written == read))", "applies.eq(fresh)"),),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="the first score of a row is relative to the row before",
        unit="online_softmax",
        module="attention.online_softmax",
        edits=(("Mux(lasts[2], LEAST, held)", "held"),),
        caught_by=FULL_SPEED,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="three times k is that of the head before",
        unit="consmax/log2",
        module=LOG2,
        edits=(("k3.eq(3 * self.cfg.payload.k)", "k3.eq(3 * k)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="the lowest bit of k times the score is lost",
        unit="consmax/log2",
        module=LOG2,
        edits=(
            (
                "multiples = [self.k, Cat(C(0, 1), self.k)",
                "multiples = [Cat(C(0, 1), self.k[1:]), Cat(C(0, 1), self.k)",
            ),
        ),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="an entry goes into both tables",
        unit="consmax/split",
        module="attention.consmax_split",
        edits=(("enable=write & (self.cfg.payload.table == index)", "enable=write"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="the sum that has begun outlives a reset",
        unit="matmul/dot",
        settings=TWO,
        module="matmul.dot",
        edits=(
            (
                "Signal(init=1)\n    with m.If(pipeline",
                "Signal(init=1, reset_less=True)\n    with m.If(pipeline",
            ),
        ),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="a sum that saturated once stays flagged",
        unit="matmul/dot",
        settings=("lanes=2", "accumulator=20"),
        module="matmul.dot",
        edits=(("held.eq(over | (held & ~fresh))", "held.eq(over | held)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a sparse weight chooses among the first two activations only",
        unit="matmul/sparse_dot",
        settings=("lanes=2",),
        module="matmul.sparse_dot",
        edits=(("payload.index[lane])[:width]", "payload.index[lane] & 1)[:width]"),),
        caught_by=FULL_SPEED,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="a mode holds a stage too early",
        unit="matmul/fused_dot",
        settings=TWO,
        module="matmul.fused_dot",
        edits=(("m.d.stage1 += late_mode.eq(mode)", "m.d.comb += late_mode.eq(mode)"),),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="a mode is taken while a beat still needs the one before",
        unit="matmul/fused_dot",
        settings=TWO,
        module="matmul.fused_dot",
        edits=(_TAKEN_EARLY,),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="ties are rounded to even where halves are to go away from zero",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(("guard if away else guard", "guard & (sticky | whole[0]) if away else guard"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="the shift of a scale that comes while a product moves is kept back",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(("m.d.sync += fresh.eq(1)", "m.d.sync += fresh.eq(~pipeline.moves(1))"),),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="the lowest bit of three times a multiplier is 0",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(("triple.eq(3 * self.multiplier)", "triple.eq(3 * self.multiplier & ~1)"),),
        caught_by=EXHAUSTIVE,
    ),
    Fault(
        what="constants that nothing changes are taken over with every product",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(
            (
                'gated_domain(m, "late", pipeline.moves(1) & fresh)',
                'gated_domain(m, "late", pipeline.moves(1))',
            ),
        ),
        caught_by=FULL_SPEED,
        says="gate_late ticks",
    ),
    Fault(
        what="the greatest value of a group counts for the next one, too",
        unit="matmul/quantize",
        settings=("lanes=4", "group=32"),
        module="matmul.quantize",
        edits=(("running & (~first).replicate(len(running))", "running"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="three times the reciprocal lacks a bit that only decides near ties",
        unit="matmul/quantize",
        module="matmul.ratio",
        edits=(
            (
                "in zip(multiples, digit.chosen, strict=True)",
                (
                    "in zip([*multiples[:2], Cat(multiples[2][:8], C(0, 1), multiples[2][9:]),"
                    " multiples[3]] if digit.weight == 0 else multiples, digit.chosen, strict=True)"
                ),
            ),
        ),
        caught_by=EXHAUSTIVE,
        says="wrong",
    ),
    Fault(
        what="the scaler does not wait for o",
        unit="matmul/group_dot",
        settings=("lanes=16", "group=32"),
        module="matmul.group_scaler",
        edits=(("runs.eq(busy & ~frozen)", "runs.eq(busy)"),),
        caught_by=AFTER_VALID,
    ),
    Fault(
        what="an exponent that comes with a group's last beat is too late for it",
        unit="matmul/group_dot",
        settings=("lanes=16", "group=32"),
        module="matmul.group_dot",
        edits=(("Mux(self.cfg.valid, self.cfg.payload, shared)", "shared"),),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    Fault(
        what="the last pass of a tile has as many rows as the others",
        unit="matmul/systolic",
        settings=("rows=2", "columns=2"),
        module="matmul.systolic",
        edits=(("held = Mux(over_m.last, over_m.left, size)", "held = Mux(0, over_m.left, size)"),),
        caught_by=FULL_SPEED,
    ),
    Fault(
        what="a reset leaves the array with the weights of the job that it ended",
        unit="matmul/systolic",
        settings=("rows=2", "columns=2"),
        module="matmul.systolic",
        edits=(
            (
                "idle, primed = Signal(), Signal()",
                "idle, primed = Signal(), Signal(reset_less=True)",
            ),
        ),
        caught_by=AFTER_VALID,
    ),
    Fault(
        what="the latches of a word stay open while the clock is high",
        unit="matmul/systolic",
        settings=("rows=2", "columns=2"),
        module="matmul.systolic_array",
        edits=(("pulse & (row == index)", "(pulse | (index == 0)) & (row == index)"),),
        caught_by=FULL_SPEED,
        says="latch array.latch_partial0 is open",
        quick=True,
    ),
    Fault(
        what="the upper part of a sum gets no clock for what the lower one carries",
        unit="matmul/systolic",
        settings=("rows=2", "columns=2", "dataflow=output_stationary"),
        module="matmul.systolic_cell",
        edits=(('"carry", carried[0] | self.first', '"carry", carried[1] | self.first'),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a number of just below 1 counts as 1",
        unit="training/blockwise_quantize",
        settings=ONE,
        module="training.blockwise_quantize",
        edits=(("exponent[:7].all())  # 1", "exponent[1:7].all())  # 1"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a state of zero has a sign",
        unit="training/blockwise_dequantize",
        settings=ONE,
        module="training.blockwise_dequantize",
        edits=(("Cat(magnitude, sign & magnitude.any())", "Cat(magnitude, sign)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="random words move on while a beat waits",
        unit="training/stochastic_round",
        settings=ONE,
        module="training.stochastic_round",
        edits=(
            (
                'gated_domain(m, "generator", taken | self.cfg.valid)',
                'gated_domain(m, "generator", i.valid | self.cfg.valid)',
            ),
        ),
        caught_by=AFTER_VALID,
        says="wrong",
        quick=True,
    ),
    Fault(
        what="the greatest code wraps",
        unit="training/weight_update",
        settings=ONE,
        module="training.stochastic_round",
        edits=(("fits = (value[width - 1 :] == 0)", "fits = (value[width:] == 0)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="the greatest code is one too small",
        unit="training/weight_update",
        settings=ONE,
        module="training.stochastic_round",
        edits=(
            (
                "Cat((~sign).replicate(width - 1), sign)",
                "Cat(C(0, 1), (~sign).replicate(width - 2), sign)",
            ),
        ),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="a seed changes the random word of a beat that was accepted",
        unit="training/weight_update",
        settings=ONE,
        module="training.weight_update",
        edits=(_TAKEN_EARLY,),
        caught_by=AFTER_VALID,
        says="wrong",
    ),
    *(
        Fault(
            what=f"{of} overflow in the last slice of a sum is not flagged",
            unit=unit,
            settings=settings,
            module="matmul.group_scaler",
            edits=(
                (
                    "(final & (high != before[-1] - sign))",
                    f"(final & (high != before[-1] - sign) & {kept})",
                ),
            ),
            caught_by=FULL_SPEED,
            says="wrong: overflow",
        )
        for unit, settings in (
            ("matmul/group_dot", ("lanes=4", "group=32")),
            ("training/project", ("rows=2", "columns=2", "group=16")),
        )
        for of, kept in (("negative", "~before[-1]"), ("positive", "before[-1]"))
    ),
    Fault(
        what="a group's sum goes on from the group before",
        unit="training/project",
        settings=("rows=2", "columns=2", "group=16"),
        module="training.project",
        edits=(("m.d.sync += fresh.eq(beat.last)", "m.d.sync += fresh.eq(beat.last & beat.end)"),),
        caught_by=FULL_SPEED,
        says="wrong",
    ),
    Fault(
        what="rows of sums leave sooner than the scaler takes them",
        unit="training/project",
        settings=("rows=2", "columns=2", "group=16"),
        module="training.project",
        edits=(("drains.eq((waiting != 0) & (pause == 0))", "drains.eq(waiting != 0)"),),
        caught_by=FULL_SPEED,
    ),
)


def module_file(folder: Path, fault: Fault) -> Path:
    return folder.joinpath(*fault.module.split(".")).with_suffix(".py")


def planted(fault: Fault, text: str) -> str:
    """Return a generator's text with the fault in it."""
    for old, new in fault.edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


_HELD = (
    "        late = Signal()\n"
    "        m.d.sync += late.eq(self.cfg.valid & self.cfg.ready)\n"
    '        held = stream.Signature(self.i.payload.shape()).create(path=("held",))\n'
    "        m.d.comb += [\n"
    "            held.valid.eq(self.i.valid & ~late),\n"
    "            held.payload.eq(self.i.payload),\n"
    "            self.i.ready.eq(held.ready & ~late),\n"
    "        ]\n"
)
_SLEEPS = (
    "        idle, slept = Signal(12), Signal()\n"
    "        m.d.comb += slept.eq(idle == 4000)\n"
    "        with m.If(i.valid):\n"
    "            m.d.sync += idle.eq(0)\n"
    "        with m.Elif(~slept):\n"
    "            m.d.sync += idle.eq(idle + 1)\n"
    "        arrives = i.valid & ~slept\n"
)
LATER = (  # kinds that passed until a mechanism was made for each
    Fault(
        what="the first beat after 4,000 idle cycles is lost",
        unit="consmax/log2",
        module=PIPELINE,
        edits=(("        arrives = i.valid\n", _SLEEPS),),
        caught_by=LONG_STALL,
        says="wrong",
    ),
    Fault(
        what="a reset undoes a configuration that nothing has used yet",
        unit="matmul/requant",
        settings=ONE,
        module="matmul.requant",
        edits=(("fresh = Signal(init=1)", "fresh = Signal()"),),
        caught_by=LONG_STALL,
        says="wrong",
    ),
    Fault(
        what="data wait for a cycle after each configuration",
        unit="matmul/fused_dot",
        settings=TWO,
        module="matmul.fused_dot",
        edits=(
            (
                "        pipeline = Pipeline(m, self.i, ",
                f"{_HELD}        pipeline = Pipeline(m, held, ",
            ),
            ("pipeline.advance & self.i.valid", "pipeline.advance & held.valid"),
        ),
        caught_by=FULL_SPEED,
        says="i__ready is 0 for no reason",
    ),
    Fault(
        what="table entries are looked up for masked scores",
        unit="consmax/split",
        module="attention.consmax_split",
        edits=(("self.valid0 & ~(mask & self.rests)", "self.valid0"),),
        caught_by=FULL_SPEED,
        says="gate_lower_entry ticks",
    ),
)

# in every unit whose configuration waits for the beat in the first stage
EARLY = tuple(
    Fault(
        what="a configuration is taken while a beat still needs the one before",
        unit=unit,
        settings=settings,
        module=module,
        edits=(_TAKEN_EARLY,),
        caught_by="",
    )
    for unit, settings, module in (
        ("consmax/base2", ONE, "attention.consmax_base2"),
        ("consmax/log2", ONE, LOG2),
        ("consmax/split", ONE, "attention.consmax_split"),
        ("matmul/dot", ("lanes=2", "w=uint4"), "matmul.dot"),
        ("matmul/fused_dot", TWO, "matmul.fused_dot"),
        ("matmul/requant", ONE, "matmul.requant"),
        ("online_softmax", ONE, "attention.online_softmax"),
        ("training/blockwise_dequantize", ONE, "training.blockwise_dequantize"),
        ("training/weight_update", ONE, "training.weight_update"),
    )
)


@contextmanager
def edited(fault: Fault, folder: Path) -> Iterator[None]:
    """Let generators be imported from a copy of theirs that has the fault."""
    name = "consilico.hw"
    package = import_module(name)
    copy = folder / "hw"
    shutil.copytree(Path(str(package.__path__[0])), copy, ignore=shutil.ignore_patterns("__pyc*"))
    file = module_file(copy, fault)
    file.write_text(planted(fault, file.read_text()))
    with pytest.MonkeyPatch.context() as patch:
        for each in [each for each in sys.modules if each.startswith(f"{name}.")]:
            patch.delitem(sys.modules, each)
        for each in [each for each, value in vars(package).items() if inspect.ismodule(value)]:
            patch.delattr(package, each)
        patch.setattr(package, "__path__", [str(copy)])
        yield
        for each in [each for each in sys.modules if each.startswith(f"{name}.")]:
            del sys.modules[each]
        for each in [each for each, value in vars(package).items() if inspect.ismodule(value)]:
            delattr(package, each)


def problems(fault: Fault, unit: Unit, config: Config, text: str) -> list[str]:
    """Return what the part of a verification that shall catch a fault finds in Verilog."""
    plans = planned(unit, config, unit.vectors(config, 1), 1, ["icarus", "verilator"])
    name, plan = next(
        (name, each)
        for name in ("icarus", "verilator")
        for each in plans[name]
        if each.name == fault.caught_by
    )
    return found_in_replay(name, plan, unit, config, text)


def found_in_replay(name: str, plan: Planned, unit: Unit, config: Config, text: str) -> list[str]:
    """Return what one replay on one simulator finds in Verilog."""
    simulator = find_simulator(name)
    script = plan.script()
    cycles = quick_cycles(script, unit.latency(config))
    ports = unit.ports(config)
    ready = unit.contract(config).ready if unit.contract else {}
    build = build_bulk(simulator, [text], unit.module_name, ports, ready=ready)
    # clocks must rest after 512 cycles
    quiet = max(cycles, 600)
    transcript = run_script(
        simulator, build, ports, script, hang_cycles=quiet, quiet_cycles=quiet, limit_s=600
    )
    judgement = judged(unit, config, plan, script, transcript)
    return [*judgement.problems, *judgement.seen.symptoms]


def check(fault: Fault, folder: Path) -> None:
    unit = find_unit(fault.unit)
    config = configure(unit, list(fault.settings))
    sound = verilog(unit, config)
    with edited(fault, folder):
        broken = verilog(unit, config)
    assert broken != sound
    assert problems(fault, unit, config, sound) == []
    found = problems(fault, unit, config, broken)
    assert found
    assert any(fault.says in problem for problem in found), found


QUICK = [fault for fault in (*NAMED, *OWN) if fault.quick]
LONG = [fault for fault in (*NAMED, *OWN, *LATER) if not fault.quick]


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.what)
def test_a_fault_is_caught(fault: Fault, tmp_path: Path) -> None:
    check(fault, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", LONG, ids=lambda fault: fault.what)
def test_every_fault_is_caught(fault: Fault, tmp_path: Path) -> None:
    check(fault, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", EARLY, ids=lambda fault: fault.unit)
def test_most_replays_that_fill_a_unit_catch_an_early_configuration(
    fault: Fault, tmp_path: Path
) -> None:
    unit = find_unit(fault.unit)
    config = configure(unit, list(fault.settings))
    with edited(fault, tmp_path):
        broken = verilog(unit, config)
    plans = planned(unit, config, unit.vectors(config, 1), 1, ["icarus"])["icarus"]
    filling = [profile.name for profile in PROFILES if profile.presses]
    caught = [
        plan.name
        for plan in plans
        if plan.name in filling and found_in_replay("icarus", plan, unit, config, broken)
    ]
    assert len(caught) > len(filling) / 2, caught


@pytest.mark.parametrize("fault", [*LONG, *EARLY], ids=lambda fault: f"{fault.unit}: {fault.what}")
def test_every_fault_can_still_be_planted(fault: Fault) -> None:
    folder = Path(str(import_module("consilico.hw").__path__[0]))
    text = module_file(folder, fault).read_text()
    assert planted(fault, text) != text


def test_faults_are_planted_in_every_unit() -> None:
    assert {fault.unit for fault in (*NAMED, *OWN)} == set(own_units())
    assert len(OWN) >= 20


def test_generators_are_themselves_again_after_a_fault(tmp_path: Path) -> None:
    unit = find_unit(NAMED[0].unit)
    sound = verilog(unit, unit.config())
    with edited(NAMED[0], tmp_path):
        assert verilog(unit, unit.config()) != sound
    assert verilog(unit, unit.config()) == sound
