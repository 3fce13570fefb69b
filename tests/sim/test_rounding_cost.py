"""Cost of random bits: measured rows, and counts that are refused before any work."""

import pytest

from sim.rounding_cost import RANDOM_BITS, rounding_cost


def test_more_random_bits_cost_more() -> None:
    few, many = rounding_cost("nangate45", 2.0, (4, 16), lanes=1)
    assert (few["random_bits"], many["random_bits"]) == (4, 16)
    assert few["meets_clock"]
    assert many["meets_clock"]
    assert few["area_um2"] < many["area_um2"]
    assert few["energy_per_operation_pj"] < many["energy_per_operation_pj"]
    assert few["verilog_sha256"] != many["verilog_sha256"]


@pytest.mark.exhaustive
def test_every_count_meets_the_clock() -> None:
    rows = rounding_cost("nangate45", 2.0)
    assert [row["random_bits"] for row in rows] == list(RANDOM_BITS)
    assert all(row["meets_clock"] for row in rows)


def test_a_count_out_of_range_is_refused_first() -> None:
    with pytest.raises(ValueError, match="random_bits must be an integer"):
        rounding_cost("nangate45", 2.0, (4, 17))
