"""The table of what an energy with glitches depends on."""

import pytest

from consilico.sim.estimate.operators.calibration_state import other_verilog
from consilico.sim.silicon.glitch_study import CASES, glitch_table, measure_case

TABLE = {case.case: case for case in glitch_table().cases}


def test_every_case_is_measured() -> None:
    assert list(TABLE) == [name for name, *_ in CASES]


@pytest.mark.parametrize("name", TABLE)
def test_glitches_cost_energy_and_arcs_that_differ_make_more_of_them(name: str) -> None:
    case = TABLE[name]
    assert case.without_delays_pj < case.mean_arcs_pj < case.all_arcs_pj


@pytest.mark.parametrize("name", TABLE)
def test_the_size_of_all_delays_hardly_matters(name: str) -> None:
    case = TABLE[name]
    assert case.shorter_pj == pytest.approx(case.all_arcs_pj, rel=0.02)


@pytest.mark.exhaustive
def test_a_case_is_measured_as_it_is_in_the_table() -> None:
    known = TABLE[CASES[0][0]]
    if other_verilog([known]):
        pytest.skip("the table is of other Verilog, as `make calibration-check` says")
    found = measure_case(*CASES[0])
    for field in ("without_delays_pj", "mean_arcs_pj", "all_arcs_pj", "shorter_pj"):
        assert getattr(found, field) == pytest.approx(getattr(known, field), rel=0.02)
