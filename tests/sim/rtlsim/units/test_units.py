"""Every catalogue unit's Verilog against its golden model, and the checked-in files."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from consilico.golden.config import Config
from consilico.sim.rtlsim.verify import verify
from consilico.sim.units.catalogue import catalogue, configure, find_unit, verilog
from consilico.sim.units.consmax import PAPER
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

# on Icarus in every run of the tests; test_exhaustive.py has all of them on both simulators
QUICK: list[tuple[str, dict[str, Any]]] = [
    ("attention/tile", {"rows": 2, "columns": 2, "head_dim": 2, "multiplier_width": 4}),
    ("attention/key_buffer", {"columns": 3, "head_dim": 5, "storage": "flop"}),
    ("base2_scores", {"lanes": 2, "score_integer": 8}),
    ("consmax/base2", {"score_integer": 4}),
    ("consmax/log2", {"output": "fixed", "lanes": 2}),
    ("consmax/split", {"storage": "flop"}),
    ("ibert", {"row": 16, "scores": "int8", "buffer": "flop"}),
    ("ita", {"row": 16}),
    ("matmul/dot", {"lanes": 3, "x": "int4", "w": "int4"}),
    ("matmul/fused_dot", {"lanes": 3, "depth": 40}),
    ("matmul/sparse_dot", {"lanes": 6, "x": "int4", "w": "int4"}),
    ("matmul/systolic", {"rows": 2, "columns": 3, "w": "int4", "block": 3, "depth": 40}),
    ("matmul/group_dot", {"group": 32, "scale": "int8", "output": "bf16"}),
    ("matmul/requant", {"lanes": 2, "multiplier_width": 5, "zero_point": True, "result": "int4"}),
    ("matmul/quantize", {"lanes": 2, "group": 32, "result": "int4"}),
    ("online_softmax", {"lanes": 2, "slack": 8, "row": 256}),
    ("softermax", {"row": 16}),
    ("softmax", {"row": 16}),
    ("sole", {"row": 16}),
    ("training/project", {"rows": 2, "columns": 1, "group": 16}),
    ("training/stochastic_round", {"lanes": 3, "random_bits": 16}),
    ("training/weight_update", {"lanes": 3, "random_bits": 4}),
    ("training/blockwise_quantize", {"lanes": 3, "code": "unsigned"}),
    ("training/blockwise_dequantize", {"lanes": 3, "code": "unsigned"}),
]
CONFIGURATIONS = [
    *QUICK,
    ("attention/key_buffer", {"columns": 2, "head_dim": 2}),
    ("softermax", {"row": 64, "lanes": 4, "buffer": "flop", "stores": "powers"}),
    ("softmax", {"row": 64, "lanes": 2, "buffer": "flop", "exponential": "vexp"}),
    ("sole", {"row": 16, "lanes": 2, "buffer": "flop", "stores": "exponents"}),
    ("attention/tile", {"rows": 3, "columns": 2, "head_dim": 4, "p_format": "2xint7"}),
    (
        "attention/tile",
        {
            "rows": 2,
            "columns": 3,
            "head_dim": 3,
            "p_format": "uint8",
            "normalizer": "consmax/split",
        },
    ),
    ("attention/tile", {"rows": 2, "columns": 2, "head_dim": 66, "normalizer": "consmax/base2"}),
    ("softmax", {"row": 64, "lanes": 4, "buffer": "sram"}),
    ("sole", {"row": 16, "lanes": 4, "buffer": "flop"}),
    ("consmax/base2", {"output": "fixed", "lanes": 2, "fixed_width": 7}),
    (
        "consmax/log2",
        {"k_fraction": 12, "fraction": 8, "address": 6, "output": "fixed", "fixed_width": 5},
    ),
    ("consmax/split", {"scores": "int16", "lanes": 2}),
    ("ibert", {"row": 64, "lanes": 4, "buffer": "flop"}),
    ("ibert", {"row": 64, "buffer": "sram"}),
    ("ita", {"row": 16, "lanes": 4, "fraction": 0, "buffer": "flop"}),
    ("matmul/dot", {"lanes": 4, "w": "uint4"}),
    ("matmul/dot", {"lanes": 4, "accumulator": 19}),
    ("matmul/requant", {"lanes": 2, "result": "int4", "rounding": "half_even"}),
    ("matmul/quantize", {"lanes": 1, "group": 32, "mode": "minmax"}),
    ("softermax", {"row": 64, "lanes": 4, "buffer": "flop"}),
    ("softmax", {"row": 64, "lanes": 2, "buffer": "flop"}),
    ("training/stochastic_round", {"lanes": 2, "width": 32, "fraction": 19, "result_width": 12}),
    ("training/stochastic_round", {"lanes": 2, "width": 12, "fraction": 8, "result_width": 3}),
    ("matmul/group_dot", {"scale": "int8"}),
    ("consmax/split", {"output": "fixed", "fixed_width": 7, "fixed_fraction": 6}),
    ("matmul/requant", {"lanes": 1, "multiplier_width": 32, "zero_point": True}),
    ("training/weight_update", {"lanes": 2, "random_bits": 16}),
    ("training/project", {"rows": 2, "columns": 1, "group": 68}),
    ("consmax/base2", {"lanes": 5, "score_integer": 8}),
    ("consmax/log2", {"lanes": 5}),
    ("consmax/log2", {"output": "fixed", "fixed_width": 24, "fixed_fraction": 0}),
    ("consmax/split", {"lanes": 3}),
    ("consmax/split", {"scores": "int16", "lanes": 4, "output": "fixed"}),
    ("ita", {"row": 4096, "buffer": "sram"}),
    ("ita", {"fraction": 0}),  # whose sums need longer shifts than its powers
    ("matmul/dot", {"lanes": 20, "w": "int4", "depth": 200}),
    ("matmul/fused_dot", {"lanes": 17}),
    ("matmul/systolic", {"rows": 3, "columns": 2, "dataflow": "output_stationary"}),
    ("matmul/group_dot", {"lanes": 4, "group": 256}),
    ("matmul/group_dot", {"group": 32}),
    ("matmul/group_dot", {"output": "bf16"}),
    ("matmul/quantize", {"lanes": 4, "group": 32, "mode": "minmax", "result": "int4"}),
    ("online_softmax", {"row": 1 << 20}),
    ("softermax", {"row": 1024, "lanes": 16}),
    ("softmax", {"row": 1024, "lanes": 16}),
    ("sole", {"row": 4096, "buffer": "sram"}),
    ("sole", {"row": 256, "lanes": 16, "stores": "exponents"}),
    ("training/project", {"rows": 3, "columns": 2, "group": 20}),
    ("training/weight_update", {"lanes": 16, "random_bits": 5}),
    ("training/stochastic_round", {"lanes": 16, "random_bits": 4}),
]
# units whose default takes more than 10 processor seconds; QUICK has a smaller one of each
DEAR = (
    "attention/tile",
    "base2_scores",
    "consmax/base2",
    "consmax/split",
    "ibert",
    "ita",
    "matmul/dot",
    "matmul/fused_dot",
    "matmul/group_dot",
    "matmul/quantize",
    "matmul/requant",
    "matmul/sparse_dot",
    "matmul/systolic",
    "online_softmax",
    "softermax",
    "softmax",
    "sole",
    "training/blockwise_dequantize",
    "training/blockwise_quantize",
    "training/project",
    "training/weight_update",
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.exhaustive] if name in DEAR else [])
        for name in catalogue()
    ],
)
def test_default_configuration_on_both_simulators(name: str) -> None:
    unit = find_unit(name)
    result = verify(unit, unit.config(), ["icarus", "verilator"], 7)
    assert [run.mismatches for run in result.runs] == [0, 0]
    assert all(run.checked >= 200 for run in result.runs)
    assert result.uncovered == ()
    assert result.passed


def test_every_dear_unit_has_a_smaller_configuration() -> None:
    assert set(DEAR) <= {name for name, _ in QUICK}


@pytest.mark.parametrize(("name", "fields"), QUICK)
def test_other_configurations(name: str, fields: dict[str, Any]) -> None:
    unit = find_unit(name)
    result = verify(unit, unit.config(**fields), ["icarus"], 11)
    assert [run.mismatches for run in result.runs] == [0]
    assert result.passed, result.uncovered


@pytest.mark.parametrize("name", ["training/stochastic_round"])
def test_one_wrong_result_bit_is_found(name: str) -> None:
    unit = find_unit(name)

    def wrong(vectors: Callable[[Any, int], Stimulus]) -> Callable[[Any, int], Stimulus]:
        def flawed(config: Config, seed: int) -> Stimulus:
            right = vectors(config, seed)
            expected = right.expected.copy()
            expected[len(expected) // 2, 0] ^= 1
            return replace(right, expected=expected)

        return flawed

    result = verify(replace(unit, vectors=wrong(unit.vectors)), unit.config(), ["icarus"], 7)
    assert not result.passed
    assert result.runs[0].mismatches >= 1


@pytest.mark.parametrize("name", ["consmax/log2", "matmul/systolic", "training/weight_update"])
def test_verilog_is_the_same_each_time(name: str) -> None:
    unit = find_unit(name)
    assert verilog(unit, unit.config()) == verilog(unit, unit.config())


def test_every_code_reaches_every_lane() -> None:
    units = [
        unit
        for unit in catalogue().values()
        if unit.family == "attention" and "lanes" in {field.name for field in fields(unit.config)}
    ]
    assert len(units) >= 9
    for unit in units:
        stimulus = unit.vectors(configure(unit, ["lanes=2"]), 3)
        assert stimulus.coverage["every_code"] >= 2


@pytest.mark.parametrize("name", list(catalogue()))
def test_vectors_hit_the_coverage_points(name: str) -> None:
    unit = find_unit(name)
    stimulus = unit.vectors(unit.config(), 3)
    missed = {point for point in unit.coverage if not stimulus.coverage.get(point)}
    assert missed == set(unit.exempt(unit.config())) & set(unit.coverage)


@pytest.mark.parametrize(
    ("name", "fields", "exempt"),
    [
        ("consmax/base2", {"lanes": 2}, {"both_flags", "rounded_too_large"}),
        ("consmax/base2", {"lanes": 2, "score_integer": 8}, {"rounded_too_large"}),
        ("consmax/base2", {"output": "fixed", "fixed_width": 7, "lanes": 2}, set()),
        ("consmax/log2", {}, {"both_flags", "rounded_too_large"}),
        ("consmax/log2", {"output": "fixed", "fixed_width": 2, "lanes": 2}, set()),
        ("consmax/log2", {"output": "fixed", "fixed_width": 8, "lanes": 2}, {"rounded_too_large"}),
        ("consmax/split", {"lanes": 2, "scores": "int16"}, {"rounded_too_large"}),
        ("consmax/split", {"lanes": 2, "output": "fixed", "fixed_width": 7}, set()),
        ("matmul/dot", {"depth": 1 << 20, "lanes": 4}, {"saturated_sum", "saturated_then_not"}),
        ("matmul/sparse_dot", {"depth": 1}, set()),
        ("matmul/systolic", {"columns": 1}, {"ragged_n"}),
        ("matmul/systolic", {"depth": 1, "extent": 9}, {"both_signs_go_on"}),
        ("matmul/systolic", {"depth": 3, "dataflow": "output_stationary"}, {"both_signs_go_on"}),
        ("matmul/systolic", {"extent": 8}, {"several_tiles"}),
        ("matmul/systolic", {"extent": 1, "columns": 1}, {"several_tiles", "ragged_n"}),
        ("matmul/requant", {"rounding": "half_even"}, set()),
    ],
)
def test_vectors_hit_all_points_that_a_configuration_can_hit(
    name: str, fields: dict[str, Any], exempt: set[str]
) -> None:
    unit = find_unit(name)
    config = unit.config(**fields)
    stimulus = unit.vectors(config, 3)
    assert {point for point in unit.coverage if not stimulus.coverage.get(point)} == exempt
    assert set(unit.exempt(config)) & set(unit.coverage) == exempt


def test_papers_unit_is_no_catalogue_unit_but_computes_its_golden_results() -> None:
    assert PAPER.name not in catalogue()
    assert unit_results(PAPER) == 4096


def unit_results(unit: Unit) -> int:
    """Results that a unit's own vectors check at full speed on Icarus, all of them right."""
    from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
    from consilico.sim.rtlsim.replay import Replay
    from consilico.sim.rtlsim.simulators import find_simulator

    simulator, config = find_simulator("icarus"), unit.config()
    ports = unit.ports(config)
    build = build_bulk(simulator, [verilog(unit, config)], unit.module_name, ports)
    outcome = run_bulk(simulator, build, ports, unit.vectors(config, 1), Replay())
    assert outcome.passed, outcome.problems
    return outcome.checked
