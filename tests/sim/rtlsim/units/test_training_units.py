"""The training units in simulation: every bf16 number in every lane, and what traffic there is."""

import numpy as np
import pytest

from consilico.golden.training.blockwise_quantize import BlockwiseQuantizeConfig
from consilico.golden.training.stochastic_round import StochasticRoundConfig
from consilico.golden.training.weight_update import WeightUpdateConfig
from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.traffic.quantized import bf16_bits
from consilico.sim.traffic.training_operands import TrainingTraffic
from consilico.sim.units import blockwise, project, stochastic_round, weight_update
from consilico.sim.units.blockwise import every_normalized_vectors
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.stimulus import Kind

TRAINING = (
    "training/stochastic_round",
    "training/weight_update",
    "training/blockwise_quantize",
    "training/blockwise_dequantize",
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("code", ["signed", "unsigned"])
@pytest.mark.parametrize("run", [Replay(), Replay(stall_in=64, stall_out=96, seed=3)])
def test_every_normalized_number_in_every_lane(code: str, run: Replay) -> None:
    unit, config = find_unit("training/blockwise_quantize"), BlockwiseQuantizeConfig(code=code)
    verilator, ports = find_simulator("verilator"), unit.ports(config)
    build = build_bulk(verilator, [verilog(unit, config)], unit.module_name, ports)
    outcome = run_bulk(verilator, build, ports, every_normalized_vectors(config, 1), run)
    assert outcome.passed, outcome.problems
    assert outcome.checked == 2 * (31 * 128 + 2) * config.lanes


@pytest.mark.exhaustive
@pytest.mark.parametrize("random_bits", range(4, 17))
def test_a_million_roundings_of_any_random_bits(random_bits: int) -> None:
    unit = find_unit("training/stochastic_round")
    config = StochasticRoundConfig(random_bits=random_bits, lanes=16)
    stimulus = unit.traffic(config, "normal", 1 << 16)
    icarus, ports = find_simulator("icarus"), unit.ports(config)
    build = build_bulk(icarus, [verilog(unit, config)], unit.module_name, ports)
    outcome = run_bulk(icarus, build, ports, stimulus, Replay())
    assert outcome.passed, outcome.problems
    assert outcome.checked == 1 << 20


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> TrainingTraffic:
    """A drawn sample in place of a training's."""
    rng = np.random.default_rng(1)
    traffic = TrainingTraffic(
        code=rng.integers(-128, 128, (5, 256)),
        update=bf16_bits(rng.normal(0, 1, (5, 256))),
        factor=bf16_bits(rng.uniform(-60, -1, 5)),
        mean=bf16_bits(rng.normal(0, 1e-3, (3, 2048))),
        square=bf16_bits(rng.normal(0, 1e-3, (3, 2048)) ** 2),
        gradient=bf16_bits(rng.normal(0, 1e-3, (3, 8, 128))),
        vectors=bf16_bits(rng.normal(0, 0.1, (3, 8, 128))),
        provenance={},
        source="drawn",
        synthetic=True,
    )
    for module in (blockwise, project, stochastic_round, weight_update):
        monkeypatch.setattr(module, "training_traffic", lambda: traffic)
    return traffic


@pytest.mark.parametrize("source", ["normal", "model"])
@pytest.mark.parametrize("name", TRAINING)
def test_traffic_has_the_beats_asked_for(name: str, source: str, sample: TrainingTraffic) -> None:
    unit = find_unit(name)
    config = unit.config()
    stimulus = unit.traffic(config, source, 96)
    assert stimulus.results == 96 * unit.operations_per_beat(config)


@pytest.mark.parametrize("name", TRAINING)
def test_other_traffic_is_refused(name: str) -> None:
    unit = find_unit(name)
    with pytest.raises(UserError, match="has no traffic 'text'; it has: model, normal"):
        unit.traffic(unit.config(), "text", 8)


def test_weights_of_the_model_meet_their_groups_factor(sample: TrainingTraffic) -> None:
    unit = find_unit("training/weight_update")
    config = WeightUpdateConfig(lanes=8)
    stimulus = unit.traffic(config, "model", 5 * 32)
    rows = stimulus.bits[stimulus.kind == Kind.DATA].reshape(-1, 3).astype(np.int64)
    assert rows[:, 0].tolist() == (sample.code & 0xFF).flatten().tolist()
    assert (rows[:, 1] | rows[:, 2] << 8).tolist() == sample.update.flatten().tolist()
    cfg = stimulus.bits[stimulus.kind == Kind.CONFIG][1:].astype(np.int64)  # the first is a seed
    assert (cfg[:, 0] | cfg[:, 1] << 8).tolist() == sample.factor.tolist()
    # a code moves as the float weight does, but for its rounding
    got = stimulus.expected.reshape(5, 256).view(np.int8).astype(float)
    assert np.abs(got - sample.weights().clip(-128, 127)).max() < 1.3  # update and factor: 8 bits


def test_second_moments_are_the_unsigned_units(sample: TrainingTraffic) -> None:
    unit = find_unit("training/blockwise_quantize")
    stimulus = unit.traffic(BlockwiseQuantizeConfig(code="unsigned"), "model", 3 * 256)
    rows = stimulus.bits[stimulus.kind == Kind.DATA].reshape(-1, 2).astype(np.int64)
    assert (rows[:, 0] | rows[:, 1] << 8).tolist() == sample.square.flatten().tolist()
