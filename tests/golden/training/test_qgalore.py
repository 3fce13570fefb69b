"""The optimizer: equal to AdamW and GaLore where it should be, fused updates, INT8 weights."""

import copy
import io
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from consilico.golden.training.int8_linear import Int8Linear, quantize_linears
from consilico.golden.training.method import METHODS, Method
from consilico.golden.training.qgalore import QGaLore
from tests.golden.training.models import Model, backward

SMALL = {name: replace(method, rank=min(method.rank, 8), gap=3) for name, method in METHODS.items()}
QGALORE = SMALL["qgalore"]


def optimizer(model: Model, method: Method, lr: float = 1e-2, seed: int = 0) -> QGaLore:
    return QGaLore(model, method, lr=lr, betas=(0.9, 0.95), keep=("head",), seed=seed)


def train(model: Model, made: torch.optim.Optimizer, steps: int) -> list[float]:
    """Losses before each step; harmless after ``fuse``, when no gradient is left for it."""
    losses = []
    for _ in range(steps):
        losses.append(backward(model))
        made.step()
        made.zero_grad()
    return losses


def test_adamw_is_torchs() -> None:
    ours, theirs = Model(), Model()
    one = QGaLore(ours, METHODS["adamw"], lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    other = torch.optim.AdamW(theirs.parameters(), lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    train(ours, one, 20)
    train(theirs, other, 20)
    for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5)


def test_galore_is_its_algorithm() -> None:
    """Algorithm 2 of arXiv 2403.03507, written out for one weight and one subspace."""
    model = Model()
    before, weight = model.up.weight.detach().clone(), model.up.weight
    made = optimizer(model, replace(SMALL["galore"], gap=1000))
    basis: Tensor | None = None
    mean = square = torch.zeros(())
    for step in range(1, 4):
        backward(model)
        assert weight.grad is not None
        gradient = weight.grad.clone()  # (64, 32): the vectors are the right ones
        if basis is None:
            basis = torch.linalg.svd(gradient, full_matrices=False)[2][:8]
        low = gradient @ basis.T
        mean, square = 0.9 * mean + 0.1 * low, 0.95 * square + 0.05 * low**2
        direction = mean / (1 - 0.9**step) / ((square / (1 - 0.95**step)).sqrt() + 1e-8)
        before -= 1e-2 * 0.25 * direction @ basis
        made.step()
        made.zero_grad()
        torch.testing.assert_close(weight.detach(), before, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns(name: str) -> None:
    model = Model()
    lr = 0.03 if "galore" in name else 0.01
    losses = train(model, optimizer(model, SMALL[name], lr), 40)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", METHODS)
def test_the_fused_update_changes_nothing_but_when(name: str) -> None:
    together, fused = Model(), Model()
    one, other = optimizer(together, SMALL[name]), optimizer(fused, SMALL[name])
    other.fuse()
    assert train(together, one, 7) == train(fused, other, 7)


def test_the_fused_update_frees_every_gradient_embeddings_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Model()
    made = optimizer(model, QGALORE)
    made.fuse()
    alive: list[int] = []
    update = QGaLore._update

    def counting(self: QGaLore, parameter: Tensor, group: dict[str, object]) -> None:
        alive.append(sum(p.grad is not None for p in model.parameters()))
        update(self, parameter, group)

    monkeypatch.setattr(QGaLore, "_update", counting)
    backward(model)
    assert alive == [1] * len(list(model.parameters()))
    assert all(p.grad is None for p in model.parameters())


def test_without_fusing_all_gradients_live_at_once() -> None:
    model = Model()
    optimizer(model, QGALORE)
    backward(model)
    assert all(p.grad is not None for p in model.parameters())


def test_activation_checkpointing_works_with_fused_int8_training() -> None:
    stored, recomputed = Model(), Model(recompute=True)
    one, other = optimizer(stored, QGALORE), optimizer(recomputed, QGALORE)
    one.fuse()
    other.fuse()
    assert train(stored, one, 7) == train(recomputed, other, 7)


def test_fused_clipping_limits_each_gradient_by_itself() -> None:
    clipped, reference = Model(), Model()
    made, other = (optimizer(model, METHODS["adamw"]) for model in (clipped, reference))
    made.fuse(max_norm=0.01)
    for _ in range(3):
        backward(clipped)
        backward(reference)
        for parameter in reference.parameters():
            torch.nn.utils.clip_grad_norm_([parameter], 0.01)
        other.step()
        other.zero_grad()
    for mine, expected in zip(clipped.parameters(), reference.parameters(), strict=True):
        assert torch.equal(mine, expected)


def test_int8_weights_have_no_float_copy() -> None:
    model = Model()
    optimizer(model, QGALORE)
    layer = model.get_submodule("up")
    assert isinstance(layer, Int8Linear)
    assert isinstance(model.head, torch.nn.Linear)
    assert layer.weight.shape == (64, 32)
    assert layer.weight.untyped_storage().nbytes() == 4
    assert layer.codes.untyped_storage().nbytes() == 64 * 32


def test_an_int8_layer_differentiates_as_its_float_weight_does() -> None:
    layer = Int8Linear(torch.randn(6, 4), QGALORE.weight_format)
    weight = layer.dequantize().requires_grad_()
    x = torch.randn(2, 3, 4, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    one, other = layer(x).square().sum(), (y @ weight.T).square().sum()
    torch.autograd.backward([one, other])
    assert weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, weight.grad)
    torch.testing.assert_close(x.grad, y.grad)


def test_small_updates_add_up_only_when_rounded_stochastically() -> None:
    moved = {}
    for random_bits in (24, 4, 0):
        model = Model()
        made = optimizer(model, replace(QGALORE, random_bits=random_bits), lr=1e-3)
        layer = model.get_submodule("up")
        assert isinstance(layer, Int8Linear)
        start = layer.dequantize()
        train(model, made, 12)
        moved[random_bits] = (layer.dequantize() - start).mean(0).norm().item()
    assert moved[24] > 0
    assert moved[4] > 0.8 * moved[24]
    assert moved[0] < 0.5 * moved[24]


def test_the_seed_decides_the_rounding() -> None:
    def codes(seed: int) -> Tensor:
        model = Model()
        train(model, optimizer(model, QGALORE, seed=seed), 3)
        layer = model.get_submodule("up")
        assert isinstance(layer, Int8Linear)
        return layer.codes

    assert torch.equal(codes(1), codes(1))
    assert not torch.equal(codes(1), codes(2))


@pytest.mark.parametrize("name", METHODS)
def test_a_run_goes_on_from_a_file_as_if_never_stopped(name: str) -> None:
    model = Model(width=64)  # states large enough for 8 bits
    made = optimizer(model, SMALL[name])
    train(model, made, 4)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": made.state_dict()}, file)
    expected = train(model, made, 4)
    file.seek(0)
    saved = torch.load(file, weights_only=False)
    resumed = Model(width=64, seed=2)
    again = optimizer(resumed, SMALL[name])
    resumed.load_state_dict(saved["model"])
    again.load_state_dict(saved["optimizer"])
    assert train(resumed, again, 4) == expected


def test_a_missing_int8_weight_is_reported() -> None:
    model = Model()
    quantize_linears(model, QGALORE.weight_format)
    state = copy.deepcopy(model.state_dict())
    del state["up.codes"]
    with pytest.raises(RuntimeError, match=r"Missing key.*up\.codes"):
        model.load_state_dict(state)


def test_embeddings_keep_float_states_and_the_head_stays_full_rank() -> None:
    model = Model(width=256)
    made = optimizer(model, QGALORE)
    train(model, made, 1)
    assert isinstance(made.state[model.embedding.weight]["moments"].mean, Tensor)
    assert not isinstance(made.state[model.head.weight]["moments"].mean, Tensor)
    assert "subspace" not in made.state[model.head.weight]
    assert "subspace" in made.state[model.up.weight]


def test_a_rank_no_less_than_a_side_projects_nothing() -> None:
    model = Model()
    made = optimizer(model, replace(SMALL["galore"], rank=32))
    train(model, made, 1)
    assert not any("subspace" in state for state in made.state.values())


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("lr", {"lr": -1.0}),
        ("beta2", {"lr": 1e-3, "betas": (0.9, 1.0)}),
        ("keep", {"lr": 1e-3, "keep": ("haed",)}),
    ],
)
def test_a_wrong_number_or_name_is_refused(field: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        QGaLore(Model(), QGALORE, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("rank", {"lazy": True}), ("rank", {"projection": 4}), ("group", {"group": 7})],
)
def test_an_impossible_method_is_refused(field: str, wrong: dict[str, int | bool]) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        Method(**wrong)  # type: ignore[arg-type]


def test_a_layer_with_a_bias_is_refused() -> None:
    with pytest.raises(ValueError, match="bias of layer 0"):
        quantize_linears(torch.nn.Sequential(torch.nn.Linear(4, 4)), QGALORE.weight_format)
