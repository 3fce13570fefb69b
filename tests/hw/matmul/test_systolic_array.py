"""Generating a systolic array takes time by its cells, and makes nothing that goes unused."""

import gc
import warnings

import pytest
from amaranth.hdl import Fragment

from consilico.golden.attention.tile import TileConfig
from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.attention.tile import AttentionTile
from consilico.hw.matmul.systolic_array import SystolicArray


def elaborated(unit: AttentionTile | SystolicArray) -> Fragment:
    """Return a unit as Amaranth converts it, after its parts."""
    for part in unit.parts.values():
        Fragment.get(part, None)
    return Fragment.get(unit, None)


def domains(size: int, dataflow: str) -> int:
    config = SystolicConfig(rows=size, columns=size, dataflow=dataflow)
    return len(elaborated(SystolicArray(config)).domains)


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_clock_domains_grow_with_the_sides_of_an_array(dataflow: str) -> None:
    """Amaranth hands each domain to each cell: minutes where there are thousands of both."""
    assert domains(8, dataflow) < domains(16, dataflow) < 2.2 * domains(8, dataflow)


def test_the_arrays_of_a_tile_share_the_component_of_a_cell() -> None:
    config = TileConfig(rows=2, columns=2, head_dim=66)
    assert config.value_arrays == 2
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        elaborated(AttentionTile(config))
        gc.collect()
    assert [str(each.message) for each in said] == []
