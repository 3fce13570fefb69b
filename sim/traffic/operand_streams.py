"""Operand streams of dot-product hardware: dot products of a model's layers, or random ones.

A stream is what the multipliers see while outputs are computed one after another: the codes of one
token and of one output channel, in order along the input dimension, some per beat.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.operand import code_range
from consilico.sim.traffic.layer_traffic import layer_traffic
from consilico.sim.traffic.linear_layers import LayerTraffic, LinearLayer
from consilico.sim.traffic.quantized import (
    Format,
    QuantizedMatrix,
    SparseMatrix,
    bf16_round,
    cut,
    group_size,
    prune,
)

__all__ = [
    "Distribution",
    "DotStream",
    "SparseStream",
    "dot_stream",
    "layer_sparse_stream",
    "layer_stream",
    "mean_inputs",
    "operand_stream",
    "random_codes",
    "random_sparse_stream",
    "random_stream",
    "sparse_stream",
]

_INPUTS = [576] * 6 + [1536]  # of the linear layers of a block of SmolLM2-135M


@dataclass(frozen=True, kw_only=True)
class DotStream:
    """Whole dot products in order; scales and zero points of the codes of each beat.

    A beat that holds several groups has several scales, any other one.
    """

    x: NDArray[np.int64]  # (beats, lanes)
    w: NDArray[np.int64]  # (beats, lanes)
    last: NDArray[np.bool_]  # (beats,), the dot product is complete
    x_scale: NDArray[np.float32]  # (beats, scales), bf16 numbers
    w_scale: NDArray[np.float32]  # (beats, scales), bf16 numbers
    w_zero: NDArray[np.int64]  # (beats, scales)


@dataclass(frozen=True, kw_only=True)
class SparseStream:
    """Whole dot products with 2:4 weights: a lane has one weight, two lanes share four inputs."""

    x: NDArray[np.int64]  # (beats, 2 * lanes)
    w: NDArray[np.int64]  # (beats, lanes)
    index: NDArray[np.int64]  # (beats, lanes), 0..3: which of its four inputs a weight meets
    last: NDArray[np.bool_]  # (beats,)


def layer_stream(
    traffic: LayerTraffic,
    x_form: Format,
    w_form: Format,
    lanes: int,
    beats: int,
    *,
    group: int | None = None,
    seed: int = 1,
) -> DotStream:
    """Return dot products of drawn layers, tokens and output channels, at least ``beats`` beats.

    Every layer has the same number of them (give or take one), however large it is.

    Args:
        traffic: The layers.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"``, ``"int4"`` or ``"uint4"``.
        lanes: Products per beat; must divide the inputs, and divide a group or be some groups.
        beats: Length of the stream; the last dot product is not cut.
        group: Weights that share a scale, and INT4 inputs, where not the usual number; layers whose
            inputs it does not divide are left out.
        seed: Of the draw.

    Raises:
        ValueError: If no layer's inputs divide by lanes and group, or those not by each other.
    """
    parts = [
        dot_stream(
            item.quantize_x(x_form, group if x_form == "int4" else None),
            item.quantize_weight(w_form, group),
            lanes,
        )
        for item in _draw(traffic, lanes, 1 if group is None else group, beats, seed)
    ]
    return DotStream(**_joined(parts))


def mean_inputs(columns: int, group: int = 1) -> float:
    """Return the mean length of the dot products of :func:`layer_stream`; reads no model.

    Args:
        columns: Inputs per beat.
        group: Inputs that share a scale.
    """
    fits = [size for size in _INPUTS if size % columns == 0 == size % group] or _INPUTS
    return sum(fits) / len(fits)


def layer_sparse_stream(
    traffic: LayerTraffic, x_form: Format, w_form: Format, lanes: int, beats: int, *, seed: int = 1
) -> SparseStream:
    """Return dot products as :func:`layer_stream` does, with weights cut to 2:4 by magnitude.

    Args:
        traffic: The layers.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"`` or ``"int4"``.
        lanes: Weights per beat.
        beats: Length of the stream; the last dot product is not cut.
        seed: Of the draw.

    Raises:
        ValueError: If no layer's inputs divide by ``2 * lanes``.
    """
    parts = [
        sparse_stream(item.quantize_x(x_form), item.sparse_weight(w_form), lanes)
        for item in _draw(traffic, 2 * lanes, 4, beats, seed)
    ]
    return SparseStream(**_joined(parts))


def dot_stream(x: QuantizedMatrix, w: QuantizedMatrix, lanes: int) -> DotStream:
    """Return dot products of row ``i`` of ``x`` with row ``i`` of ``w``, one after another.

    Raises:
        ValueError: If ``lanes`` does not divide the rows, or a group and it not one another.
    """
    return DotStream(
        x=_beats(x.codes, lanes),
        w=_beats(w.codes, lanes),
        last=_last(x.codes, lanes),
        x_scale=_by_beat(x.scale, x.group, lanes),
        w_scale=_by_beat(w.scale, w.group, lanes),
        w_zero=_by_beat(w.zero, w.group, lanes).astype(np.int64),
    )


def sparse_stream(x: QuantizedMatrix, w: SparseMatrix, lanes: int) -> SparseStream:
    """Return dot products of row ``i`` of ``x`` with row ``i`` of 2:4 weights, one after another.

    Raises:
        ValueError: If ``2 * lanes`` does not divide the rows of ``x``.
    """
    return SparseStream(
        x=_beats(x.codes, 2 * lanes),
        w=_beats(w.codes, lanes),
        index=_beats(w.index, lanes),
        last=_last(w.codes, lanes),
    )


def _draw(
    traffic: LayerTraffic, columns: int, group: int, beats: int, seed: int
) -> list[LinearLayer]:
    """Cut layers to drawn pairs of token and output: row ``i`` of ``x`` meets row ``i`` of w.

    Args:
        traffic: The layers; those whose inputs beats or groups do not divide are left out.
        columns: Inputs per beat.
        group: Weights that share a scale.
        beats: What the dot products have to fill.
        seed: Of the draw.
    """
    sizes = (columns, group)
    linears = [
        item for item in traffic.linears if all(s > 0 and item.inputs % s == 0 for s in sizes)
    ]
    if not linears:
        known = ", ".join(str(size) for size in sorted({item.inputs for item in traffic.linears}))
        raise ValueError(f"inputs of a layer ({known}) must divide by {columns} and by {group}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(linears)).tolist()
    pairs: Counter[int] = Counter()
    filled = 0
    while filled < beats:
        index = order[pairs.total() % len(order)]
        pairs[index] += 1
        filled += linears[index].inputs // columns
    drawn = []
    for index, count in pairs.items():
        linear = linears[index]
        tokens = rng.integers(len(linear.x), size=count)
        drawn.append(linear.take(tokens, rng.integers(len(linear.weight.scale), size=count)))
    return drawn


def _beats(codes: NDArray[Any], lanes: int) -> NDArray[np.int64]:
    """Cut rows of codes into beats, shape ``(beats, lanes)``."""
    if lanes < 1 or codes.shape[1] % lanes:
        raise ValueError(f"lanes must divide the {codes.shape[1]} codes of a row, not {lanes}")
    return codes.astype(np.int64).reshape(-1, lanes)


def _last(codes: NDArray[Any], lanes: int) -> NDArray[np.bool_]:
    """Tell of each beat whether it completes a dot product."""
    rows, columns = codes.shape
    return np.tile(np.arange(1, columns // lanes + 1) == columns // lanes, rows)


def _by_beat(constants: NDArray[Any], group: int, lanes: int) -> NDArray[Any]:
    """Return the constants of the groups in each beat, shape ``(beats, groups per beat or 1)``."""
    if group % lanes == 0:
        return np.repeat(constants, group // lanes, axis=1).reshape(-1, 1)
    if lanes % group == 0:
        return constants.reshape(-1, lanes // group)
    raise ValueError(f"lanes must divide the group {group} or be a multiple of it, not {lanes}")


def _joined(parts: list[Any]) -> dict[str, NDArray[Any]]:
    """Join streams of one kind, field by field, one after another."""
    names = [item.name for item in fields(parts[0])]
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


Distribution = Literal["normal", "uniform"]
"""What random codes are drawn from.

