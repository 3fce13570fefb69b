"""Throughput of the group quantizer, and arithmetic of its first pass."""

from typing import Any

import numpy as np
import pytest
import torch
from amaranth import Elaboratable, Module, Signal
from amaranth.sim import Simulator

import consilico.hw.matmul.quantize
from consilico.golden.matmul.quantize import QuantizeConfig
from consilico.golden.matmul.quantize import sum_up as golden_sum_up
from consilico.hw.matmul.ratio import sum_up
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import find_unit, verilog

UNIT = find_unit("matmul/quantize")


def at_full_speed(config: QuantizeConfig) -> ReplayOutcome:
    """Six groups, one after the other, nothing stalling from outside."""
    simulator, ports = find_simulator("icarus"), UNIT.ports(config)
    build = build_bulk(simulator, [verilog(UNIT, config)], UNIT.module_name, ports)
    stimulus = UNIT.traffic(config, "normal", 6 * config.beats)
    outcome = run_bulk(simulator, build, ports, stimulus, Replay())
    assert outcome.passed, outcome.problems
    assert outcome.beats_checked == 6 * config.beats
    return outcome


@pytest.mark.parametrize(
    "fields",
    [
        {"lanes": 1, "group": 32},
        {"lanes": 4, "group": 32, "mode": "minmax"},
        {"lanes": 8, "group": 64, "result": "int4"},
    ],
)
def test_takes_a_beat_a_cycle_without_a_gap(fields: dict[str, Any]) -> None:
    assert at_full_speed(QuantizeConfig(**fields)).events["i_stall_cycles"] == 0


def test_a_store_of_one_word_less_would_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = consilico.hw.matmul.quantize.depth
    monkeypatch.setattr("consilico.hw.matmul.quantize.depth", lambda config: needed(config) - 1)
    assert at_full_speed(QuantizeConfig(lanes=1, group=32)).events["i_stall_cycles"] > 0


class _Sum(Elaboratable):
    """The sum of two magnitudes."""

    def __init__(self) -> None:
        self.a, self.b, self.sum = Signal(15), Signal(15), Signal(16)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.sum.eq(sum_up(m, self.a, self.b))
        return m


def test_sum_of_magnitudes_equals_the_golden_model() -> None:
    rng = np.random.default_rng(3)
    near = rng.integers(100 << 7, 110 << 7, size=(1500, 2))
    corners = np.array([0, 0x80, 0xFF, 0x100, 0x3F80, 0x3FFF, 0x7F7F, 0x7FFF])
    pairs = np.concatenate([near, rng.integers(0x80, 0x8000, size=(500, 2))])
    pairs = np.concatenate([pairs, np.stack(np.meshgrid(corners, corners), -1).reshape(-1, 2)])
    block, found = _Sum(), []

    async def bench(ctx: Any) -> None:
        for a, b in pairs.tolist():
            ctx.set(block.a, a)
            ctx.set(block.b, b)
            await ctx.delay(1e-9)
            found.append(ctx.get(block.sum))

    simulator = Simulator(block)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == golden_sum_up(*torch.from_numpy(pairs).T).tolist()
