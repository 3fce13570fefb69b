"""The size of a table."""

import pytest

from consilico.hw.census import table_size


@pytest.mark.parametrize(
    ("constants", "size"),
    [
        ((5, 5, 5, 5), 0),
        ((0, 1, 0, 1), 3),
        ((0, 3, 0, 3), 3),  # both bits are the same choice
        ((0, 0, 1, 1), 1),
        ((0, 1, 2, 3), 4),  # the low bit changes three times, the high bit once
        ((0, -1, 0), 2),  # as wide as it is, minus one is one choice
        ((16, -1), 1),  # 16 and its complement: all bits but bit 4 change together
        ((1, -2), 2),
    ],
)
def test_a_table_is_as_large_as_its_bits_change(constants: tuple[int, ...], size: int) -> None:
    assert table_size(constants) == size