``"normal"``: deviation 40 for INT8, 3 for INT4, 3.6 about 7.5 for unsigned INT4, rounded and
clipped to the codes: what a Gaussian row of some 500 values, or group of 32, has once its extremes
are scaled to the extreme codes. ``"uniform"``: every code equally often, -128 and -8 included.
Scales are log-normal, deviation 0.3 about 0.05.
"""

_MOMENTS: dict[Format, tuple[float, float]] = {"int8": (0, 40), "int4": (0, 3), "uint4": (7.5, 3.6)}
_ZERO_DEVIATION = 1.4  # of the zero points of the model's groups


def random_codes(
    distribution: Distribution,
    form: Format,
    shape: tuple[int, int],
    rng: np.random.Generator,
    group: int | None = None,
) -> QuantizedMatrix:
    """Draw a matrix of codes, scales and, where the form has them, zero points.

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
    return QuantizedMatrix(
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
    """Draw dot products of random codes, at least ``beats`` beats.

    Args:
        distribution: See :data:`Distribution`.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"``, ``"int4"`` or ``"uint4"``.
        lanes: Products per beat.
        beats: Length of the stream; the last dot product is not cut.
        depth: Products of one dot product.
        group: Weights that share a scale, and INT4 inputs; 32, or ``depth`` for INT8 weights, where
            not given. INT8 inputs share one over the depth.
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
    """Draw dot products as :func:`random_stream` does, with weights cut to 2:4 by magnitude.

    Raises:
        ValueError: If ``2 * lanes`` does not divide ``depth``, or ``w_form`` is ``"uint4"``.
    """
    rng = np.random.default_rng(seed)
    shape = (-(-beats * 2 * lanes // depth), depth)
    x = random_codes(distribution, x_form, shape, rng)
    dense = random_codes(distribution, w_form, shape, rng, depth)
    return sparse_stream(x, cut(dense, prune(dense.codes.astype(np.float32))), lanes)


Traffic = TypeVar("Traffic")


def operand_stream(
    source: str,
    model: Callable[[LayerTraffic], Traffic],
    drawn: Callable[[Distribution], Traffic],
) -> Traffic:
    """Return the operands of a matrix unit.

    Args:
        source: ``"model"`` (a synthetic trace where the model is not installed), ``"normal"`` or
            ``"uniform"``.
        model: Takes them from linear layers of a language model.
        drawn: Draws them from a distribution.
    """
    return model(layer_traffic()) if source == "model" else drawn(cast(Distribution, source))
