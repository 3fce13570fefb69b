"""The checked-in table of accuracy: within its limits, and what the engine gives today."""

import pytest

from consilico.sim.silicon.power.accuracy import PARTS, accuracy_table, measure_case
from tests.sim.silicon.libraries import SHARED


def test_every_case_is_within_the_limits() -> None:
    table = accuracy_table()
    assert len(table.cases) == 6
    assert {case.kit for case in table.cases} == {"nangate45", "sky130hd", "asap7"}
    assert table.limits_pct == {"internal": 3, "switching": 3, "leakage": 3, "total": 2}
    for case in table.cases:
        for part in PARTS:
            assert abs(case.error_pct[part]) <= table.limits_pct[part]


def test_the_table_is_what_the_engine_gives() -> None:
    folder = SHARED / "reference/power/e2_nangate45"
    if not folder.is_dir():
        pytest.skip("no reference netlists beside the repository (../shared/reference/power)")
    found = measure_case(folder)
    (kept,) = (
        case for case in accuracy_table().cases if (case.case, case.kit) == (found.case, found.kit)
    )
    for part in PARTS:
        assert found.ours_w[part] == pytest.approx(kept.ours_w[part], rel=1e-6)
        assert found.opensta_w[part] == kept.opensta_w[part]
