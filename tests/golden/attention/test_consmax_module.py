"""The trainable module, and its merge into the hardware's constants."""

import math

import pytest
import torch

from consilico.golden.attention.consmax_module import ConSmax, head_constants


@pytest.fixture
def module() -> ConSmax:
    torch.manual_seed(3)
    return ConSmax(heads=4)


def test_initial_parameters_are_the_papers(module: ConSmax) -> None:
    assert bool(((module.beta >= 0.5) & (module.beta <= 2.5)).all())
    assert len(set(module.beta.tolist())) == 4  # per head
    assert module.gamma.tolist() == [100.0] * 4


def test_forward_is_the_papers_equation(module: ConSmax) -> None:
    scores = torch.randn(2, 4, 3, 5)
    expected = torch.exp(scores - module.beta[:, None, None]) / module.gamma[:, None, None]
    torch.testing.assert_close(module(scores), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("hidden", [math.inf, -math.inf, math.nan, 1e30])
def test_mask_gives_exact_zero_and_finite_gradients(
    module: ConSmax, dtype: torch.dtype, hidden: float
) -> None:
    scores = torch.randn(4, 3, 3, dtype=dtype)
    scores[:, 0, 2] = hidden
    scores.requires_grad_(True)
    mask = torch.triu(torch.ones(3, 3, dtype=torch.bool), diagonal=1)
    out = module(scores, mask)
    assert out.dtype == dtype
    assert bool((out[:, mask] == 0).all())
    assert bool((out[:, ~mask] > 0).all())
    out.float().sum().backward()
    gradients = [scores.grad, module.beta.grad, module.gamma.grad]
    assert all(
        bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None
    )
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_great_scores_saturate_instead_of_becoming_infinite(
    module: ConSmax, dtype: torch.dtype
) -> None:
    out = module(torch.full((4, 1, 1), 500.0, dtype=dtype))
    assert bool(torch.isfinite(out).all())


def test_constants_merge_beta_and_gamma(module: ConSmax) -> None:
    scale = torch.full((4,), 0.05)
    codes = torch.arange(-128, 128)
    exact = module(codes[None, None, :] * 0.05 + torch.zeros(4, 1, 1)).double()
    for head, constants in enumerate(head_constants(module, scale)):
        merged = torch.exp(codes * constants.scale + constants.log_c)
        torch.testing.assert_close(merged.double(), exact[head, 0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_constants_refuse_a_scale_that_is_not_positive(module: ConSmax, scale: float) -> None:
    with pytest.raises(ValueError, match=r"^scale of head 0 must be positive and finite"):
        head_constants(module, torch.full((4,), scale))


def test_constants_refuse_a_gamma_that_became_negative(module: ConSmax) -> None:
    with torch.no_grad():
        module.gamma[2] = -1.0
    with pytest.raises(ValueError, match=r"^gamma of head 2 must be positive"):
        head_constants(module, torch.ones(4))
