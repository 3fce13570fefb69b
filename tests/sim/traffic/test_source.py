"""Traffic chosen by name, and what is said about what cannot be had."""

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.traffic.source import choose
from consilico.sim.units.catalogue import configure, find_unit


def test_chosen_source_alone_is_made() -> None:
    def other() -> int:
        raise AssertionError("was not asked for")

    assert choose("drawn", {"model": other, "drawn": lambda: 3}) == 3


def test_unknown_source_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="unknown traffic 'modle'; there are: model, drawn"):
        choose("modle", {"model": lambda: 1, "drawn": lambda: 2})


def test_source_that_does_not_fit_is_named() -> None:
    def model() -> int:
        raise ValueError("inputs must divide by 7")

    with pytest.raises(UserError, match="traffic model: inputs must divide by 7"):
        choose("model", {"model": model})


@pytest.mark.parametrize("name", ["matmul/dot", "matmul/sparse_dot", "matmul/fused_dot"])
def test_operands_of_no_layer_are_refused(name: str) -> None:
    unit = find_unit(name)
    with pytest.raises(UserError, match="traffic model: inputs of a layer"):
        unit.traffic(configure(unit, ["lanes=14"]), "model", 10)
    with pytest.raises(UserError, match="unknown traffic 'text'; there are: model, normal"):
        unit.traffic(unit.config(), "text", 10)


def test_unknown_mode_is_refused() -> None:
    unit = find_unit("matmul/fused_dot")
    with pytest.raises(UserError, match="unknown mode 'int2' of traffic model/int2; there are: i"):
        unit.traffic(unit.config(), "model/int2", 10)
