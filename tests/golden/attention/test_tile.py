"""Model of the attention tile: order of beats, masks, forms of a normalized score, refusals."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_base2 import base2_constants
from consilico.golden.attention.consmax_log2 import log2_constants
from consilico.golden.attention.consmax_split import split_constants
from consilico.golden.attention.tile import (
    Constants,
    TileConfig,
    TileJob,
    attention,
    beat_results,
    job_beats,
)
from consilico.golden.matmul.requant import channel_scale

HEAD = HeadConstants(scale=0.04, log_c=-3.0)
Codes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def constants(config: TileConfig) -> Constants:
    if config.normalizer == "consmax/base2":
        return base2_constants(HEAD.log_c)
    make: Any = log2_constants if config.normalizer == "consmax/log2" else split_constants
    made: Constants = make(HEAD, config.normalizing)
    return made


def job(config: TileConfig, rows: int, keys: int, seen: int) -> TileJob:
    scale = channel_scale(Fraction(1, 400), config.requantizer)
    return TileJob(rows=rows, keys=keys, seen=seen, scale=scale, head=constants(config))


def operands(config: TileConfig, rows: int, keys: int) -> Codes:
    generator = torch.Generator().manual_seed(100 * rows + keys)
    q, k, v = (
        torch.randint(-128, 128, (count, config.head_dim), generator=generator)
        for count in (rows, keys, keys)
    )
    return q, k, v


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 4),
    keys=st.integers(1, 11),
    seen=st.integers(0, 12),
    normalizer=st.sampled_from(("consmax/log2", "consmax/base2", "consmax/split")),
    p_format=st.sampled_from(("int7", "2xint7", "uint8")),
)
def test_beats_of_a_job_give_its_results(
    rows: int, keys: int, seen: int, normalizer: str, p_format: str
) -> None:
    config = TileConfig(
        rows=4, columns=3, head_dim=5, tokens=12, normalizer=normalizer, p_format=p_format
    )
    one, codes = job(config, rows, keys, seen), operands(config, rows, keys)
    beats = job_beats(*codes, config)
    assert len(beats.q) == len(beats.k) == len(beats.v) == config.key_tiles(keys) * config.head_dim
    assert torch.equal(beat_results(beats, one, config), attention(*codes, one, config))


@pytest.mark.parametrize(
    ("p_format", "most"), [("int7", 2**-8), ("uint8", 2**-9), ("2xint7", 2e-4)]
)
def test_results_are_those_of_real_numbers_but_for_rounding(p_format: str, most: float) -> None:
    config = TileConfig(rows=4, columns=4, head_dim=8, p_format=p_format)
    q, k, v = operands(config, 4, 20)
    found = attention(q, k, v, job(config, 4, 20, 20), config) / 2.0**config.p_bits
    scale = 1 / 400
    score = ((q @ k.T) * scale).round().clamp(-128, 127)
    p = (math.exp(HEAD.log_c) * torch.exp(HEAD.scale * score)).clamp(max=1 - 2.0**-config.p_bits)
    # a bf16 number is within 0.6 % of the power, then all bits behind the last one are rounded
    bound = (p * 0.006 + most).double() @ v.abs().double()
    assert ((found - p.double() @ v.double()).abs() <= bound).all()


def test_each_query_sees_one_key_more_up_to_all() -> None:
    config = TileConfig(rows=4, columns=4, head_dim=8)
    q, k, v = operands(config, 4, 6)
    whole = attention(q, k, v, job(config, 4, 6, 4), config)
    for row, seen in enumerate((4, 5, 6, 6)):
        alone = attention(q[row : row + 1], k[:seen], v[:seen], job(config, 1, seen, seen), config)
        assert torch.equal(whole[row], alone[0])


def test_a_query_that_sees_nothing_has_a_sum_of_nothing() -> None:
    config = TileConfig()
    found = attention(*operands(config, 2, 6), job(config, 2, 6, 0), config)
    assert not found[0].any()
    assert found[1].any()


def test_what_is_in_lanes_beyond_queries_and_keys_does_not_matter() -> None:
    config = TileConfig(rows=4, columns=4, head_dim=8)
    one, codes = job(config, 3, 6, 5), operands(config, 3, 6)
    beats = job_beats(*codes, config)
    for part, lanes in ((beats.q, slice(3, None)), (beats.k[8:], slice(2, None))):
        part[:, lanes] = 77
    beats.v[10:] = 77
    assert torch.equal(beat_results(beats, one, config), attention(*codes, one, config))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"columns": 9}, "head_dim must be at least columns = 9, not 8"),
        ({"head_dim": 67}, "head_dim must be even above 64, not 67"),
        ({"p_format": "bf16"}, "p_format must be one of int7, 2xint7, uint8, not 'bf16'"),
    ],
)
def test_a_tile_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TileConfig(**fields)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ((5, 6, 6), r"rows must be in \[1, 4\], not 5"),
        ((4, 0, 0), r"keys must be in \[1, 8\], not 0"),
        ((4, 6, 9), r"seen must be in \[0, 8\], not 9"),
    ],
)
def test_a_job_that_does_not_fit_is_refused(sizes: tuple[int, int, int], says: str) -> None:
    config = TileConfig(tokens=8)
    with pytest.raises(ValueError, match=says):
        attention(*operands(config, 4, 6), job(config, *sizes), config)


def test_constants_of_another_normalizer_are_refused() -> None:
    config, other = TileConfig(), TileConfig(normalizer="consmax/base2")
    with pytest.raises(ValueError, match="head must be constants of consmax/log2"):
        attention(*operands(config, 2, 3), job(other, 2, 3, 3), config)


def test_no_sum_overflows_a_result() -> None:
    config = TileConfig(rows=2, columns=2, head_dim=2, tokens=9, p_format="2xint7")
    greatest = ((1 << config.p_bits) - 1) * 128 * config.tokens
    assert greatest < 1 << config.result_width - 1
