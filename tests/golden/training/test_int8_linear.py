"""INT8 layers: numbers, conversion of whole models, casting, copying, files."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from consilico.golden.training.affine import AffineConfig, quantize_affine
from consilico.golden.training.int8_linear import (
    Int8Linear,
    float_copy,
    int8_weight,
    quantize_linears,
)
from consilico.golden.training.method import METHODS
from tests.golden.training.models import Model, backward, loss, optimizer

FORMAT = AffineConfig()
BUFFERS = ("codes", "scale", "minimum")


def converted(width: int = 32) -> Model:
    model = Model(width)
    quantize_linears(model, FORMAT, keep=("head",))
    return model


def up(model: nn.Module) -> Int8Linear:
    layer = model.get_submodule("up")
    assert isinstance(layer, Int8Linear)
    return layer


def stand_in_bytes(model: nn.Module) -> set[int]:
    return {
        parameter.untyped_storage().nbytes() // parameter.element_size()
        for parameter in model.parameters()
        if int8_weight(parameter) is not None
    }


def test_a_layer_has_no_float_weight() -> None:
    model = converted()
    layer = up(model)
    assert isinstance(model.head, nn.Linear)
    assert layer.weight.shape == (64, 32)
    assert layer.weight.untyped_storage().nbytes() == 4
    assert layer.codes.untyped_storage().nbytes() == 64 * 32


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (0, 4)])
def test_a_layer_differentiates_as_its_float_weight_does(
    bias: bool, shape: tuple[int, ...]
) -> None:
    layer = Int8Linear(torch.randn(6, 4), FORMAT, torch.randn(6) if bias else None)
    reference = nn.Linear(4, 6, bias)
    reference.weight.data = layer.dequantize()
    if bias:
        reference.bias.data = layer.bias.detach().clone()
    x = torch.randn(shape, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    one, other = layer(x), reference(y)
    torch.testing.assert_close(one, other)
    torch.autograd.backward([one.square().sum(), other.square().sum()])
    torch.testing.assert_close(layer.weight.grad, reference.weight.grad)
    torch.testing.assert_close(x.grad, y.grad)
    if bias:
        torch.testing.assert_close(layer.bias.grad, reference.bias.grad)


def test_a_weight_that_changes_between_the_passes_is_noticed_as_in_any_layer() -> None:
    layer = Int8Linear(torch.randn(6, 4), FORMAT)
    result = layer(torch.randn(3, 4, requires_grad=True)).sum()
    layer.int8.requantize(torch.randn(6, 4))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


# Conversion


class Shared(nn.Module):
    """One module under two names, two layers with one weight, a tied embedding, a lone layer."""

    left: Any  # a linear layer or an Int8Linear
    right: Any

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(16, 8)
        self.first = nn.Linear(8, 8)
        self.second = self.first
        self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)
        self.right.weight = self.left.weight
        self.attention = nn.MultiheadAttention(8, 2)
        self.head = nn.Linear(8, 16, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.second(self.first(self.embedding(tokens)))
        x = self.right(self.left(x))
        x, _ = self.attention(x, x, x, need_weights=False)
        x = self.head(x)
        return x


def test_a_conversion_says_what_it_converted_and_what_not() -> None:
    found = quantize_linears(Shared(), FORMAT, keep=())
    assert found.converted == ("first", "second", "left", "right")
    assert found.kept == {
        "attention.out_proj": "is a NonDynamicallyQuantizableLinear",
        "head": "shares its weight with embedding",
    }
    keeping = quantize_linears(Shared(), FORMAT, keep=("second", "right"))
    assert keeping.converted == ()
    assert keeping.kept["first"] == keeping.kept["second"] == "is named in keep"
    assert keeping.kept["left"] == "shares its weight with right"


def test_what_was_shared_is_shared_and_what_was_tied_is_tied() -> None:
    model = Shared()
    quantize_linears(model, FORMAT)
    assert model.first is model.second
    assert model.left.weight is model.right.weight
    assert model.left.codes is model.right.codes
    assert model.left.bias is not model.right.bias
    assert model.head.weight is model.embedding.weight


def test_a_shared_layer_trains_in_both_places() -> None:
    model, tokens = Shared(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    made = optimizer_of(model)
    before = model.left.dequantize()
    model(tokens).square().mean().backward()
    made.step()
    assert not torch.equal(before, model.left.dequantize())
    assert torch.equal(model.left.dequantize(), model.right.dequantize())
    assert len(made.state) == len(list(model.parameters()))


def optimizer_of(model: nn.Module) -> Any:
    quantize_linears(model, FORMAT)
    return optimizer(model, METHODS["adamw8bit"])


def test_a_frozen_layer_stays_frozen() -> None:
    model = Model()
    model.up.requires_grad_(False)
    made = optimizer(model, METHODS["qgalore"], 0.1)
    layer = up(model)
    assert not layer.weight.requires_grad
    codes = layer.codes.clone()
    for _ in range(3):
        backward(model)
        made.step()
        made.zero_grad()
    assert layer.weight.grad is None
    assert torch.equal(codes, layer.codes)
    down = model.get_submodule("down")
    assert isinstance(down, Int8Linear)
    assert down.weight.requires_grad


def test_a_frozen_layer_passes_gradients_on() -> None:
    model = Model()
    model.requires_grad_(False)
    model.embedding.requires_grad_(True)
    quantize_linears(model, FORMAT)
    backward(model)
    assert model.embedding.weight.grad is not None
    assert bool(model.embedding.weight.grad.any())


def test_a_conversion_that_fails_changes_nothing() -> None:
    model = Model()
    model.down.weight.data[3, 4] = torch.nan
    with pytest.raises(ValueError, match=r"^weight of layer down cannot be quantized: values must"):
        quantize_linears(model, FORMAT)
    assert type(model.up) is type(model.down) is nn.Linear
    with pytest.raises(ValueError, match=r"^keep must name modules of the model, not \['haed'\]"):
        quantize_linears(model, FORMAT, keep=("haed",))
    assert type(model.up) is nn.Linear


def test_hooks_and_a_second_conversion_change_nothing() -> None:
    model, seen = Model(), []
    model.up.register_forward_hook(lambda *_: seen.append(1))
    first = quantize_linears(model, FORMAT)
    codes = up(model).codes.clone()
    assert quantize_linears(model, FORMAT).converted == ()
    loss(model)
    assert first.converted == ("up", "down", "head")
    assert seen == [1]
    assert torch.equal(codes, up(model).codes)


# Data types and devices


def test_a_bfloat16_model_computes_and_keeps_its_constants() -> None:
    model = converted()
    scale = up(model).scale.clone()
    model.bfloat16()
    layer = up(model)
    assert layer.weight.dtype == torch.bfloat16
    assert torch.equal(layer.scale, scale)
    assert layer.codes.dtype == torch.uint8
    backward(model)
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.bfloat16
    with pytest.raises(TypeError, match=r"^input must be torch.bfloat16, as the layer's weight"):
        layer(torch.zeros(3, 32))


def test_a_bfloat16_layer_is_made_of_a_bfloat16_weight() -> None:
    model = Model().bfloat16()
    quantize_linears(model, FORMAT)
    layer, x = up(model), torch.randn(3, 32).bfloat16()
    assert torch.equal(layer(x), x @ layer.dequantize().bfloat16().T)


def test_autocast_is_that_of_a_linear_layer() -> None:
    model = converted()
    reference = float_copy(model)
    losses = []
    for each in (model, reference):
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(each)
        value.backward()  # type: ignore[no-untyped-call]
        losses.append(value.item())
    assert losses[0] == losses[1]
    layer, other = up(model), reference.get_submodule("up")
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    torch.testing.assert_close(layer.weight.grad, other.weight.grad)


@pytest.mark.parametrize(
    "move", [lambda m: m.to("cpu"), lambda m: m.bfloat16(), lambda m: m.double(), copy.deepcopy]
)
def test_moved_cast_and_copied_stand_ins_have_no_storage(move: Any) -> None:
    model = Shared()
    quantize_linears(model, FORMAT)
    moved = move(model)
    assert stand_in_bytes(moved) == {1}
    assert moved.left.weight is moved.right.weight
    assert moved.left.codes is moved.right.codes
    assert moved.left.int8.codes is moved.left.codes


def test_layers_with_one_weight_move_together() -> None:
    model = Shared()
    quantize_linears(model, FORMAT)
    # as .to of a device does it: a new tensor each time
    move: Any = model._apply
    move(lambda tensor: tensor.clone())
    assert model.left.codes is model.right.codes
    model.left.int8.requantize(torch.ones(8, 8))
    assert torch.equal(model.right.dequantize(), torch.ones(8, 8))


def test_a_copy_trains_by_itself() -> None:
    model = converted()
    copied = copy.deepcopy(model)
    assert up(copied).codes is not up(model).codes
    up(copied).int8.requantize(torch.zeros(64, 32))
    assert bool(up(model).dequantize().any())
    assert loss(copied).item() != loss(model).item()


def test_an_average_of_weights_is_that_of_float_copies() -> None:
    model = converted()
    made = optimizer(model, METHODS["adamw"])
    averaged: Any = AveragedModel(float_copy(model))
    total = torch.zeros(64, 32)
    for _ in range(3):
        backward(model)
        made.step()
        made.zero_grad()
        averaged.update_parameters(float_copy(model))
        total += up(model).dequantize() / 3
    torch.testing.assert_close(averaged.module.get_submodule("up").weight.detach(), total)


def test_a_copy_in_an_averaged_model_has_no_storage_either() -> None:
    assert stand_in_bytes(AveragedModel(converted())) == {1}


def test_a_float_copy_computes_the_same_and_stays_tied() -> None:
    model = Shared()
    quantize_linears(model, FORMAT)
    copied: Any = float_copy(model)
    assert type(copied.left) is nn.Linear
    assert copied.left.weight is copied.right.weight
    tokens = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(copied(tokens), model(tokens))
    assert isinstance(model.left, Int8Linear)
    assert not [name for name in copied.state_dict() if name.endswith(BUFFERS)]


# Files


def test_weights_load_with_what_torch_accepts_by_default() -> None:
    model, file = converted(), io.BytesIO()
    torch.save(model.state_dict(), file)
    assert len(file.getvalue()) < 4 * 64 * 32 + 30_000
    file.seek(0)
    other = Model(seed=2)
    quantize_linears(other, FORMAT, keep=("head",))
    other.load_state_dict(torch.load(file))
    assert loss(other).item() == loss(model).item()


@pytest.mark.parametrize("assign", [False, True])
def test_a_float_checkpoint_is_quantized_as_it_is_loaded(assign: bool) -> None:
    state = Model(seed=2).state_dict()
    model = converted()
    model.load_state_dict(state, assign=assign)
    expected = quantize_affine(state["up.weight"], FORMAT)
    assert torch.equal(up(model).codes, expected.codes)
    assert up(model).int8.codes is up(model).codes


def test_a_missing_and_an_unexpected_weight_are_reported() -> None:
    model = converted()
    state = model.state_dict()
    del state["up.codes"]
    with pytest.raises(RuntimeError, match=r"Missing key.*up\.codes"):
        model.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*up\.cods"):
        model.load_state_dict({**model.state_dict(), "up.cods": torch.zeros(3)})


def test_a_whole_model_is_pickled() -> None:
    model = Shared()
    quantize_linears(model, FORMAT)
    again = pickle.loads(pickle.dumps(model))
    assert stand_in_bytes(again) == {1}
    assert again.left.weight is again.right.weight
    assert again.left.int8.codes is again.left.codes
