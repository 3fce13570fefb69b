"""Runs the language model over text and keeps what its linear layers read."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consilico.sim.base.results import digest
from consilico.sim.traffic.collect import draw_windows
from consilico.sim.traffic.gguf_model import GgufModel
from consilico.sim.traffic.linear import INPUT_OF, LayerTraffic, Linear
from consilico.sim.traffic.sampling import Sampling
from consilico.sim.traffic.tokenizer import build_tokenizer
from consilico.sim.traffic.transformer import Transformer

__all__ = ["collect_layers"]


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
    sampling = Sampling(windows=windows, window=window, tile=window, seed=seed)
    tokens = draw_windows(works, build_tokenizer(model.metadata), sampling)
    parts = [(layer, part) for layer in layers for part in INPUT_OF]
    listener = _Listener(model, {f"blk.{layer}.{part}" for layer, part in parts})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of float additions must not follow the machine's cores
    try:
        listener.hidden(tokens)
    finally:
        torch.set_num_threads(threads)
    kept = tokens.numpy().astype(np.int32)
    return LayerTraffic(
        linears=[
            Linear(
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
