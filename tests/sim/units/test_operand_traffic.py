"""Operands of matrix units: from a language model's layers, or drawn."""

from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.traffic.operand_streams import operand_stream
from consilico.sim.units.catalogue import configure, find_unit


def test_a_distribution_is_drawn_from_and_no_model_is_loaded() -> None:
    def model(layers: Any) -> str:
        raise AssertionError("was not asked for")

    assert operand_stream("uniform", model, lambda drawn: f"from {drawn}") == "from uniform"


@pytest.mark.parametrize("name", ["matmul/dot", "matmul/sparse_dot", "matmul/fused_dot"])
def test_operands_of_no_layer_are_refused(name: str) -> None:
    unit = find_unit(name)
    with pytest.raises(UserError, match="traffic model: inputs of a layer"):
        unit.traffic(configure(unit, ["lanes=14"]), "model", 10)


def test_unknown_mode_is_refused() -> None:
    unit = find_unit("matmul/fused_dot")
    with pytest.raises(UserError, match=r"no traffic 'model/int2'; it has: model, model/int8, "):
        unit.traffic(unit.config(), "model/int2", 10)
