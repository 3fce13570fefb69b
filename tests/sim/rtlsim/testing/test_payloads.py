"""Packing of one beat: the same bits as the packing of arrays, and refusals that name a field."""

import numpy as np
import pytest

from consilico.sim.rtlsim.testing.payloads import Value, from_bf16, pack, to_bf16, unpack
from consilico.sim.units.layout import Field, Layout

LAYOUT = Layout(
    width=13,
    fields=(
        Field(name="code", lane=0, offset=0, width=4, signed=True),
        Field(name="mask", lane=0, offset=4, width=1),
        Field(name="code", lane=1, offset=5, width=4, signed=True),
        Field(name="mask", lane=1, offset=9, width=1),
        Field(name="last", offset=10, width=3),
    ),
)


def test_a_payload_is_what_arrays_of_payloads_hold() -> None:
    values: dict[str, Value] = {"code": [-8, 7], "mask": [1, 0], "last": 5}
    rows = LAYOUT.pack({name: np.array([value]) for name, value in values.items()})
    assert pack(LAYOUT, values) == int.from_bytes(rows[0].tobytes(), "little")


def test_unpacking_gives_what_was_packed() -> None:
    values: dict[str, Value] = {"code": [-3, 4], "mask": [0, 1], "last": 2}
    assert unpack(LAYOUT, pack(LAYOUT, values)) == values


def test_one_number_is_every_lane_s() -> None:
    each = pack(LAYOUT, {"code": [-1, -1], "mask": [1, 1], "last": 0})
    assert pack(LAYOUT, {"code": -1, "mask": 1, "last": 0}) == each


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"code": 8, "mask": 0, "last": 0}, "lane0/code must be within -8 and 7, not 8"),
        ({"code": [0, -9], "mask": 0, "last": 0}, "lane1/code must be within -8 and 7, not -9"),
        ({"code": 0, "mask": 0, "last": 8}, "last must be within 0 and 7, not 8"),
        ({"code": [1, 2, 3], "mask": 0, "last": 0}, "code needs 2 numbers, one per lane"),
        ({"code": 0, "mask": 0}, "field 'last' is missing; there are: code, mask, last"),
        ({"code": 0, "mask": 0, "last": 0, "k": 1}, "no field 'k'; there are: code, mask, last"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, int | list[int]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pack(LAYOUT, values)


@pytest.mark.parametrize(
    ("value", "bits"),
    [(1.0, 0x3F80), (-2.5, 0xC020), (1.00390625, 0x3F80), (1.01171875, 0x3F82), (3.4e38, 0x7F80)],
)
def test_bf16_rounds_ties_to_even(value: float, bits: int) -> None:
    assert to_bf16(value) == bits


def test_bf16_comes_back() -> None:
    assert from_bf16(to_bf16(-0.15625)) == -0.15625
    assert to_bf16(float("nan")) & 0x7FFF > 0x7F80
