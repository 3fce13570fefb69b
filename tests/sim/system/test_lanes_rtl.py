"""Cycles of dot-product lanes are those of the units' Verilog."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.group_dot import GroupDotConfig
from consilico.golden.matmul.sparse_dot import SparseDotConfig
from consilico.sim.accelerator.accelerator import find_dram
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.system.chip import UNIT_LANES, Chip, WeightFormat, weight_format
from consilico.sim.system.engines import on_lanes
from consilico.sim.units.catalogue import find_unit, verilog

WATCHED = 63  # cycles after the last result that the bulk bench counts
SMALL: dict[str, tuple[Config, int, int]] = {  # of few lanes: activations of a beat, padding
    "int8": (DotConfig(lanes=4), 4, 4),
    "2:4": (SparseDotConfig(lanes=4), 8, 8),
    "int4-g32": (GroupDotConfig(lanes=4, group=32), 4, 32),
}


def small(name: str) -> WeightFormat:
    config, step, pads_to = SMALL[name]
    return replace(weight_format(name), config=config, step=step, pads_to=pads_to)


def beats_of(form: WeightFormat, beats: int, zero: int) -> dict[str, NDArray[Any]]:
    """Return beats of drawn operands, but for what ends a sum."""
    rng, config = np.random.default_rng(beats), form.config
    lanes = int(config.to_json()["lanes"])
    codes: dict[str, NDArray[Any]] = {"x": rng.integers(-128, 128, (beats, form.step))}
    if isinstance(config, GroupDotConfig):
        return codes | {
            "q": rng.integers(0, 16, (beats, lanes)), "zero": np.full(beats, zero),
            "scale": np.full(beats, 127 << 7),
        }  # fmt: skip
    codes["w"] = rng.integers(-128, 128, (beats, lanes))
    if isinstance(config, SparseDotConfig):
        first = np.tile([0, 2], (beats, lanes // 2))
        codes["index"] = first + rng.integers(0, 2, first.shape)
    return codes


def rtl_cycles(form: WeightFormat, products: list[tuple[int, int]], zero: int) -> list[int]:
    """Return the cycles of products of a vector of k activations with n columns on one unit."""
    unit, simulator = find_unit(form.unit), find_simulator("icarus")
    ports = unit.ports(form.config)
    build = build_bulk(simulator, [verilog(unit, form.config)], unit.module_name, ports)
    found = []
    for k, n in products:
        each = -(-k // form.pads_to) * form.pads_to // form.step
        beats = beats_of(form, n * each, zero)
        ends = np.tile(np.arange(each) == each - 1, n)
        beats["end" if isinstance(form.config, GroupDotConfig) else "last"] = ends
        builder = unit.builder(form.config)
        if ports.cfg_width:
            builder.configure({"payload": np.array(127)})
        builder.data(beats, n, operations=1)
        outcome = run_bulk(simulator, build, ports, builder.build(), Replay())
        assert outcome.passed, outcome.problems
        found.append(outcome.cycles - WATCHED - bool(ports.cfg_width))
    return found


@pytest.mark.parametrize("name", SMALL)
def test_cycles_are_those_of_verilog(name: str) -> None:
    form, rng = small(name), np.random.default_rng(5)
    chip = Chip(dram=find_dram("hbm2"), weights=form, gemv_lanes=UNIT_LANES)  # one unit
    products = [(int(rng.integers(1, 100)), int(rng.integers(1, 12))) for _ in range(8)]
    expected = [on_lanes(1, k, n, chip).cycles for k, n in products]
    assert rtl_cycles(form, products, zero=8) == [cycles.value for cycles in expected]
    if form.slowest > 1:  # a zero point that takes two passes; the last beat's is in its delay
        slow = rtl_cycles(form, products, zero=0)
        assert slow == [cycles.high for cycles in expected]
        assert slow != [cycles.value for cycles in expected]
