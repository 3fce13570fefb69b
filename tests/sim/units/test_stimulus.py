"""Packing of payloads: the first field lowest, lane 0 lowest, two's complement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consilico.sim.units.stimulus import Kind, Stimulus, pack


def _integers(rows: NDArray[np.uint8]) -> list[int]:
    return [int.from_bytes(bytes(row.tolist()), "little") for row in rows]


def test_fields_and_lanes_are_packed_from_the_lowest_bit() -> None:
    lanes = np.array([[1, 2, 3]])  # three lanes of 4 bits
    flag = np.array([1])
    assert _integers(pack([(lanes, 4), (flag, 1)])) == [0x1321]


def test_a_negative_value_is_two_s_complement_and_does_not_spill() -> None:
    assert _integers(pack([(np.array([-1]), 4), (np.array([0]), 4)])) == [0x0F]


def test_a_value_wider_than_its_field_keeps_its_lowest_bits() -> None:
    assert _integers(pack([(np.array([0x1F]), 4), (np.array([0]), 4)])) == [0x0F]


@given(
    st.lists(
        st.tuples(st.integers(1, 63), st.integers(-(2**62), 2**62 - 1)), min_size=1, max_size=6
    )
)
def test_packing_equals_shifting_and_adding(fields: list[tuple[int, int]]) -> None:
    expected, position = 0, 0
    for width, value in fields:
        expected += (value % 2**width) << position
        position += width
    packed = pack([(np.array([value]), width) for width, value in fields])
    assert packed.dtype == np.uint8
    assert packed.shape == (1, -(-position // 8))
    assert _integers(packed) == [expected]


def test_each_item_is_a_row() -> None:
    assert pack([(np.arange(5), 9)]).shape == (5, 2)


def test_a_stimulus_needs_all_the_results_that_its_items_complete() -> None:
    kind = np.array([Kind.CONFIG, Kind.DATA, Kind.DATA], dtype=np.uint8)
    rows = np.zeros((3, 1), dtype=np.uint8)
    completes = np.array([0, 0, 2], dtype=np.uint16)

    def made(expected: NDArray[np.uint8]) -> Stimulus:
        return Stimulus(
            kind=kind, bits=rows, completes=completes, expected=expected, results=2, operations=2
        )

    assert made(rows[:2]).coverage == {}
    with pytest.raises(ValueError, match=r"completes 3 for 2 beats; expected has 3"):
        made(rows)
