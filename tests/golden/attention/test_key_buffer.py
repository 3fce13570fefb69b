"""Transposed blocks of keys are what an array for scores takes."""

import pytest
import torch

from consilico.golden.attention.key_buffer import KeyBufferConfig, transposed
from consilico.golden.attention.tile import TileConfig, job_beats

CONFIG = KeyBufferConfig(columns=3, head_dim=5)


def drawn(keys: int) -> torch.Tensor:
    return torch.randint(-128, 128, (keys, 5), generator=torch.Generator().manual_seed(keys))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_beat_has_an_element_of_every_key(count: int) -> None:
    keys = drawn(count)
    found = transposed(keys, CONFIG)
    assert found.shape == (5, 3)
    for element in range(5):
        assert found[element].tolist() == [*keys[:, element].tolist(), *[0] * (3 - count)]


def test_blocks_are_the_key_tiles_of_an_attention_tile() -> None:
    keys = drawn(7)
    tile = TileConfig(columns=3, head_dim=5)
    beats = job_beats(torch.zeros((1, 5), dtype=torch.int64), keys, keys, tile).k
    blocks = [transposed(block, CONFIG) for block in (keys[:3], keys[3:6], keys[6:])]
    assert torch.cat(blocks).tolist() == beats.tolist()


@pytest.mark.parametrize("shape", [(0, 5), (4, 5), (2, 4)])
def test_what_is_no_block_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"keys must be 1 to 3 of 5 elements, not \("):
        transposed(torch.zeros(shape, dtype=torch.int64), CONFIG)
