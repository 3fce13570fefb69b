"""The dynamic code book: published values, nearest codes, bf16 patterns."""

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from consilico.golden import bfloat16
from consilico.golden.training.dynamic_code import (
    DECADES,
    book_bits,
    dynamic_code_book,
    nearest_code,
    values,
)


def authors_book(signed: bool) -> Tensor:
    """The recipe of bitsandbytes (``create_dynamic_map``), written anew."""
    found = [torch.zeros(1), torch.ones(1)]
    for decade in range(DECADES):
        edges = torch.linspace(0.1, 1, 2 ** (decade + (0 if signed else 1)) + 1)
        middles = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (decade - DECADES + 1)
        found += [middles, -middles] if signed else [middles]
    return torch.cat(found).sort().values


@pytest.mark.parametrize("signed", [True, False])
def test_books_are_those_of_the_authors_library(signed: bool) -> None:
    book = dynamic_code_book(signed=signed)
    assert book.shape == (256,)
    torch.testing.assert_close(book, authors_book(signed), rtol=1e-6, atol=0)


def test_known_values() -> None:
    signed, unsigned = dynamic_code_book(signed=True), dynamic_code_book(signed=False)
    assert signed[[0, 127, 128, 255]].tolist() == pytest.approx([-0.99296875, 0, 5.5e-7, 1])
    assert unsigned[[0, 1, 2, 254, 255]].tolist() == pytest.approx(
        [0, 3.25e-7, 7.75e-7, 0.996484375, 1]
    )


@pytest.mark.parametrize("signed", [True, False])
def test_every_value_is_nearest_to_itself(signed: bool) -> None:
    codes = nearest_code(dynamic_code_book(signed=signed), signed=signed)
    assert codes.tolist() == list(range(256))


@pytest.mark.parametrize("signed", [True, False])
def test_nearest_code_minimizes_the_distance(signed: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    spread = 10 ** (-8 * torch.rand(20_000, generator=generator, dtype=torch.float64))
    sign = torch.randint(0, 2, (20_000,), generator=generator) * 2 - 1
    x = torch.cat([spread * sign, torch.tensor([-7.0, -1.0, 0.0, 1.0, 7.0])])
    book = torch.tensor([float(v) for v in values(signed=signed)], dtype=torch.float64)
    codes = nearest_code(x, signed=signed).long()
    distance = (x[:, None] - book).abs()
    torch.testing.assert_close(distance.gather(1, codes[:, None])[:, 0], distance.min(1).values)


def test_of_two_equally_near_values_the_one_nearer_to_zero_is_taken() -> None:
    # 5 / 32 lies between steps 3 and 4 of the top decade of the signed book: exactly
    x = torch.tensor([5 / 32, -5 / 32])
    codes = nearest_code(x, signed=True).long()
    assert codes.tolist() == [127 + 67, 127 - 67]
    book = dynamic_code_book(signed=True)
    assert book[codes[0]] < 5 / 32 < book[codes[0] + 1]


def test_the_code_book_in_bf16_is_correctly_rounded() -> None:
    for signed in (True, False):
        expected = [
            bfloat16.encode(abs(value)) | (value < Fraction(0)) << 15
            for value in values(signed=signed)
        ]
        assert book_bits(signed=signed) == expected
