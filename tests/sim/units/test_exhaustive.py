"""Small spaces whole, and counters at their declared maxima."""

from typing import Any

import numpy as np
import pytest

from consilico.golden.matmul.systolic import SystolicConfig
from consilico.sim.units.catalogue import catalogue, find_unit
from consilico.sim.units.products import in_every_lane, rotated
from consilico.sim.units.systolic import every_product
from consilico.sim.units.unit import Unit

WITH = [name for name, unit in catalogue().items() if unit.exhaustive is not None]


def missed(unit: Unit, config: Any) -> set[str]:
    assert unit.exhaustive is not None
    stimulus = unit.exhaustive(config, 3)
    return {point for point in unit.exhaustive_coverage if not stimulus.coverage.get(point)}


@pytest.mark.parametrize("name", WITH)
def test_the_exhaustive_stimulus_hits_its_points(name: str) -> None:
    unit = find_unit(name)
    exempt = set(unit.exempt(unit.config())) & set(unit.exhaustive_coverage)
    assert missed(unit, unit.config()) == exempt


INT4: dict[str, Any] = {"x": "int4", "w": "int4"}
TALL = {"rows": 16, "columns": 64, "block": 2, "extent": 1 << 20, "depth": 64}


@pytest.mark.parametrize(
    ("name", "fields", "exempt"),
    [
        ("matmul/dot", {"w": "uint4", "x": "int4", "depth": 1 << 14, "lanes": 2}, set()),
        (
            "matmul/systolic",
            INT4 | {"extent": 2, "dataflow": "output_stationary"},
            {"every_product"},
        ),
        ("matmul/systolic", INT4 | TALL, {"greatest_m"}),
        ("base2_scores", {"lanes": 8}, {"every_product"}),
        ("matmul/group_dot", {"output": "bf16", "lanes": 32, "group": 32}, set()),
        ("matmul/group_dot", {"scale": "int8", "lanes": 16, "output": "bf16"}, set()),
    ],
)
def test_what_cannot_be_hit_is_exempt(name: str, fields: dict[str, Any], exempt: set[str]) -> None:
    unit = find_unit(name)
    config = unit.config(**fields)
    why = unit.exempt(config)
    assert missed(unit, config) == exempt == set(why) & set(unit.exhaustive_coverage)
    assert all(why[point] for point in exempt)


def test_the_verification_stimulus_does_not_have_every_product() -> None:
    unit = find_unit("matmul/dot")
    assert not unit.vectors(unit.config(), 1).coverage.get("every_product")


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_every_cell_of_an_array_meets_every_pair(dataflow: str) -> None:
    config = SystolicConfig(rows=3, columns=2, dataflow=dataflow, x="int4", w="int4")
    pairs: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for x, w in every_product(config):
        for row in range(3):
            for column in range(2):
                if dataflow == "weight_stationary":  # each weight of a cell meets all vectors
                    met = {(a, b) for a in x[:, row].tolist() for b in w[row, column::2].tolist()}
                else:
                    met = set(zip(x[row].tolist(), w[:, column].tolist(), strict=True))
                pairs.setdefault((row, column), set()).update(met)
    assert {len(met) for met in pairs.values()} == {256}


def test_lanes_see_all_numbers_each_in_another_order() -> None:
    order = rotated(64, 5)
    assert [sorted(lane) for lane in order.T.tolist()] == [list(range(64))] * 5
    assert len({tuple(lane) for lane in order.T.tolist()}) == 5


def test_a_lane_that_lacks_a_code_is_noticed() -> None:
    codes = rotated(16, 3)
    assert in_every_lane(codes, 16) == 3
    codes[codes[:, 1] == 7, 1] = 8
    assert in_every_lane(codes, 16) == 0
    assert in_every_lane(np.full((4, 2), 99), 16) == 0
