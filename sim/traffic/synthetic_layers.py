"""Stand-ins for the model's linear layers where the model is not installed.

An input is (size of its token) x (size of its channel) x (element); elements have a part that is
constant in a channel: nearly all of it in the few largest ones, as in the model. A weight is (size
of its row) x (size of its column of groups) x (size of its group) x (element), quantized as ggml's
Q4_1 does. Sizes are root mean squares. ``synthetic_layers.json`` holds the statistics.
"""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.gguf_model import GROUP, Int4Weight
from consilico.sim.traffic.linear import INPUT_OF, LayerTraffic, Linear

__all__ = ["STATISTICS", "fit", "q4_1", "statistics_text", "synthetic_layers"]

STATISTICS = Path(__file__).with_name("synthetic_layers.json")

Floats = NDArray[np.float32]
_HALF = (1e-4, 1e-3, 5e-3, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
_PROBABILITIES = np.array([*_HALF, 0.5, *(1 - p for p in reversed(_HALF))])
_SIZES = np.array(
    [
        0,
        5e-3,
        0.02,
        0.05,
        *(i / 10 for i in range(1, 10)),
        0.95,
        0.98,
        0.99,
        0.995,
        0.997,
        0.9985,
        1,
    ]
)
_NORMAL = np.array([NormalDist().inv_cdf(p) for p in _PROBABILITIES])


def fit(traffic: LayerTraffic) -> dict[str, Any]:
    """Statistics of real layers, as :func:`synthetic_layers` needs them."""
    inputs = {f"{item.layer}.{INPUT_OF[item.part]}": item.x for item in traffic.linears}
    return {
        "about": "statistics of linear layers; regenerate: "
        "python -m consilico.sim.traffic.layers --fit",
        "source": traffic.source,
        "provenance": traffic.provenance,
        "probabilities": {"elements": _PROBABILITIES.tolist(), "sizes": _SIZES.tolist()},
        "inputs": {name: _fit_input(x.astype(np.float64)) for name, x in inputs.items()},
        "weights": {
            f"{item.layer}.{item.part}": _fit_weight(item.weight) for item in traffic.linears
        },
    }


def statistics_text(statistics: dict[str, Any]) -> str:
    """JSON of what :func:`fit` returns, one layer a line, six significant digits."""
    blocks = []
    for kind in ("inputs", "weights"):
        rows = [f'  "{name}": {json.dumps(row)}' for name, row in statistics[kind].items()]
        blocks.append(f' "{kind}": {{\n' + ",\n".join(rows) + "\n }")
    about = {key: value for key, value in statistics.items() if key not in ("inputs", "weights")}
    rest = json.dumps(about, indent=1, sort_keys=True).removesuffix("}").rstrip()
    return f"{rest},\n" + ",\n".join(blocks) + "\n}\n"


def synthetic_layers(windows: int, window: int, seed: int, reason: str) -> LayerTraffic:
    """Draw layers with the statistics and the shapes of the real ones.

    Args:
        windows: Passages the tokens would be of; there are ``windows * window`` tokens.
        window: Tokens of a passage.
        seed: Of the draw.
        reason: Why there are no real layers; goes into the provenance.
    """
    statistics = json.loads(STATISTICS.read_text(encoding="utf-8"))
    rng = np.random.default_rng(seed)
    inputs = {
        name: _draw_input(rng, row, windows * window) for name, row in statistics["inputs"].items()
    }
    linears = []
    for name, row in statistics["weights"].items():
        layer, part = name.split(".")
        x = inputs[f"{layer}.{INPUT_OF[part]}"]
        linears.append(Linear(layer=int(layer), part=part, weight=_draw_weight(rng, row), x=x))
    return LayerTraffic(
        linears=linears,
        tokens=np.zeros((windows, window), dtype=np.int32),
        provenance={
            "reason": reason,
            "fitted_to": {"source": statistics["source"]} | statistics["provenance"],
            "sampling": {"windows": windows, "window": window, "seed": seed},
        },
        source=f"synthetic: statistics of {statistics['source']}",
        synthetic=True,
    )


def q4_1(values: Floats) -> Int4Weight:
    """Quantize as ggml's ``quantize_row_q4_1_ref``: each group's minimum is 0, its maximum 15.

    Args:
        values: float32, shape ``(outputs, inputs)``, inputs a multiple of 32.
    """
    groups = values.reshape(len(values), -1, GROUP)
    low, high = groups.min(2), groups.max(2)
    step = (high - low) / np.float32(15)
    nibbles = np.minimum((groups - low[:, :, None]) / step[:, :, None] + np.float32(0.5), 15)
    return Int4Weight(
        nibbles=nibbles.astype(np.uint8).reshape(values.shape),
        scale=step.astype(np.float16),
        minimum=low.astype(np.float16),
    )


def _rms(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Root mean square along an axis, which stays with length 1."""
    root: NDArray[Any] = np.sqrt(np.mean(values**2, axis=axis, keepdims=True))
    return root


def _quantiles(values: NDArray[Any], probabilities: NDArray[np.float64]) -> list[float]:
    return [_short(value) for value in np.quantile(values, probabilities)]


def _short(value: float) -> float:
    """Six significant digits: more would be noise in a file that people diff."""
    return float(f"{value:.6g}")


def _fit_input(x: NDArray[np.float64]) -> dict[str, Any]:
    token = _rms(x, 1)
    channel = _rms(x / token, 0)
    element = x / token / channel  # every channel has root mean square 1
    mean = element.mean(0)
    mean[mean**2 < 0.5] = 0  # a skewed distribution, not a constant
    order = np.argsort(channel[0])
    near = np.abs(np.linspace(0, 1, len(mean))[:, None] - _SIZES).argmin(1)
    constant = np.bincount(near, mean[order] ** 2) / np.bincount(near)
    return {
        "inputs": len(mean),
        "log_token": _quantiles(np.log(token), _SIZES),
        "log_channel": _quantiles(np.log(channel), _SIZES),
        "constant": [_short(share) for share in constant],
        "element": _quantiles((element - mean) / (1 - mean**2) ** 0.5, _PROBABILITIES),
    }


def _draw_input(rng: np.random.Generator, row: dict[str, Any], tokens: int) -> Floats:
    """Inputs of one layer, shape ``(tokens, inputs)``."""
    inputs = row["inputs"]
    normal = rng.standard_normal((tokens, inputs), dtype=np.float32)
    constant = _spread(row["constant"], inputs)
    mean = rng.choice([-1, 1], inputs) * constant**0.5
    element = mean + (1 - constant) ** 0.5 * np.interp(normal, _NORMAL, row["element"])
    size = np.exp(rng.permutation(_spread(row["log_token"], tokens)))[:, None]
    x = size * np.exp(_spread(row["log_channel"], inputs)) * element
    return rng.permutation(x.astype(np.float32), axis=1)


def _spread(quantiles: list[float], count: int) -> NDArray[np.float64]:
    """Evenly spread from least to greatest: the few large channels are always there."""
    return np.interp(np.linspace(0, 1, count), _SIZES, quantiles)


def _fit_weight(weight: Int4Weight) -> dict[str, Any]:
    groups = weight.dequantize().reshape(*weight.scale.shape, GROUP).astype(np.float64)
    size = _rms(groups, 2)
    log = np.log(size[:, :, 0])
    row = log.mean(1, keepdims=True) - log.mean()
    column = log.mean(0, keepdims=True) - log.mean()
    return {
        "outputs": len(log),
        "inputs": weight.nibbles.shape[1],
        "log_mean": _short(log.mean()),
        "log_deviations": [_short(x.std()) for x in (row, column, log - log.mean() - row - column)],
        "element": _quantiles(groups / size, _PROBABILITIES),
    }


def _draw_weight(rng: np.random.Generator, row: dict[str, Any]) -> Int4Weight:
    outputs, groups = row["outputs"], row["inputs"] // GROUP
    log = np.full((outputs, groups), row["log_mean"])
    for shape, deviation in zip(
        ((outputs, 1), (1, groups), (outputs, groups)), row["log_deviations"], strict=True
    ):
        log = log + deviation * rng.standard_normal(shape)
    normal = rng.standard_normal((outputs, groups, GROUP), dtype=np.float32)
    values = np.interp(normal, _NORMAL, row["element"]) * np.exp(log)[:, :, None]
    return q4_1(values.reshape(outputs, -1).astype(np.float32))
