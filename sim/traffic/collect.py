"""Runs the language model over text and keeps what hardware meets: scores, inputs of layers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from consilico.sim.base.progress import Progress
from consilico.sim.base.results import digest
from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.traffic.linear_layers import INPUT_OF, LayerTraffic, LinearLayer
from consilico.sim.traffic.scores import HeadCalibration, ScoreSampling, ScoreTraffic
from consilico.sim.traffic.smollm import GgufModel, SmolLM, build_tokenizer
from consilico.sim.traffic.transformer import Transformer

__all__ = ["CalibrationSums", "collect_layers", "collect_scores", "draw_windows"]

_BATCH = 4  # windows at a time: a layer's scores stay below 10 MB at 256 tokens


def draw_windows(works: dict[str, str], tokenizer: Tokenizer, sampling: ScoreSampling) -> Tensor:
    """Draw passages from different works (seeded), each from the start of a line.

    Returns:
        Tokens, int64, shape ``(windows, window)``.
    """
    rng = np.random.default_rng(sampling.seed)
    characters = 8 * sampling.window  # English takes about 3.5 per token
    texts = [text for text in works.values() if len(text) > 2 * characters]
    order = np.concatenate([rng.permutation(len(texts)) for _ in range(sampling.windows)])
    rows: list[list[int]] = []
    for text in (texts[i] for i in order[: sampling.windows]):
        start = text.index("\n", int(rng.integers(len(text) - 2 * characters))) + 1
        rows.append(tokenizer.encode(text[start : start + characters]).ids[: sampling.window])
    return torch.tensor(rows)


class CalibrationSums:
    """Running maximum and mean log-sum-exp per head, over every causal row."""

    def __init__(self, layers: int, heads: int) -> None:
        self._max_abs = torch.zeros(layers, heads, dtype=torch.float64)
        self._sum_lse = torch.zeros(layers, heads, dtype=torch.float64)
        self._rows = torch.zeros(layers, dtype=torch.int64)

    def add(self, layer: int, scores: Tensor) -> None:
        """Take in a layer's scores, shape ``(batch, heads, queries, keys)``, keys = queries."""
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        largest = scores.masked_fill(future, 0.0).abs().amax((0, 2, 3)).double()
        self._max_abs[layer] = torch.maximum(self._max_abs[layer], largest)
        lse = scores.masked_fill(future, float("-inf")).logsumexp(-1).double()
        self._sum_lse[layer] += lse.sum((0, 2))
        self._rows[layer] += scores.shape[0] * scores.shape[2]

    def constants(self, headroom: float) -> list[HeadCalibration]:
        """Return the constants of all heads, layer by layer.

        C is exp(-mean of the rows' log-sum-exp).
        """
        return [
            HeadCalibration(
                layer=layer,
                head=head,
                scale=headroom * float(largest) / 127,
                log_c=-float(self._sum_lse[layer, head] / self._rows[layer]),
                max_abs_score=float(largest),
            )
            for layer, of_layer in enumerate(self._max_abs)
            for head, largest in enumerate(of_layer)
        ]


def collect_scores(
    model: SmolLM,
    works: dict[str, str],
    sampling: ScoreSampling,
    *,
    provenance: dict[str, Any],
    source: str,
    progress: Progress | None = None,
) -> ScoreTraffic:
    """Sample the model's attention scores over the text.

    Every causal score of every window calibrates; the tiles of :meth:`ScoreSampling.plan` are kept.

    Args:
        model: The language model.
        works: Title: text.
        sampling: Size of the sample.
        provenance: Goes into the result as it is.
        source: Likewise.
        progress: Told of layers done and layers to do.
    """
    shape = model.gguf.shape
    tokens = draw_windows(works, model.tokenizer, sampling)
    window_of, query_of = sampling.plan(shape.layers * shape.heads)
    calibration = CalibrationSums(shape.layers, shape.heads)
    kept: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.bool_]]] = {}
    batches = torch.split(tokens, _BATCH)

    for number, batch in enumerate(batches):

        def on_scores(layer: int, scores: Tensor, number: int = number) -> None:
            calibration.add(layer, scores)
            for head in range(shape.heads):
                index = layer * shape.heads + head
                for tile, (window, query) in enumerate(
                    zip(window_of[index].tolist(), query_of[index].tolist(), strict=True)
                ):
                    if window // _BATCH == number:
                        end = query + sampling.tile
                        sampled = scores[window % _BATCH, head, query:end, :end]
                        kept[index, tile] = (sampled.numpy().copy(), sampling.mask(query))
            if progress is not None:
                done = number * shape.layers + layer + 1
                progress("attention scores", done, len(batches) * shape.layers)

        model.transformer.hidden(batch, on_scores)

    tiles = [
        [kept[index, tile] for tile in range(sampling.tiles_per_head)]
        for index in range(len(window_of))
    ]
    heads = calibration.constants(sampling.headroom)
    return ScoreTraffic.from_tiles(
        tiles, heads, provenance=provenance, source=source, synthetic=False
    )


class _Listener(Transformer):
    """A decoder that notes the input of each layer in ``heard``, ``(tokens, inputs)`` by name."""

    def __init__(self, model: GgufModel, names: set[str]) -> None:
        super().__init__(model)
        self.heard: dict[str, NDArray[np.float32]] = {}
        self._names = names

    def _linear(self, x: Tensor, name: str) -> Tensor:
        if name in self._names:
            self.heard[name] = x.flatten(0, -2).numpy().copy()
        return super()._linear(x, name)


def collect_layers(
    model: GgufModel,
    works: dict[str, str],
    layers: tuple[int, ...],
    *,
    windows: int,
    window: int,
    seed: int,
    provenance: dict[str, Any],
    source: str,
) -> LayerTraffic:
    """Take the linear layers of some decoder blocks, with their inputs over drawn text.

    Args:
        model: The language model.
        works: Title: text.
        layers: The blocks.
        windows: Passages of text.
        window: Tokens of each.
        seed: Of the draw of passages.
        provenance: Goes into the result, with the digest of the tokens.
        source: Goes into the result as it is.
    """
    sampling = ScoreSampling(windows=windows, window=window, tile=window, seed=seed)
    tokens = draw_windows(works, build_tokenizer(model.metadata), sampling)
    parts = [(layer, part) for layer in layers for part in INPUT_OF]
    listener = _Listener(model, {f"blk.{layer}.{part}" for layer, part in parts})
    with one_torch_thread():
        listener.hidden(tokens)
    kept = tokens.numpy().astype(np.int32)
    return LayerTraffic(
        linears=[
            LinearLayer(
                layer=layer,
                part=part,
                weight=model.int4[f"blk.{layer}.{part}.weight"],
                x=listener.heard[f"blk.{layer}.{part}"],
            )
            for layer, part in parts
        ],
        tokens=kept,
        provenance=provenance | {"tokens_sha256": digest(kept.tobytes())},
        source=source,
        synthetic=False,
    )
