"""Ranges of codes and products."""

from itertools import product

import pytest

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.operand import code_range


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
