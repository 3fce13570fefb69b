"""The optimizer: equal to AdamW and GaLore where it should be, fused updates, INT8 weights."""

import copy
import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from consilico.golden.training.int8_linear import Int8Linear
from consilico.golden.training.method import METHODS, Method
from consilico.golden.training.qgalore import QGaLore
from tests.golden.training.models import Model, backward, optimizer

SMALL = {name: replace(method, rank=min(method.rank, 8), gap=3) for name, method in METHODS.items()}
QGALORE = SMALL["qgalore"]


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
    method = METHODS["adamw"]
    one = QGaLore(ours.parameters(), 1e-2, (0.9, 0.95), weight_decay=0.1, method=method)
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

    def counting(self: QGaLore, entry: Any) -> None:
        alive.append(sum(p.grad is not None for p in model.parameters()))
        update(self, entry)

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
    saved = torch.load(file, weights_only=True)
    resumed = Model(width=64, seed=2)
    again = optimizer(resumed, SMALL[name])
    resumed.load_state_dict(saved["model"])
    again.load_state_dict(saved["optimizer"])
    assert train(resumed, again, 4) == expected


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
        ("nonfinite", {"nonfinite": "ignore"}),
        ("rank", {"rank": -1}),
        ("variant", {"variant": "paper"}),
    ],
)
def test_a_wrong_number_or_name_is_refused(field: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        QGaLore(Model().parameters(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("rank", {"lazy": True}), ("rank", {"projection": 4}), ("group", {"group": 7})],
)
def test_an_impossible_method_is_refused(field: str, wrong: dict[str, int | bool]) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        Method(**wrong)  # type: ignore[arg-type]


# Conventions of torch.optim


def test_groups_have_options_of_their_own() -> None:
    model = Model()
    groups = [
        {"params": [model.up.weight], "rank": 4, "lr": 0.0},
        {"params": [model.down.weight], "rank": 8, "weight_decay": 0.5, "states": 32},
        {"params": [model.norm.weight, model.norm.bias]},
    ]
    made = QGaLore(groups, lr=1e-2, method=SMALL["galore8bit"])
    before = model.up.weight.detach().clone()
    train(model, made, 2)
    assert made.state[model.up.weight]["moments"].mean.shape == (64, 4)
    assert made.state[model.down.weight]["moments"].mean.shape == (8, 64)
    assert "subspace" not in made.state[model.norm.weight]
    assert torch.equal(before, model.up.weight)
    assert model.embedding.weight not in made.state


def test_an_option_of_the_constructor_replaces_the_methods() -> None:
    model = Model()
    made = QGaLore([model.up.weight], method=SMALL["galore"], rank=3)
    train(model, made, 1)
    assert made.state[model.up.weight]["moments"].mean.shape == (64, 3)


@pytest.mark.parametrize("wrong", [{"rnak": 3}, {"weights": 8}])
def test_an_unknown_option_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^unknown option \w+; accepted: lr, betas, eps"):
        QGaLore(Model().parameters(), **wrong)
    with pytest.raises(ValueError, match=r"^unknown option \w+; accepted"):
        QGaLore([{"params": Model().parameters(), **wrong}])


def test_a_group_with_a_wrong_option_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^rank must be an integer in \[0, 65536\], not 1.5"):
        QGaLore([{"params": Model().parameters(), "rank": 1.5}])


def test_a_scheduler_drives_the_learning_rate() -> None:
    model = Model()
    made = optimizer(model, QGALORE, lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(made, lambda step: 0.0 if step else 1e-2)
    train(model, made, 1)
    scheduler.step()
    before = copy.deepcopy(model.state_dict())
    train(model, made, 1)
    for name in ("embedding.weight", "norm.bias", "head.weight"):
        assert torch.equal(before[name], model.state_dict()[name])


def test_gradients_of_several_passes_add_up() -> None:
    one, two = Model(), Model()
    first, second = optimizer(one, SMALL["galore"]), optimizer(two, SMALL["galore"])
    for _ in range(3):
        for model in (one, two):
            backward(model)
        backward(one)
        for parameter in two.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(2)
        first.step()
        second.step()
        first.zero_grad()
        second.zero_grad()
    for mine, reference in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine, reference)


def test_fused_gradients_add_up_where_that_is_asked_for() -> None:
    together, fused = Model(), Model()
    one, other = optimizer(together, QGALORE), optimizer(fused, QGALORE)
    other.fuse()
    for _ in range(3):
        before = copy.deepcopy(fused.state_dict())
        with other.accumulate():
            backward(fused)
        assert torch.equal(before["head.weight"], fused.head.weight)
        for model in (fused, together, together):
            backward(model)
        assert all(parameter.grad is None for parameter in fused.parameters())
        one.step()
        one.zero_grad()
    for name, value in together.state_dict().items():
        assert torch.equal(value, fused.state_dict()[name]), name


def test_a_parameter_that_the_last_pass_does_not_reach_is_left_to_step() -> None:
    model = Model()
    made = optimizer(model, QGALORE)
    made.fuse()
    with made.accumulate():
        backward(model)
    model.head(torch.ones(32)).sum().backward()
    assert model.head.weight.grad is None
    assert model.norm.weight.grad is not None
    made.step()
    assert len(made.state) == len(list(model.parameters()))


def test_fusing_twice_updates_once_and_changes_the_norm() -> None:
    once, twice = Model(), Model()
    one, other = optimizer(once, METHODS["adamw"]), optimizer(twice, METHODS["adamw"])
    one.fuse(max_norm=0.01)
    other.fuse()
    other.fuse(max_norm=0.01)
    assert train(once, one, 5) == train(twice, other, 5)


def test_a_group_added_after_fusing_is_fused() -> None:
    model = Model()
    made = QGaLore([model.up.weight], method=SMALL["galore"])
    made.fuse()
    made.add_param_group({"params": [model.head.weight], "rank": 0})
    backward(model)
    assert model.head.weight.grad is model.up.weight.grad is None
    assert model.head.weight in made.state


@pytest.mark.parametrize("fused", [False, True])
def test_a_closure_is_called_with_gradients_and_its_loss_returned(fused: bool) -> None:
    model, reference = Model(), Model()
    made, other = optimizer(model, QGALORE), optimizer(reference, QGALORE)
    if fused:
        made.fuse()
    losses = train(reference, other, 4)
    found = []
    for _ in range(4):
        made.zero_grad()
        found.append(made.step(lambda: backward(model)))
    assert found == losses


@pytest.mark.parametrize("fused", [False, True])
def test_frozen_parameters_are_left_alone(fused: bool) -> None:
    model = Model()
    for parameter in (model.embedding.weight, model.up.weight, model.norm.bias):
        parameter.requires_grad_(False)
    made = optimizer(model, QGALORE)
    if fused:
        made.fuse()
    before = copy.deepcopy(model.state_dict())
    train(model, made, 3)
    after = model.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {"down.codes", "head.weight", "norm.weight"} <= changed
    assert not changed & {"embedding.weight", "up.codes", "up.scale", "norm.bias"}


def test_a_parameter_that_is_thawed_later_trains() -> None:
    model = Model()
    model.up.requires_grad_(False)
    made = optimizer(model, QGALORE)
    made.fuse()
    train(model, made, 2)
    model.up.requires_grad_(True)
    backward(model)
    made.step()
    assert model.up.weight in made.state


def spoilt(model: Model) -> None:
    backward(model)
    assert model.down.weight.grad is not None
    model.down.weight.grad[1, 2] = torch.nan


def test_a_gradient_that_is_not_finite_is_refused_by_name_before_anything_changes() -> None:
    model = Model()
    made = optimizer(model, QGALORE)
    train(model, made, 2)
    before = copy.deepcopy((model.state_dict(), made.state_dict()))
    spoilt(model)
    with pytest.raises(ValueError, match=r"^gradient of parameter down.weight must be finite$"):
        made.step()
    assert equal(before, (model.state_dict(), made.state_dict()))


def test_a_step_with_a_gradient_that_is_not_finite_is_skipped_where_asked_for() -> None:
    model = Model()
    made = optimizer(model, QGALORE, nonfinite="skip")
    before = copy.deepcopy((model.state_dict(), made.state_dict()))
    spoilt(model)
    made.step()
    assert equal(before, (model.state_dict(), made.state_dict()))
    assert made.skipped == 1
    made.zero_grad()
    train(model, made, 1)
    assert made.skipped == 1


@pytest.mark.parametrize("nonfinite", ["refuse", "skip"])
def test_the_fused_update_checks_each_gradient(nonfinite: str) -> None:
    model = Model()
    made = optimizer(model, QGALORE, nonfinite=nonfinite)
    made.fuse(max_norm=1.0)
    layer = model.get_submodule("up")
    assert isinstance(layer, Int8Linear)
    codes = layer.codes.clone()
    register: Any = model.up.weight.register_hook
    register(lambda gradient: gradient * torch.inf)
    if nonfinite == "refuse":
        with pytest.raises(ValueError, match=r"^gradient of parameter up.weight must be finite$"):
            backward(model)
    else:
        backward(model)
        assert made.skipped == 1
        assert model.embedding.weight in made.state
    assert torch.equal(codes, layer.codes)
    assert model.up.weight not in made.state


def test_an_unnamed_parameter_is_named_by_its_place() -> None:
    model = Model()
    made = QGaLore(
        [{"params": [model.up.weight]}, {"params": [model.norm.bias, model.down.weight]}]
    )
    spoilt(model)
    with pytest.raises(ValueError, match=r"^gradient of parameter 1 of group 1 must be finite$"):
        made.step()


def test_a_sparse_gradient_is_refused_by_name() -> None:
    embedding = torch.nn.Embedding(4, 3, sparse=True)
    made = QGaLore(embedding.named_parameters(), method=METHODS["adamw"])
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"^gradient of parameter weight must be dense"):
        made.step()


