"""Layouts of payloads: the first field lowest, lane 0 lowest, two's complement, fields by name."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from amaranth import signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consilico.sim.units.catalogue import catalogue
from consilico.sim.units.layout import Field, Layout, stream_layouts


class Streams(wiring.Component):
    """Streams with these payloads."""

    def __init__(self, i: Any, o: Any) -> None:
        super().__init__({"i": In(stream.Signature(i)), "o": Out(stream.Signature(o))})


def integers(rows: NDArray[np.uint8]) -> list[int]:
    return [int.from_bytes(bytes(row.tolist()), "little") for row in rows]


def flat(widths: Sequence[int]) -> Layout:
    """Fields f0, f1, ... one after the other."""
    offsets = accumulate(widths[:-1], initial=0)
    return Layout(
        width=sum(widths),
        fields=tuple(
            Field(name=f"f{index}", offset=offset, width=width)
            for index, (offset, width) in enumerate(zip(offsets, widths, strict=True))
        ),
    )


LANES = stream_layouts(
    Streams(
        data.StructLayout({"code": data.ArrayLayout(signed(4), 3), "flag": 1}),
        data.ArrayLayout(data.StructLayout({"low": unsigned(5), "sum": signed(16)}), 2),
    )
)


def test_fields_and_lanes_are_packed_from_the_lowest_bit() -> None:
    packed = LANES.i.pack({"code": np.array([[1, 2, 3]]), "flag": np.array([1])})
    assert integers(packed) == [0x1321]


def test_lanes_of_structures_are_told_apart() -> None:
    assert [item.label for item in LANES.o.fields] == [
        "lane0/low", "lane0/sum", "lane1/low", "lane1/sum",
    ]  # fmt: skip
    packed = LANES.o.pack({"low": np.array([[3, 31]]), "sum": np.array([[-2, 7]])})
    assert integers(packed) == [3 | 0xFFFE << 5 | 31 << 21 | 7 << 26]
    assert LANES.o.unpack(packed)["sum"].tolist() == [[-2, 7]]


def test_a_negative_value_does_not_spill_and_a_wide_one_is_cut() -> None:
    packed = LANES.i.pack({"code": np.array([[-1, 0x1F, 0]]), "flag": np.array([0])})
    assert integers(packed) == [0x0FF]


@given(
    st.lists(
        st.tuples(st.integers(1, 63), st.integers(-(2**62), 2**62 - 1)), min_size=1, max_size=6
    )
)
def test_packing_equals_shifting_and_adding_and_unpacking_brings_it_back(
    fields: list[tuple[int, int]],
) -> None:
    layout = flat([width for width, _ in fields])
    packed = layout.pack({f"f{i}": np.array([value]) for i, (_, value) in enumerate(fields)})
    expected, position = 0, 0
    for width, value in fields:
        expected += (value % 2**width) << position
        position += width
    assert integers(packed) == [expected]
    found = layout.unpack(packed)
    assert [int(part[0]) for part in found.values()] == [
        value % 2**width for width, value in fields
    ]


@pytest.mark.parametrize("name", catalogue())
def test_every_payload_of_a_unit_comes_back(name: str) -> None:
    unit = catalogue()[name]
    layouts = unit.layouts(unit.config())
    rng = np.random.default_rng(1)
    for layout in (layouts.i, layouts.o, *((layouts.cfg,) if layouts.cfg.width else ())):
        bits = rng.integers(0, 2, size=(64, layout.width), dtype=np.uint8)
        rows = np.packbits(bits, axis=1, bitorder="little")
        assert np.array_equal(layout.pack(layout.unpack(rows)), rows)


def test_a_field_that_is_missing_unknown_or_of_another_shape_is_named() -> None:
    code, flag = np.zeros((2, 3), dtype=np.int64), np.zeros(2, dtype=np.int64)
    for values, message in (
        ({"code": code}, "fields are code, flag; 'flag' differs"),
        ({"code": code, "flag": flag, "end": flag}, "'end' differs"),
        ({"code": code, "flag": code}, r"flag must have shape \(2,\), not \(2, 3\)"),
        ({"code": flag, "flag": flag}, r"code must have shape \(2, 3\), not \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            LANES.i.pack(values)


def test_bf16_differs_by_places_in_the_order_of_numbers() -> None:
    field = Field(name="data", offset=0, width=16, format="bf16")
    got = np.array([0x3F81, 0x8001, 0x8000, 0x3F80])
    expected = np.array([0x3F80, 0x0001, 0x0000, 0x3F80])
    assert field.ulp(got, expected).tolist() == [1, -2, 0, 0]


def test_integers_differ_by_their_difference() -> None:
    field = Field(name="code", lane=2, offset=0, width=8, signed=True)
    assert field.ulp(np.array([-128, 3]), np.array([127, 3])).tolist() == [-255, 0]


def test_a_bf16_field_that_is_not_there_or_too_narrow_is_refused() -> None:
    for place in ("o.bits", "o.low"):
        with pytest.raises(ValueError, match=f"{place} is not a field of 16 bits"):
            stream_layouts(Streams(unsigned(1), LANES_SHAPE), (place,))


LANES_SHAPE = data.ArrayLayout(data.StructLayout({"low": unsigned(5), "sum": signed(16)}), 2)
