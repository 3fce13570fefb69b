"""Provide what quantizers meet in a language model: the sums and the inputs of its layers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.linear_layers import INPUT_OF, LayerTraffic
from consilico.sim.traffic.quantized import Format, bf16_bits

__all__ = ["LayerSums", "layer_groups", "layer_sums"]

_FORMS: tuple[Format, ...] = ("int8", "int4")


@dataclass(frozen=True, kw_only=True)
class LayerSums:
    """Sums of some output channels of a layer, over the tokens of a passage.

    An output is ``sum * scale`` times the scale of its token's inputs, which stays outside: an
    output's scale is its token's times a constant of the layer.
    """

    sums: NDArray[np.int64]  # (tokens, channels)
    scale: NDArray[np.float64]  # (channels,), of the weights
    least: float  # of ``sum * scale`` over all channels of the layer
    greatest: float


def layer_sums(traffic: LayerTraffic, channels: int, *, seed: int = 1) -> Iterator[LayerSums]:
    """Yield adjacent channels of drawn layers over drawn passages, without end.

    INT8 inputs (a scale per token) meet in turn INT8 and INT4 weights (a scale per channel).

    Args:
        traffic: The layers; those with fewer outputs are left out.
        channels: Output channels at a time.
        seed: Of the draw.

    Raises:
        ValueError: If no layer has so many outputs.
    """
    linears = [item for item in traffic.linears if len(item.weight.scale) >= channels]
    if not linears:
        most = max(len(item.weight.scale) for item in traffic.linears)
        raise ValueError(f"lanes must be at most {most}, the outputs of a layer, not {channels}")
    rng = np.random.default_rng(seed)
    passages = traffic.tokens.shape[0]
    while True:
        for form in _FORMS:
            linear = linears[rng.integers(len(linears))]
            passage = np.split(np.arange(len(linear.x)), passages)[rng.integers(passages)]
            first = rng.integers(len(linear.weight.scale) - channels + 1)
            part = linear.take(passage, slice(None))
            weight = part.quantize_weight(form, part.inputs)
            # below 2 ** 53, so that float64 holds the sums exactly
            sums = part.quantize_x("int8").codes.astype(np.float64) @ weight.codes.T
            outputs = sums * weight.scale[:, 0]
            kept = slice(first, first + channels)
            yield LayerSums(
                sums=sums[:, kept].astype(np.int64),
                scale=weight.scale[kept, 0].astype(np.float64),
                least=float(outputs.min()),
                greatest=float(outputs.max()),
            )


def layer_groups(
    traffic: LayerTraffic, group: int, count: int, *, seed: int = 1
) -> NDArray[np.int64]:
    """Return inputs of drawn layers and tokens in groups, each token's whole and in order.

    Args:
        traffic: The layers; those whose inputs a group does not divide are left out.
        group: Values of a group.
        count: Groups.
        seed: Of the draw.

    Returns:
        bf16 patterns, shape ``(count, group)``.

    Raises:
        ValueError: If no layer's inputs divide by the group.
    """
    distinct = {(item.layer, INPUT_OF[item.part]): item.x for item in traffic.linears}
    inputs = [x for x in distinct.values() if x.shape[1] % group == 0]
    if not inputs:
        known = ", ".join(str(size) for size in sorted({x.shape[1] for x in distinct.values()}))
        raise ValueError(f"inputs of a layer ({known}) must divide by the group {group}")
    rng = np.random.default_rng(seed)
    rows: list[NDArray[np.int64]] = []
    while sum(map(len, rows)) < count:
        x = inputs[rng.integers(len(inputs))]
        rows.append(bf16_bits(x[rng.integers(len(x))]).reshape(-1, group))
    return np.concatenate(rows)[:count]
