"""Model of the systolic array: order of beats, cycles, and what is refused."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilico.golden.matmul.systolic import (
    SystolicConfig,
    SystolicJob,
    cycles,
    job_beats,
    latency,
    matmul,
    result_matrix,
)

DATAFLOWS = ("weight_stationary", "output_stationary")


def operands(m: int, k: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices of drawn INT8 codes."""
    generator = torch.Generator().manual_seed(m * 10000 + k * 100 + n)
    return (
        torch.randint(-128, 128, (m, k), generator=generator),
        torch.randint(-128, 128, (k, n), generator=generator),
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 20)] * 3),
    dataflow=st.sampled_from(DATAFLOWS),
    rows=st.integers(2, 6),
    columns=st.integers(1, 6),
    block=st.integers(2, 9),
)
def test_beats_of_results_make_up_the_product(
    sizes: tuple[int, int, int], dataflow: str, rows: int, columns: int, block: int
) -> None:
    config = SystolicConfig(rows=rows, columns=columns, block=block, dataflow=dataflow)
    x, w = operands(*sizes)
    beats = job_beats(x, w, config)
    m, k, n = sizes
    assert torch.equal(
        result_matrix(beats.results, SystolicJob(m=m, k=k, n=n), config), matmul(x, w, config)
    )
    assert int(beats.completes.sum()) == len(beats.results)
    assert beats.completes[-1] > 0
    assert len(beats.x) == len(beats.w) == len(beats.completes)
    # the results complete with the last beat leave last, the first of them after the latency
    slots = (
        cycles(SystolicJob(m=m, k=k, n=n), config) - latency(config) - int(beats.completes[-1]) + 1
    )
    if dataflow == "weight_stationary" or k >= rows:
        assert slots == len(beats.x)
    else:
        assert slots >= len(beats.x)


def test_output_stationary_order() -> None:
    config = SystolicConfig(rows=2, columns=2, dataflow="output_stationary")
    x, w = torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([[7, 8, 9], [10, 11, 12]])
    beats = job_beats(x, w, config)
    assert beats.x.tolist() == [[1, 3], [2, 4], [1, 3], [2, 4], [5, 0], [6, 0], [5, 0], [6, 0]]
    assert beats.w.tolist() == [[7, 8], [10, 11], [9, 0], [12, 0]] * 2
    assert beats.completes.tolist() == [0, 2, 0, 2, 0, 1, 0, 1]
    assert beats.results.tolist() == [[27, 30], [61, 68], [33, 0], [75, 0], [95, 106], [117, 0]]


def test_weight_stationary_order() -> None:
    config = SystolicConfig(rows=2, columns=1, block=3)
    x, w = torch.tensor([[1, 2, 3]] * 3), torch.tensor([[4], [5], [6]])
    beats = job_beats(x, w, config)
    # weights; activations with the weights of the next pass; the rest of k, no weights
    assert beats.x.tolist() == [[0, 0]] * 2 + [[1, 2]] * 3 + [[3, 0]] * 3
    assert beats.w.flatten().tolist() == [4, 5, 6, 0, 0, 0, 0, 0]
    assert beats.completes.tolist() == [0] * 5 + [1] * 3
    assert beats.results.tolist() == [[32]] * 3


def test_cycles_of_full_tiles_are_those_of_the_multipliers() -> None:
    for dataflow in DATAFLOWS:
        config = SystolicConfig(dataflow=dataflow)
        job = SystolicJob(m=64, k=64, n=64)
        work = 64**3 // 16
        assert work < cycles(job, config) < work + 4 * config.rows + latency(config)


@pytest.mark.parametrize(
    ("x", "w"), [("int8", "int8"), ("int8", "int4"), ("int4", "int8"), ("int4", "int4")]
)
def test_no_sum_overflows(x: str, w: str) -> None:
    config = SystolicConfig(x=x, w=w, depth=1000)
    low_x, low_w = (-(1 << (width - 1)) for width in (config.x_width, config.w_width))
    limit = 1 << (config.sum_width - 1)
    for x_code in (low_x, -low_x - 1):
        for w_code in (low_w, -low_w - 1):
            total = matmul(torch.full((1, 1000), x_code), torch.full((1000, 1), w_code), config)
            assert -limit <= int(total) < limit
    assert 1000 * low_x * low_w >= limit >> 1  # and no bit is spare


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (SystolicJob(m=0, k=1, n=1), r"m must be an integer in \[1, 50\], not 0"),
        (SystolicJob(m=51, k=1, n=1), "m must be .* not 51"),
        (SystolicJob(m=1, k=0, n=1), r"k must be an integer in \[1, 30\], not 0"),
        (SystolicJob(m=1, k=31, n=1), "k must be .* not 31"),
        (SystolicJob(m=1, k=1, n=0), "n must be .* not 0"),
        (SystolicJob(m=1, k=1, n=51), "n must be .* not 51"),
    ],
)
def test_malformed_job_is_refused(job: SystolicJob, message: str) -> None:
    config = SystolicConfig(extent=50, depth=30)
    with pytest.raises(ValueError, match=message):
        cycles(job, config)
    with pytest.raises(ValueError, match=message):
        matmul(
            torch.zeros(job.m, job.k, dtype=torch.int64),
            torch.zeros(job.k, job.n, dtype=torch.int64),
            config,
        )
    with pytest.raises(ValueError, match=message):
        result_matrix(torch.zeros(1, 4, dtype=torch.int64), job, config)


def test_malformed_matrices_are_refused() -> None:
    x, w = operands(2, 3, 4)
    with pytest.raises(ValueError, match=r"x and w must be .* not \(2, 3\) and \(2, 4\)"):
        matmul(x, w[:2], SystolicConfig())
    with pytest.raises(ValueError, match=r"x must be int4 codes in \[-8, 7\]"):
        matmul(x, w, SystolicConfig(x="int4"))
    with pytest.raises(ValueError, match=r"w must be int8 codes in \[-128, 127\], not .* to 128"):
        matmul(x, torch.full_like(w, 128), SystolicConfig())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 1}, "rows must be"),
        ({"columns": 0}, "columns must be"),
        ({"dataflow": "row_stationary"}, "dataflow must be one of weight_stationary"),
        ({"block": 1}, "block must be"),
        ({"depth": 0}, "depth must be"),
        ({"w": "uint4"}, "w must be one of int8, int4"),
    ],
)
def test_illegal_configuration_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SystolicConfig(**fields)
