"""Effect of scores in quarters of a bit on the attention of a language model.

``consmax/base2`` and ``softermax`` take them. The rows of a model's trace are normalized with exact
softmax before and after their scores are rounded. The trace holds INT8 scores, whose own steps are
about as great, so this is what one rounding adds to the other.

``python -m consilico.reports.consmax.quarter_bits FILE`` writes the figures.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consilico.golden.attention.consmax_base2 import QUARTERS, Base2Config, base2_codes
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic
from consilico.sim.units.row_traffic import model_rows

__all__ = ["RoundedAttention", "rounded_attention"]


@dataclass(frozen=True, kw_only=True)
class RoundedAttention(Facts):
    """Change in a model's attention when its scores are rounded."""

    source: str
    synthetic: bool  # not from a model
    rows: int
    scores: int  # not masked
    score_width: int  # bits of a rounded score
    saturated: float  # fraction of the scores
    mean_moved: float  # fraction of a row's weight that goes to other keys
    most_moved: float
    other_greatest: float  # fraction of the rows whose greatest weight is another key's


def rounded_attention(
    traffic: ScoreTraffic, sampling: ScoreSampling, config: Base2Config
) -> RoundedAttention:
    """Return what rounding to quarters of a bit changes in all rows of a trace.

    Args:
        traffic: Scores of a model.
        sampling: Tells where its rows begin.
        config: The unit that takes the scores.
    """
    import torch

    moved, saturated, others, scores = [], 0, 0, 0
    greatest = (1 << config.score_width - 1) - 1
    heads = len(traffic.heads)
    for scale, rows in model_rows(traffic, sampling, heads, heads * len(traffic.codes)):
        for codes, mask in rows:
            exact = torch.from_numpy(codes[~mask] * scale)
            rounded = base2_codes(exact, config)
            saturated += int(((rounded == greatest) | (rounded == -greatest - 1)).sum())
            scores += len(rounded)
            weights = torch.softmax(exact, dim=0)
            found = torch.softmax(rounded * (np.log(2) / QUARTERS), dim=0)
            moved.append(float((weights - found).abs().sum()) / 2)
            others += int(exact[found.argmax()] < exact.max())
    return RoundedAttention(
        source=traffic.source,
        synthetic=traffic.synthetic,
        rows=len(moved),
        scores=scores,
        score_width=config.score_width,
        saturated=saturated / scores,
        mean_moved=float(np.mean(moved)),
        most_moved=max(moved),
        other_greatest=others / len(moved),
    )


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m consilico.reports.consmax.quarter_bits", description=__doc__
    )
    parser.add_argument("file", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    traffic = score_traffic()
    if traffic.synthetic:
        parser.error(f"figures need a real trace: {traffic.provenance['reason']}")
    found = rounded_attention(traffic, ScoreSampling(), Base2Config())
    text = json.dumps({"schema": "consilico.quarter_bits/1", **found.to_json()}, indent=1)
    write_atomic(arguments.file, f"{text}\n")
    print(f"wrote {arguments.file}")


if __name__ == "__main__":
    _main()
