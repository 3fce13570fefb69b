"""Random operands of dot-product hardware, in the same streams as the model's."""

from typing import Literal

import numpy as np

from consilico.golden.matmul.operand import code_range
from consilico.sim.traffic.operands import DotStream, SparseStream, dot_stream, sparse_stream
from consilico.sim.traffic.quantized import Format, Quantized, bf16_round, group_size
from consilico.sim.traffic.sparse import cut, prune

__all__ = ["Distribution", "random_codes", "random_sparse_stream", "random_stream"]

Distribution = Literal["normal", "uniform"]
"""``"normal"``: deviation 40 for INT8, 3 for INT4, 3.6 about 7.5 for unsigned INT4, rounded and
clipped to the codes: what a Gaussian row of some 500 values, or group of 32, has once its extremes
are scaled to the extreme codes. ``"uniform"``: every code equally often, -128 and -8 included.
Scales are log-normal, deviation 0.3 about 0.05."""

_MOMENTS: dict[Format, tuple[float, float]] = {"int8": (0, 40), "int4": (0, 3), "uint4": (7.5, 3.6)}
_ZERO_DEVIATION = 1.4  # of the zero points of the model's groups


def random_codes(
    distribution: Distribution,
    form: Format,
    shape: tuple[int, int],
    rng: np.random.Generator,
    group: int | None = None,
) -> Quantized:
    """A matrix of random codes, scales and, where the form has them, zero points.

    Args:
        distribution: Of the codes; see :data:`Distribution`.
        form: Of the codes.
        shape: Rows and columns.
        rng: Source of the draw.
        group: Codes that share a scale; 32, or all columns for INT8, where not given.

    Raises:
        ValueError: If ``group`` does not divide the columns.
    """
    rows, columns = shape
    group = group_size(form, columns, group)
    if group < 1 or columns % group:
        raise ValueError(f"group must divide the {columns} columns, not {group}")
    low, high = code_range(form)
    groups = (rows, columns // group)
    if distribution == "uniform":
        codes = rng.integers(low, high + 1, size=shape)
        zero = rng.integers(low, high + 1, size=groups)
    else:
        mean, deviation = _MOMENTS[form]
        codes = np.clip(np.rint(rng.normal(mean, deviation, shape)), low, high)
        zero = np.clip(np.rint(rng.normal(mean, _ZERO_DEVIATION, groups)), low, high)
    return Quantized(
        codes=codes.astype(np.int8),
        scale=bf16_round(np.exp(rng.normal(np.log(0.05), 0.3, groups)).astype(np.float32)),
        zero=(zero if form == "uint4" else np.zeros(groups)).astype(np.int8),
    )


def random_stream(
    distribution: Distribution,
    x_form: Format,
    w_form: Format,
    lanes: int,
    beats: int,
    *,
    depth: int = 1536,
    group: int | None = None,
    seed: int = 1,
) -> DotStream:
    """Random dot products, at least ``beats`` beats.

    Args:
        distribution: See :data:`Distribution`.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"``, ``"int4"`` or ``"uint4"``.
        lanes: Products a beat.
        beats: Length of the stream; the last dot product is not cut.
        depth: Products of one dot product.
        group: Weights that share a scale, and INT4 inputs; 32, or ``depth`` for INT8 weights,
            where not given. INT8 inputs share one over the depth.
        seed: Of the draw.

    Raises:
        ValueError: If depth and groups cannot be cut into such beats.
    """
    rng = np.random.default_rng(seed)
    shape = (-(-beats * lanes // depth), depth)
    x = random_codes(distribution, x_form, shape, rng, group if x_form == "int4" else depth)
    return dot_stream(x, random_codes(distribution, w_form, shape, rng, group), lanes)


def random_sparse_stream(
    distribution: Distribution,
    x_form: Format,
    w_form: Format,
    lanes: int,
    beats: int,
    *,
    depth: int = 1536,
    seed: int = 1,
) -> SparseStream:
    """The same with 2:4 weights, drawn densely and then cut by magnitude.

    Raises:
        ValueError: If ``2 * lanes`` does not divide ``depth``, or ``w_form`` is ``"uint4"``.
    """
    rng = np.random.default_rng(seed)
    shape = (-(-beats * 2 * lanes // depth), depth)
    x = random_codes(distribution, x_form, shape, rng)
    dense = random_codes(distribution, w_form, shape, rng, depth)
    return sparse_stream(x, cut(dense, prune(dense.codes.astype(np.float32))), lanes)
