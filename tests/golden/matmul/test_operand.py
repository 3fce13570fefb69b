"""Ranges of codes and products, and the widths that hold sums."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.operand import code_range, sum_width


@pytest.mark.parametrize(
    ("form", "codes"), [("int8", (-128, 127)), ("int4", (-8, 7)), ("uint4", (0, 15))]
)
def test_range_of_codes(form: str, codes: tuple[int, int]) -> None:
    assert code_range(form) == codes


@pytest.mark.parametrize(
    ("x", "w"), [("int8", "int8"), ("int8", "int4"), ("int8", "uint4"), ("int4", "uint4")]
)
def test_no_product_is_beyond_the_range_and_its_ends_are_products(x: str, w: str) -> None:
    config = DotConfig(x=x, w=w)
    low, high = config.w_range
    zeros = range(16) if w == "uint4" else range(1)
    weights = {code - zero for code, zero in product(range(low, high + 1), zeros)}
    products = {x * w for x, w in product(range(config.x_range[0], config.x_range[1] + 1), weights)}
    assert config.product_range == (min(products), max(products))


@given(st.integers(1, 1 << 20), st.integers(-(1 << 15), 0), st.integers(0, 1 << 15))
def test_a_sum_fits_its_width_and_no_narrower_one(count: int, least: int, greatest: int) -> None:
    half = 1 << (sum_width(count, least, greatest) - 1)
    assert -half <= count * least
    assert count * greatest <= half - 1
    if least or greatest:
        assert count * least < -half // 2 or count * greatest > half // 2 - 1
