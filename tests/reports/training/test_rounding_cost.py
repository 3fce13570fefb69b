"""Cost of random bits: rows from implementations that differ in nothing else."""

from typing import Any

import pytest

from consilico.golden.training.stochastic_round import StochasticRoundConfig
from consilico.reports.training.rounding_cost import RANDOM_BITS, UNIT, rounding_cost
from consilico.sim.silicon.implement import implement
from consilico.sim.units.catalogue import find_unit


def _entry(random_bits: int) -> dict[str, Any]:
    unit = find_unit(UNIT)
    config = StochasticRoundConfig(random_bits=random_bits, lanes=1)
    result = implement(unit, config, "nangate45", 2.0, source="normal").to_json()
    return {"lanes": 1, "clock_ns": 2.0, "source": "normal", "result": result}


def test_more_random_bits_cost_more() -> None:
    few, many = rounding_cost([_entry(16), _entry(4)])
    assert (few.random_bits, many.random_bits) == (4, 16)
    assert few.meets_clock
    assert many.meets_clock
    assert few.area_per_lane_um2 == few.area_um2 < many.area_um2
    assert few.energy_per_operation_pj < many.energy_per_operation_pj
    assert few.verilog_sha256 != many.verilog_sha256


def test_another_difference_is_refused() -> None:
    entries = [_entry(4), _entry(16)]
    entries[1]["result"] = entries[1]["result"] | {
        "config": entries[1]["result"]["config"] | {"fraction": 20}
    }
    with pytest.raises(ValueError, match="differ in random_bits alone"):
        rounding_cost(entries)
    entries = [_entry(4), _entry(16) | {"source": "uniform"}]
    with pytest.raises(ValueError, match="differ in random_bits alone"):
        rounding_cost(entries)


@pytest.mark.exhaustive
def test_every_count_meets_the_clock() -> None:
    rows = rounding_cost([_entry(bits) for bits in RANDOM_BITS])
    assert [row.random_bits for row in rows] == list(RANDOM_BITS)
    assert all(row.meets_clock for row in rows)
