"""Scores that attention units are driven with, and what the contracts of those units share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.score_traffic import normal_codes, score_traffic, synthetic_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.contract import FREE, MOVES, Contract, PerBeat, clocked_by

__all__ = [
    "COVERAGE",
    "SOURCES",
    "HeadScores",
    "Masks",
    "Scores",
    "add_scores",
    "every_code",
    "lane_contract",
    "model_scores",
    "traffic_scores",
]

Scores = NDArray[np.int64]
Masks = NDArray[np.bool_]

SOURCES = ("normal", "model", "synthetic")
# (scale, log C) of the issue of energy on drawn scores: freshly initialized beta and gamma
_DRAWN_HEAD = (8 / 127, -1.5 - float(np.log(100.0)))
_MODEL_HEADS = 4  # heads a traffic sample is taken from, spread over the layers

COVERAGE = (
    "every_code",
    "least_score",
    "greatest_score",
    "zero_score",
    "masked",
    "unmasked",
    "all_masked",
    "underflow",
    "overflow",
    "head_loaded",
    "model_head",
    "reset_in_stream",
    "underflow_then_none",
    "overflow_then_none",
    "both_flags",
    "masked_underflow",
    "masked_overflow",
    "rounded_too_large",
)


class HeadScores(NamedTuple):
    """INT8 scores of one head, with what its hardware has to know."""

    scale: float  # natural units a code
    log_c: float  # natural logarithm of ConSmax's merged constant C
    score: Scores  # (beats, lanes)
    mask: Masks  # the same shape; True: masked


def add_scores(
    builder: StimulusBuilder, score: Scores, mask: Masks, results: int | None = None
) -> None:
    """Add beats of scores.

    Args:
        builder: What they are added to.
        score: Codes, shape ``(beats, lanes)``.
        mask: The same shape; True: masked.
        results: Results that come of them; as many as scores if not given.
    """
    builder.data({"score": score, "mask": mask}, score.size if results is None else results)


def every_code(rng: np.random.Generator, lanes: int, width: int = 8) -> Scores:
    """Return beats in which every lane sees every signed code once, each in its own order.

    Returns:
        Shape ``(2 ** width, lanes)``.
    """
    codes = 1 << width
    return np.stack([rng.permutation(codes) - codes // 2 for _ in range(lanes)], axis=1)


def model_scores(
    lanes: int, beats: int, heads: int, *, synthetic: bool = False
) -> list[HeadScores]:
    """Return a language model's scores of a few heads, evenly spread over the model.

    Args:
        lanes: Scores of a beat.
        beats: Beats of all heads together, about.
        heads: How many heads.
        synthetic: Take them from the synthetic trace, even if the model is installed.

    Returns:
        The scores of each head in the order in which they arise.
    """
    traffic = (
        synthetic_traffic(ScoreSampling(), reason="asked for") if synthetic else score_traffic()
    )
    share = max(1, beats // heads)
    parts = []
    for index in np.linspace(0, len(traffic.heads) - 1, heads).astype(int):
        where = np.flatnonzero(traffic.head == index)
        picked = np.resize(where, share * lanes)
        constants = traffic.heads[index]
        parts.append(
            HeadScores(
                scale=constants.scale,
                log_c=constants.log_c,
                score=traffic.codes[picked].astype(np.int64).reshape(share, lanes),
                mask=traffic.mask[picked].reshape(share, lanes),
            )
        )
    return parts


def traffic_scores(source: str, lanes: int, beats: int) -> list[HeadScores]:
    """Return scores to measure activity with.

    Args:
        source: ``"model"``: of a language model, with its masks (from a synthetic trace where the
            model is not installed); ``"synthetic"``: of that synthetic trace; ``"normal"``: a
            clipped normal, mean -20, deviation 35, nothing masked.
        lanes: Scores of a beat.
        beats: Number of beats, about.
    """
    if source == "normal":
        score = normal_codes(beats * lanes, 1).astype(np.int64).reshape(beats, lanes)
        scale, log_c = _DRAWN_HEAD
        return [HeadScores(scale, log_c, score, np.zeros(score.shape, dtype=bool))]
    return model_scores(lanes, beats, _MODEL_HEADS, synthetic=source == "synthetic")


def lane_contract(
    rest: Sequence[int],
    latency_cycles: int,
    cfg: Sequence[str] = (),
    looks_up: Sequence[str] = (),
) -> Contract:
    """Return the contract of a unit whose lanes of these numbers hold still where masked.

    Args:
        rest: Numbers of the lanes.
        latency_cycles: Latency of the unit.
        cfg: Gated clock domains of what is configured.
        looks_up: Gated clock domains of a lane, after its first, that rest for masked scores, too.
    """
    of_lanes = {
        f"lane{lane}.{domain}_clk": PerBeat(masked_by=f"lane{lane}/mask")
        for lane in rest
        for domain in looks_up
    }
    return Contract(
        masked_clocks={f"lane{lane}/mask": f"lane{lane}.taken_clk" for lane in rest},
        beat_clocks=clocked_by(latency_cycles, cfg=cfg) | of_lanes,
        ready={"i": MOVES, "cfg": FREE},
    )
