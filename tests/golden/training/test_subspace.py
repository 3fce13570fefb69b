"""Projection of gradients: sides, error, lazy renewal."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from consilico.golden.training.affine import Affine
from consilico.golden.training.method import METHODS, Method
from consilico.golden.training.subspace import Subspace

EXACT = Method(rank=8, gap=10)
INT4 = replace(METHODS["qgalore"], rank=8, gap=10, lazy=False)
LAZY = Method(rank=4, gap=1, lazy=True)
SHAPES = [(24, 16), (16, 24), (16, 16)]


def random(shape: tuple[int, ...], seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def subspace(method: Method, gradient: Tensor, threshold: float = 0.4) -> Subspace:
    made = Subspace(method, threshold)
    made.advance(gradient)
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_lie_on_the_shorter_side(shape: tuple[int, int]) -> None:
    gradient = random(shape)
    made = subspace(EXACT, gradient)
    assert made.vectors().shape == (8, 16)
    torch.testing.assert_close(made.vectors() @ made.vectors().T, torch.eye(8))
    low = made.down(gradient)
    assert low.shape == ((shape[0], 8) if shape[0] >= shape[1] else (8, shape[1]))
    assert made.up(low, gradient.shape).shape == shape


@pytest.mark.parametrize("shape", SHAPES)
def test_down_and_up_give_the_best_approximation_of_that_rank(shape: tuple[int, int]) -> None:
    gradient = random(shape)
    made = subspace(EXACT, gradient)
    left, values, right = torch.linalg.svd(gradient, full_matrices=False)
    best = left[:, :8] * values[:8] @ right[:8]
    torch.testing.assert_close(made.up(made.down(gradient), gradient.shape), best)


def test_int4_vectors_are_packed_and_close() -> None:
    gradient = random((64, 64))
    exact, four = subspace(EXACT, gradient), subspace(INT4, gradient)
    assert isinstance(four.basis, Affine)
    assert four.basis.codes.numel() == 8 * 64 // 2
    assert (exact.vectors() - four.vectors()).abs().max() <= four.basis.scale.max() / 2 * 1.0001


def test_the_subspace_is_renewed_every_gap_updates() -> None:
    made = Subspace(EXACT, 0.4)
    renewals = []
    for update in range(25):
        made.advance(random((24, 16), update))
        renewals.append(made.renewals)
    assert renewals == [1] * 10 + [2] * 10 + [3] * 5


def steady(update: int) -> Tensor:
    """Four directions that stay the same beneath a little noise; their signs are arbitrary."""
    generator = torch.Generator().manual_seed(7)
    left, right = (torch.linalg.qr(torch.randn(32, 4, generator=generator))[0] for _ in range(2))
    sign = 1.0 if update % 2 else -1.0
    strength = torch.tensor([8.0, 4.0, 2.0, 1.0])
    noise = 0.01 * random((32, 32), update)
    return noise + sign * torch.mm(left * strength, right.T)


def test_a_steady_subspace_doubles_its_gap() -> None:
    made = Subspace(LAZY, 0.4)
    gaps = []
    for update in range(12):
        made.advance(steady(update))
        gaps.append(made.gap)
    # the first renewal has nothing to be compared with, then a queue of five fills
    assert gaps == [1, 1, 1, 1, 1, 2, 4, 4, 8, 8, 8, 8]


def test_a_wandering_subspace_keeps_its_gap() -> None:
    made = Subspace(LAZY, 0.4)
    for update in range(20):
        made.advance(random((32, 32), update))
    assert (made.gap, made.renewals) == (1, 20)


def test_without_lazy_the_gap_stays() -> None:
    made = Subspace(replace(LAZY, lazy=False), 0.4)
    for update in range(12):
        made.advance(steady(update))
    assert made.gap == 1


def test_the_sign_of_a_singular_vector_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.linalg.svd
    calls = iter(range(100))

    def flipping(matrix: Tensor, full_matrices: bool) -> tuple[Tensor, Tensor, Tensor]:
        left, values, right = original(matrix, full_matrices=full_matrices)
        sign = -1.0 if next(calls) % 2 else 1.0
        return sign * left, values, sign * right

    monkeypatch.setattr(torch.linalg, "svd", flipping)
    made = Subspace(LAZY, 0.9)
    for _ in range(6):
        made.advance(steady(1))
    assert made.gap == 2


def test_a_subspace_without_a_gradient_says_so() -> None:
    with pytest.raises(RuntimeError, match="needs a gradient"):
        Subspace(EXACT, 0.4).vectors()
