"""Findings of an exploration: points with their figures, the front, and where stages disagree."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from consilico.sim.explore.evaluate import Evaluated
from consilico.sim.explore.front import RankInversions
from consilico.sim.explore.perplexity import NormalizerPerplexity, Perplexities
from consilico.sim.explore.space import FIGURES, DesignPoint, Space
from consilico.sim.explore.synthesis import SynthesizedUnit
from consilico.sim.system.answer import SystemAnswer

__all__ = ["NOT_MEASURED", "STAGES", "Exploration", "ExploredPoint", "FrontPoint"]

STAGES = ("closed forms", "event model", "synthesis")
"""Stages of an exploration, from all points to the few best."""

NOT_MEASURED = "not measured"
"""What a table has in place of a perplexity that is not known."""

_OF_NORMALIZER = ("kind", "share_of_latency", "share_of_energy", "area_um2", "buffer_kib")
_OF_PERPLEXITY = (
    (
        "perplexity is that of the model that was measured, whatever the model of the space, with"
        " the normalizer, INT8 scores and the form of its results; what weights and transforms do"
        " is not in it"
    ),
    (
        "a perplexity that was not measured is neither better nor worse than another one: chips"
        " with it are compared with each other only, and none of them is certain to be on the front"
    ),
)
_RATIO = "perplexity_ratio"
_SHOWN = 10  # points of a reason that are named
_ASSUMPTIONS = (
    (
        "what an interval comes from is common to all points: a price that is too low is so for"
        " each; between two kits that need not be so"
    ),
    (
        "a point may be on the front if it is where each objective is at the low ends, the values"
        " or the high ends of all points, and is certain to be if it is in all these cases"
    ),
    "arrays, vector lanes and memories stay as they are estimated where units are implemented",
)


def _of(perplexity: NormalizerPerplexity | None) -> dict[str, float | None]:
    """Return a perplexity as JSON has it, null where it is not known; nothing if it is no aim."""
    return {} if perplexity is None else {_RATIO: perplexity.ratio}


def _told(perplexity: NormalizerPerplexity) -> float | str:
    """Return a perplexity as a table has it."""
    return NOT_MEASURED if perplexity.ratio is None else perplexity.ratio


@dataclass(frozen=True, kw_only=True)
class ExploredPoint:
    """A point with the figures of the last stage before synthesis that looked at it."""

    index: int
    point: DesignPoint
    figures: Evaluated
    perplexity: NormalizerPerplexity | None  # None: no objective, or the point is refused
    candidate: bool  # may be on the front, by closed forms
    within: bool  # meets the constraints on figures, and is not refused
    dominated_by: int | None  # a point of the front; None: on it, refused or not within

    def row(self, varied: list[str]) -> dict[str, Any]:
        """Return the point as a row of a table, with the fields of which a space has several."""
        own = {name: getattr(self.point, name) for name in varied}
        figures = {
            f"{name}{end}": getattr(self.figures.figure(name), of)
            for name in FIGURES.values()
            for end, of in (("", "value"), ("_low", "low"), ("_high", "high"))
            if not self.figures.refused
        }
        state = {
            "on_front": self.within and self.dominated_by is None,
            "candidate": self.candidate, "within": self.within,
            "dominated_by": "" if self.dominated_by is None else self.dominated_by,
            "refused": self.figures.refused,
        }  # fmt: skip
        answers = {} if self.perplexity is None else {_RATIO: _told(self.perplexity)}
        return {"index": self.index} | own | figures | answers | state

    def to_json(self, varied: list[str]) -> dict[str, Any]:
        """Return the exploration as data that JSON can carry."""
        found = self.figures.to_json()
        del found["refused"]
        return {
            "index": self.index,
            "settings": {name: getattr(self.point, name) for name in varied},
            **found,
            **_of(self.perplexity),
            "candidate": self.candidate,
            "within": self.within,
            "dominated_by": self.dominated_by,
        }


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A point that no other one dominates, as each stage sees it."""

    index: int
    closed_forms: Evaluated
    event_model: Evaluated
    synthesis: Evaluated | None  # None: its units were not implemented
    certain: bool  # on the front wherever in their intervals the figures of all points lie
    perplexity: NormalizerPerplexity | None  # None: it is no objective
    answer: SystemAnswer

    @property
    def inside(self) -> dict[str, bool] | None:
        """Tell of which figures synthesis is inside the interval of the stage before."""
        if self.synthesis is None:
            return None
        found = {}
        for objective, name in FIGURES.items():
            before, after = self.event_model.figure(name), self.synthesis.figure(name)
            found[objective] = before.low <= after.value <= before.high
        return found

    def to_json(self, point: DesignPoint, varied: list[str]) -> dict[str, Any]:
        """Return plain data.

        Args:
            point: The point.
            varied: Fields of which the space has several values.
        """
        answer = self.answer.to_json()
        stages = zip(STAGES, (self.closed_forms, self.event_model, self.synthesis), strict=True)
        figures = self.event_model.to_json()
        del figures["refused"]
        return {
            "index": self.index,
            "settings": {name: getattr(point, name) for name in varied},
            **figures,
            **_of(self.perplexity),
            "certain": self.certain,
            "bound": answer["bound"],
            "utilisation": answer["utilisation"],
            "normaliser": {name: answer["normaliser"][name] for name in _OF_NORMALIZER},
            "stages": {
                stage: {name: found.figure(name).value for name in FIGURES.values()}
                for stage, found in stages
                if found is not None
            },
            "inside": self.inside,
            "doubts": answer["doubts"],
        }


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """Points of a space with their figures, and the front of the best."""

    space: Space
    objectives: tuple[str, ...]
    perplexities: Perplexities | None  # None: it is no objective
    points: tuple[ExploredPoint, ...]
    front: tuple[FrontPoint, ...]  # in the order of the first objective
    inversions: tuple[RankInversions, ...]
    units: tuple[SynthesizedUnit, ...]
    computed: int  # figures that were computed, on the first two stages
    from_cache: int  # figures that were known

    @property
    def refused(self) -> dict[str, list[int]]:
        """Return the refused points by reason."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for item in self.points:
            if item.figures.refused:
                found[item.figures.refused].append(item.index)
        return dict(found)

    @property
    def _assumptions(self) -> list[str]:
        """Return what the front rests on."""
        if self.perplexities is None:
            return list(_ASSUMPTIONS)
        return [*_ASSUMPTIONS, *_OF_PERPLEXITY]

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the same, whoever computed it and whatever was known before."""
        workload, varied = self.space.workload, self.space.varied
        return {
            "model": workload.model.name,
            "phase": workload.phase,
            "workload": {
                "context": workload.context, "new": workload.tokens, "batch": workload.batch,
            },
            "objectives": list(self.objectives),
            "varied": varied,
            "fixed": {
                name: values[0] for name, values in self.space.axes.items() if name not in varied
            },
            "constraints": [item.text for item in self.space.constraints],
            "counts": {
                "space": self.space.size,
                "points": len(self.points),
                "refused": sum(map(len, self.refused.values())),
                "within": sum(item.within for item in self.points),
                "candidates": sum(item.candidate for item in self.points),
                "front": len(self.front),
                "certain": sum(item.certain for item in self.front),
                "synthesized": sum(item.synthesis is not None for item in self.front),
            },
            "front": [
                item.to_json(self.points[item.index].point, varied) for item in self.front
            ],
            **({} if self.perplexities is None else {"perplexity": self.perplexities.to_json()}),
            "rank_inversions": [item.to_json() for item in self.inversions],
            "units": [item.to_json() for item in self.units],
            "refused": [
                {"reason": reason, "count": len(places), "points": places[:_SHOWN]}
                for reason, places in self.refused.items()
            ],
            "points": [item.to_json(varied) for item in self.points],
            "assumptions": [*self._assumptions, *dict.fromkeys(
                text for item in self.front for text in item.answer.assumptions
            )],
        }  # fmt: skip
