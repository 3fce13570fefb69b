"""Bytes held, against sums made by hand for a small model."""

from dataclasses import replace

import pytest

from consilico.golden.training.held_bytes import HeldBytes, held_bytes
from consilico.golden.training.method import METHODS
from tests.golden.training.models import Model, backward, optimizer

WIDTH = 64
LINEAR = 2 * (WIDTH * 2 * WIDTH)  # elements of up and down
FLOAT = 16 * WIDTH + 2 * WIDTH + 16 * WIDTH  # of embedding, norm, head


def held(name: str) -> HeldBytes:
    model = Model(width=WIDTH)
    method = METHODS[name]
    made = optimizer(model, replace(method, rank=min(method.rank, 32)), lr=1e-3)
    backward(model)
    made.step()
    return held_bytes(model, made)


def test_adamw_holds_weights_and_two_states_in_float() -> None:
    found = held("adamw")
    assert found.weights == 4 * (LINEAR + FLOAT)
    assert found.states == 8 * (LINEAR + FLOAT)
    assert found.weight_codes == found.projections == found.packing_saves == 0


def test_eight_bit_adamw_holds_a_byte_for_a_state() -> None:
    found = held("adamw8bit")
    assert found.states == 2 * LINEAR + 8 * FLOAT
    assert found.state_constants == 2 * 4 * LINEAR // 2048


def test_galore_holds_low_rank_states_and_float_projections() -> None:
    found = held("galore")
    assert found.states == 8 * (2 * 128 * 32 + FLOAT)
    assert found.projections == 4 * 2 * 32 * WIDTH
    assert held("galore8bit").states == 2 * (2 * 128 * 32) + 8 * FLOAT


def test_qgalore_holds_int8_weights_and_packed_projections() -> None:
    found = held("qgalore")
    assert found.weights == 4 * FLOAT + 2 * 4  # a stand-in for each linear layer
    assert found.weight_codes == LINEAR
    assert found.weight_constants == 8 * LINEAR // 256
    assert found.projections == found.packing_saves == 2 * 32 * WIDTH // 2
    assert found.projection_constants == 8 * 2 * 32 * WIDTH // 256
    assert found.states == 2 * (2 * 128 * 32) + 8 * FLOAT


def test_gradients_are_the_largest_or_all() -> None:
    found = held("qgalore")
    assert found.gradients == 4 * LINEAR // 2
    assert found.all_gradients == 4 * (LINEAR + FLOAT)
    assert found.embedding_gradients == 4 * 16 * WIDTH


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("adamw", "adamw8bit"),
        ("adamw", "galore"),
        ("galore", "galore8bit"),
        ("adamw8bit", "qgalore"),
        ("galore8bit", "qgalore"),
    ],
)
def test_fewer_bits_and_lower_rank_take_less(more: str, less: str) -> None:
    assert held(more).total > held(less).total


def test_a_model_that_was_not_updated_is_refused() -> None:
    model = Model()
    with pytest.raises(ValueError, match="updated at least once"):
        held_bytes(model, optimizer(model, METHODS["adamw"]))


def test_what_is_frozen_counts_as_weight_alone() -> None:
    model = Model(width=WIDTH)
    model.embedding.requires_grad_(False)
    made = optimizer(model, METHODS["adamw"])
    backward(model)
    made.step()
    found = held_bytes(model, made)
    assert found.weights == 4 * (LINEAR + FLOAT)
    assert found.states == 8 * (LINEAR + FLOAT - 16 * WIDTH)
    assert found.embedding_gradients == 0
