"""Every product of codes on the hardware of the dot products, in every lane."""

from typing import Any

import numpy as np
import pytest

from consilico.golden.config import Config
from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.fused_dot import FUSED_MODES, FusedDotConfig
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units import dot, fused_dot
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.products import every_product
from consilico.sim.units.stimulus import Stimulus


def outcome(
    name: str, config: Config, stimulus: Stimulus, simulator: str = "icarus"
) -> ReplayOutcome:
    """What the unit's Verilog makes of a stimulus."""
    unit, found = find_unit(name), find_simulator(simulator)
    ports = unit.ports(config)
    build = build_bulk(found, [verilog(unit, config)], unit.module_name, ports)
    return run_bulk(found, build, ports, stimulus, Replay())


def zero_points(config: DotConfig) -> int:
    """Zero points that unsigned weights are driven under."""
    return 16 if config.w == "uint4" else 1


@pytest.mark.parametrize(
    ("x_form", "w_form", "pairs"),
    [("int8", "int8", 1 << 16), ("int8", "int4", 1 << 12), ("int4", "uint4", 1 << 8)],
)
def test_every_lane_gets_every_pair(x_form: str, w_form: str, pairs: int) -> None:
    x, w = every_product(x_form, w_form, 3)
    assert x.shape == w.shape == (pairs, 3)
    for lane in range(3):
        assert len(np.unique(256 * x[:, lane] + w[:, lane])) == pairs
    assert not np.array_equal(x[:, 0], x[:, 1])


@pytest.mark.parametrize("w", ["int4", "uint4"])
def test_every_product_of_int4(w: str) -> None:
    config = DotConfig(x="int4", w=w, lanes=4)
    found = outcome("matmul/dot", config, dot.every_product_vectors(config))
    assert found.passed, found.problems
    assert found.checked == (1 << 8) * zero_points(config)


def test_every_product_of_int4_in_every_place_of_a_fused_lane() -> None:
    config = FusedDotConfig(lanes=2)
    found = outcome("matmul/fused_dot", config, fused_dot.every_product_vectors(config, 2))
    assert found.passed, found.problems
    assert found.checked == 1 << 8


def test_a_wrong_product_is_found() -> None:
    config = DotConfig(x="int4", w="int4", lanes=4)
    stimulus = dot.every_product_vectors(config)
    beat = int(np.flatnonzero(stimulus.bits[:, 2] & 0xF)[0])  # lane 0's weight is not zero
    stimulus.bits[beat, 0] ^= 1  # the lowest bit of its activation
    assert outcome("matmul/dot", config, stimulus).mismatches == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("w", ["int8", "int4", "uint4"])
@pytest.mark.parametrize("fields", [{}, {"lanes": 20}])
def test_every_product_of_int8_activations(w: str, fields: dict[str, Any]) -> None:
    config = DotConfig(w=w, **fields)
    found = outcome("matmul/dot", config, dot.every_product_vectors(config), "verilator")
    assert found.passed, found.problems
    assert found.checked == (1 << (8 + config.w_width)) * zero_points(config)


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", range(3))
def test_every_product_of_every_mode(mode: int) -> None:
    config = FusedDotConfig()
    stimulus = fused_dot.every_product_vectors(config, mode)
    found = outcome("matmul/fused_dot", config, stimulus, "verilator")
    assert found.passed, found.problems
    assert found.checked == (1 << 16, 1 << 12, 1 << 8)[mode]
    assert stimulus.coverage[f"mode_{FUSED_MODES[mode]}"] == 1