def test_norms_and_biases_are_not_decayed_by_default() -> None:
    model = Model()
    made = optimizer(model, SMALL["galore"], weight_decay=0.5)
    decays = {
        name: group["weight_decay"] for group in made.param_groups for name in group["param_names"]
    }
    assert decays.pop("norm.weight") == decays.pop("norm.bias") == 0.0
    assert decays == dict.fromkeys(
        ("embedding.weight", "up.weight", "down.weight", "head.weight"), 0.5
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_bfloat16_model_learns(name: str) -> None:
    model = Model().bfloat16()
    losses = train(model, optimizer(model, SMALL[name], 0.03 if "galore" in name else 0.01), 40)
    assert losses[-1] < 0.6 * losses[0]


def test_float32_states_of_a_bfloat16_model_come_back_from_a_file() -> None:
    model = Model(width=64).bfloat16()
    made = optimizer(model, QGALORE)
    train(model, made, 3)
    again = optimizer(Model(width=64).bfloat16(), QGALORE)
    again.load_state_dict(copy.deepcopy(made.state_dict()))
    assert equal(made.state_dict(), again.state_dict())


def test_a_loaded_state_is_a_copy() -> None:
    model = Model()
    made = optimizer(model, METHODS["adamw"])
    train(model, made, 1)
    saved = made.state_dict()
    again = optimizer(Model(), METHODS["adamw"])
    again.load_state_dict(saved)
    before = copy.deepcopy(again.state_dict())
    train(model, made, 2)
    assert equal(before, again.state_dict())


def test_the_seed_comes_back_with_the_groups() -> None:
    first, second = (optimizer(Model(), QGALORE, seed=seed) for seed in (5, 6))
    second.load_state_dict(first.state_dict())
    assert {group["seed"] for group in second.param_groups} == {5}


def test_a_copied_optimizer_goes_on() -> None:
    model = Model()
    made = optimizer(model, QGALORE)
    train(model, made, 2)
    other, again = copy.deepcopy((model, made))
    assert train(model, made, 2) == train(other, again, 2)


def equal(one: Any, other: Any) -> bool:
    """Whether nested plain data is the same to the bit and of the same types."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)
