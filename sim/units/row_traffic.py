"""Provide rows of scores to measure the activity of units with: a model's, or drawn ones."""

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.score_traffic import normal_codes, score_traffic, synthetic_traffic
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic

__all__ = ["DRAWN_SCALE", "model_rows", "traffic_rows"]

Codes = NDArray[np.int64]
Masks = NDArray[np.bool_]

DRAWN_SCALE = 8 / 127  # natural units a code, of drawn scores
_MODEL_HEADS = 4  # heads a traffic sample is taken from, spread over the layers


def traffic_rows(
    source: str, longest: int, scores: int
) -> list[tuple[float, list[tuple[Codes, Masks]]]]:
    """Return rows to measure activity with, by head.

    Args:
        source: ``"model"``: of a language model, with its masks (from a synthetic trace where the
            model is not installed); ``"synthetic"``: of that synthetic trace; ``"normal"``: rows as
            long as possible of a clipped normal, mean -20, deviation 35, nothing masked.
        longest: Scores of the longest row.
        scores: How many scores in all, about.

    Returns:
        For each head its scale, natural units per code, and its rows of INT8 scores and masks.

    Raises:
        ValueError: If the source has longer rows.
    """
    if source == "normal":
        codes = normal_codes(max(1, scores // longest) * longest, 1).astype(np.int64)
        rows = codes.reshape(-1, longest)
        return [(DRAWN_SCALE, [(row, np.zeros(longest, dtype=bool)) for row in rows])]
    sampling = ScoreSampling()
    traffic = (
        synthetic_traffic(sampling, reason="asked for")
        if source == "synthetic"
        else score_traffic(sampling=sampling)
    )
    if longest < sampling.window:
        raise ValueError(f"row must be at least {sampling.window}, not {longest}")
    return model_rows(traffic, sampling, _MODEL_HEADS, scores)


def model_rows(
    traffic: ScoreTraffic, sampling: ScoreSampling, heads: int, scores: int
) -> list[tuple[float, list[tuple[Codes, Masks]]]]:
    """Return rows of a few heads, evenly spread over the model, each whole, in drawn order.

    Args:
        traffic: Collected with ``sampling``.
        sampling: Tells where a row begins.
        heads: How many heads.
        scores: How many scores in all, about.
    """
    _, query_of = sampling.plan(len(traffic.heads))
    rng = np.random.default_rng(sampling.seed)
    found = []
    for index in np.linspace(0, len(traffic.heads) - 1, heads).astype(int):
        where = np.flatnonzero(traffic.head == index)
        lengths = np.repeat(query_of[index] + sampling.tile, sampling.tile)
        rows = np.split(where, np.cumsum(lengths)[:-1])
        taken, left = [], scores // heads
        for row in rng.permutation(len(rows)).tolist():
            if left <= 0:
                break
            taken.append((traffic.codes[rows[row]].astype(np.int64), traffic.mask[rows[row]]))
            left -= len(rows[row])
        found.append((traffic.heads[index].scale, taken))
    return found
