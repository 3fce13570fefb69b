"""Cost of random bits: rows from implementations that differ in nothing else."""

from dataclasses import replace

import pytest

from consilico.golden.training.stochastic_round import StochasticRoundConfig
from consilico.reports.training.rounding_cost import RANDOM_BITS, UNIT, rounding_cost
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.units.catalogue import find_unit


def _implemented(random_bits: int) -> Implementation:
    config = StochasticRoundConfig(random_bits=random_bits, lanes=1)
    return implement(find_unit(UNIT), config, "nangate45", 2.0, source="normal")


def test_more_random_bits_cost_more() -> None:
    few, many = rounding_cost([_implemented(16), _implemented(4)])
    assert (few.random_bits, many.random_bits) == (4, 16)
    assert few.meets_clock
    assert many.meets_clock
    assert few.area_per_lane_um2 == few.area_um2 < many.area_um2
    assert few.energy_per_operation_pj < many.energy_per_operation_pj
    assert few.verilog_sha256 != many.verilog_sha256


def test_another_difference_is_refused() -> None:
    few, many = _implemented(4), _implemented(16)
    with pytest.raises(ValueError, match="differ in random_bits alone"):
        rounding_cost([few, replace(many, config=many.config | {"fraction": 20})])
    with pytest.raises(ValueError, match="differ in random_bits alone"):
        rounding_cost([few, replace(many, activity=replace(many.activity, source="uniform"))])


@pytest.mark.exhaustive
def test_every_count_meets_the_clock() -> None:
    rows = rounding_cost([_implemented(bits) for bits in RANDOM_BITS])
    assert [row.random_bits for row in rows] == list(RANDOM_BITS)
    assert all(row.meets_clock for row in rows)
