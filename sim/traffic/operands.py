"""Operand streams of dot-product hardware: real dot products of a model's layers.

A stream is what the multipliers see while outputs are computed one after another: the codes of
one token and of one output channel, in order along the input dimension, some a beat.
"""

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.linear import LayerTraffic, Linear
from consilico.sim.traffic.quantized import Format, Quantized
from consilico.sim.traffic.sparse import Sparse

__all__ = [
    "DotStream",
    "SparseStream",
    "dot_stream",
    "layer_sparse_stream",
    "layer_stream",
    "mean_inputs",
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
    """Dot products of drawn layers, tokens and output channels, at least ``beats`` beats.

    Every layer has the same number of them (give or take one), however large it is.

    Args:
        traffic: The layers.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"``, ``"int4"`` or ``"uint4"``.
        lanes: Products a beat; must divide the inputs, and divide a group or be some groups.
        beats: Length of the stream; the last dot product is not cut.
        group: Weights that share a scale, and INT4 inputs, where not the usual number; layers
            whose inputs it does not divide are left out.
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
    """Mean length of the dot products of :func:`layer_stream`, without reading the model.

    Args:
        columns: Inputs a beat.
        group: Inputs that share a scale.
    """
    fits = [size for size in _INPUTS if size % columns == 0 == size % group] or _INPUTS
    return sum(fits) / len(fits)


def layer_sparse_stream(
    traffic: LayerTraffic, x_form: Format, w_form: Format, lanes: int, beats: int, *, seed: int = 1
) -> SparseStream:
    """The same with weights cut to 2:4 by magnitude, ``"int8"`` or ``"int4"``.

    Raises:
        ValueError: If no layer's inputs divide by ``2 * lanes``.
    """
    parts = [
        sparse_stream(item.quantize_x(x_form), item.sparse_weight(w_form), lanes)
        for item in _draw(traffic, 2 * lanes, 4, beats, seed)
    ]
    return SparseStream(**_joined(parts))


def dot_stream(x: Quantized, w: Quantized, lanes: int) -> DotStream:
    """Dot products of row ``i`` of ``x`` with row ``i`` of ``w``, one after another.

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


def sparse_stream(x: Quantized, w: Sparse, lanes: int) -> SparseStream:
    """The same with 2:4 weights.

    Raises:
        ValueError: If ``2 * lanes`` does not divide the rows of ``x``.
    """
    return SparseStream(
        x=_beats(x.codes, 2 * lanes),
        w=_beats(w.codes, lanes),
        index=_beats(w.index, lanes),
        last=_last(w.codes, lanes),
    )


def _draw(traffic: LayerTraffic, columns: int, group: int, beats: int, seed: int) -> list[Linear]:
    """Cut layers to drawn pairs of token and output: row ``i`` of ``x`` meets row ``i`` of w.

    Args:
        traffic: The layers; those whose inputs beats or groups do not divide are left out.
        columns: Inputs a beat.
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
    if lanes < 1 or codes.shape[1] % lanes:
        raise ValueError(f"lanes must divide the {codes.shape[1]} codes of a row, not {lanes}")
    return codes.astype(np.int64).reshape(-1, lanes)


def _last(codes: NDArray[Any], lanes: int) -> NDArray[np.bool_]:
    rows, columns = codes.shape
    return np.tile(np.arange(1, columns // lanes + 1) == columns // lanes, rows)


def _by_beat(constants: NDArray[Any], group: int, lanes: int) -> NDArray[Any]:
    """Constants of the groups in each beat, shape ``(beats, groups a beat or 1)``."""
    if group % lanes == 0:
        return np.repeat(constants, group // lanes, axis=1).reshape(-1, 1)
    if lanes % group == 0:
        return constants.reshape(-1, lanes // group)
    raise ValueError(f"lanes must divide the group {group} or be a multiple of it, not {lanes}")


def _joined(parts: list[Any]) -> dict[str, NDArray[Any]]:
    """Fields of streams of one kind, one stream after another."""
    names = [item.name for item in fields(parts[0])]
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
