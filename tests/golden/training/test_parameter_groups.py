"""The default groups: every parameter in one of them, with the options of its kind."""

from typing import Any

import pytest
from torch import nn

from consilico.golden.training.affine import AffineConfig
from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.parameter_groups import parameter_groups
from tests.golden.training.models import Model


def by_options(groups: list[dict[str, Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    return [
        ([name for name, _ in group["params"]], {k: v for k, v in group.items() if k != "params"})
        for group in groups
    ]


@pytest.mark.parametrize("int8", [False, True])
def test_each_kind_of_parameter_has_its_group(int8: bool) -> None:
    model = Model()
    if int8:
        quantize_linears(model, AffineConfig(), keep=("head",))
    assert by_options(parameter_groups(model, keep=("head",))) == [
        (["up.weight", "down.weight"], {}),
        (["embedding.weight"], {"rank": 0, "states": 32}),
        (["head.weight"], {"rank": 0}),
        (["norm.weight", "norm.bias"], {"rank": 0, "weight_decay": 0.0}),
    ]


def test_a_bias_is_a_vector_and_a_convolution_a_matrix() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Conv1d(4, 4, 3))
    assert by_options(parameter_groups(model)) == [
        (["0.weight"], {}),
        (["1.weight"], {"rank": 0}),
        (["0.bias", "1.bias"], {"rank": 0, "weight_decay": 0.0}),
    ]


def test_what_an_embedding_shares_is_an_embeddings() -> None:
    model = Model()
    model.head.weight = model.embedding.weight
    groups = by_options(parameter_groups(model))
    assert (["embedding.weight"], {"rank": 0, "states": 32}) in groups
    assert sum(len(names) for names, _ in groups) == 5


def test_a_weight_that_one_of_its_layers_keeps_is_kept() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    assert by_options(parameter_groups(model, keep=("1",))) == [(["0.weight"], {"rank": 0})]


def test_a_name_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^keep must name modules of the model, not \['haed'\]"):
        parameter_groups(Model(), keep=("haed",))
