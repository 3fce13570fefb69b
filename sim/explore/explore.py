"""Explore a space of chips in stages, each of which looks closer at fewer points.

1. *closed forms* of all points, with the intervals of their prices
2. *event model*: points that may be on the front, wherever in their intervals the truth lies, with
   the cycles of attention stepped where the closed form is but a bound
3. *synthesis*: units of the best points of the front implemented, in place of their estimates
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.parallel import as_done, in_parallel
from consilico.sim.base.progress import Progress
from consilico.sim.explore.evaluate import Evaluated, chunks, evaluate
from consilico.sim.explore.exploration import STAGES, Exploration, ExploredPoint, FrontPoint
from consilico.sim.explore.front import (
    RankInversions,
    dominators,
    fronts,
    may_be_on_front,
    rank_inversions,
)
from consilico.sim.explore.known import KnownPoints
from consilico.sim.explore.perplexity import (
    PERPLEXITY,
    NormalizerPerplexity,
    Perplexities,
    perplexities,
)
from consilico.sim.explore.space import FIGURES, DesignPoint, Space
from consilico.sim.explore.synthesis import SynthesizedUnit, repriced, synthesize, unit_jobs
from consilico.sim.system.answer import SystemAnswer
from consilico.sim.system.simulate import system

__all__ = ["explore"]

_STEPPED = 1 << 20  # cycles that an event model of a tile may have: a second or so


def explore(
    space: Space,
    objectives: Sequence[str] = tuple(FIGURES),
    workers: int | str | None = None,
    synthesize_front: int = 0,
    progress: Progress | None = None,
) -> Exploration:
    """Return the points of a space with their figures, and the front of the best.

    A point that is refused is listed with its reason; it ends nothing. What was computed before is
    not computed again, whoever computed it.

    Args:
        space: The space.
        objectives: Names of :data:`consilico.sim.explore.space.FIGURES`, and ``perplexity``, all to
            be small.
        workers: Processes, or ``dask:ADDRESS`` of a Dask scheduler; None: as many processes as
            there are processors. Results are the same.
        synthesize_front: Points of the front whose units are implemented, the ones that are best
            in an objective first; 0: none, which needs no tools.
        progress: Called with a label, chunks done and chunks in all.

    Raises:
        UserError: If an objective is unknown, no point meets the constraints, a constraint cannot
            be computed, or all points are refused.
    """
    accepted_names = (*FIGURES, PERPLEXITY)
    unknown = [name for name in objectives if name not in accepted_names]
    if unknown or not objectives or len(set(objectives)) < len(objectives):
        raise UserError(
            f"objectives must be some of {', '.join(accepted_names)}, each once, not"
            f" {', '.join(objectives) or 'none'}"
        )
    points = list(space.points())
    if not points:
        raise UserError(f"no point of {space.size:,} meets the constraints")
    run = _Run(space=space, workers=workers, progress=progress)
    first = run.figures(points, 0)
    accepted = [place for place, found in enumerate(first) if not found.refused]
    if not accepted:
        raise UserError(f"all {len(points):,} points are refused, the first: {first[0].refused}")
    kept = [place for place in accepted if _within(space, points[place], first[place])]
    if not kept:
        raise UserError(f"no point of {len(accepted):,} meets the constraints on figures")
    answers = None
    if PERPLEXITY in objectives:
        pairs = ((points[place].normaliser, points[place].p_format) for place in accepted)
        answers = perplexities(pairs, space.workload.context)
    aims = _Aims(objectives=tuple(objectives), points=points, answers=answers)
    possible, _ = may_be_on_front([aims.intervals(place, first[place]) for place in kept])
    candidates = [place for place, may in zip(kept, possible, strict=True) if may]
    again = run.figures([points[place] for place in candidates], _STEPPED)
    second = dict(zip(candidates, again, strict=True))
    latest = {place: second.get(place, first[place]) for place in kept}
    by, best = _dominated(latest, aims)
    _, certain = may_be_on_front(
        [aims.intervals(place, second[place], at_best=True) for place in candidates]
    )
    sure = {
        place
        for place, always in zip(candidates, certain, strict=True)
        if always and aims.is_known(place)
    }
    chosen = _in_turn(best, second, aims)[:synthesize_front]
    units, third = run.synthesized({place: points[place] for place in chosen})
    inversions = [
        *_inversions(objectives, STAGES[:2], dict(enumerate(first)), second),
        *_inversions(objectives, STAGES[1:], second, third),
    ]
    return Exploration(
        space=space,
        objectives=tuple(objectives),
        perplexities=answers,
        points=tuple(
            ExploredPoint(
                index=place, point=point, figures=latest.get(place, first[place]),
                perplexity=None if first[place].refused else aims.perplexity(place),
                candidate=place in second, within=place in latest, dominated_by=by.get(place),
            )
            for place, point in enumerate(points)
        ),
        front=tuple(
            FrontPoint(
                index=place, closed_forms=first[place], event_model=second[place],
                synthesis=third.get(place), certain=place in sure,
                perplexity=aims.perplexity(place),
                answer=_answer(space, points[place]),
            )
            for place in best
        ),
        inversions=tuple(inversions),
        units=tuple(units),
        computed=run.computed,
        from_cache=run.from_cache,
    )  # fmt: skip


@dataclass(kw_only=True)
class _Run:
    """Long work of an exploration: by whom it is done, and how much of it was known."""

    space: Space
    workers: int | str | None
    progress: Progress | None
    computed: int = 0
    from_cache: int = 0

    def figures(self, points: Sequence[DesignPoint], stepped: int) -> list[Evaluated]:
        """Return the figures of points, in their order; those that are not known are computed."""
        workload = self.space.workload
        known = KnownPoints(workload, stepped)
        missing = [point for point in points if known.get(point) is None]
        code = code_digest(evaluate.__module__) if isinstance(self.workers, str) else ""
        jobs = chunks(workload, missing, stepped, code)
        label = STAGES[bool(stepped)]
        for place, found in as_done(evaluate, jobs, label, self.workers, self.progress):
            known.add(jobs[place].points, found)
        self.computed += len(missing)
        self.from_cache += len(points) - len(missing)
        figures = [known.get(point) for point in points]
        assert None not in figures
        return [found for found in figures if found is not None]

    def synthesized(
        self, points: Mapping[int, DesignPoint]
    ) -> tuple[list[SynthesizedUnit], dict[int, Evaluated]]:
        """Implement the units of some points.

        Returns:
            The units, each once, and the figures of the points with their prices.
        """
        workload = self.space.workload
        jobs = {place: list(unit_jobs(workload, point)) for place, point in points.items()}
        each = {job.key: job for own in jobs.values() for job in own}
        made = in_parallel(synthesize, list(each.values()), STAGES[2], self.workers, self.progress)
        units = dict(zip(each, made, strict=True))
        return made, {
            place: repriced(workload, points[place], own, units, _STEPPED)
            for place, own in jobs.items()
        }


@dataclass(frozen=True, kw_only=True)
class _Aims:
    """Objectives of a search: quantities that are to be small, of the points of a space."""

    objectives: tuple[str, ...]
    points: Sequence[DesignPoint]
    answers: Perplexities | None  # None: perplexity is no objective

    def perplexity(self, place: int) -> NormalizerPerplexity | None:
        """Return what is known of the perplexity of a point; None: it is no objective."""
        if self.answers is None:
            return None
        point = self.points[place]
        return self.answers.of(point.normaliser, point.p_format)

    def is_known(self, place: int) -> bool:
        """Tell whether all objectives of a point are known."""
        found = self.perplexity(place)
        return found is None or found.ratio is not None

    def intervals(self, place: int, found: Evaluated, at_best: bool = False) -> list[Interval]:
        """Return what has to be compared of a point.

        Args:
            place: The point.
            found: Its figures.
            at_best: Compare as if unknown perplexities were the best of all.
        """
        own = [found.figure(FIGURES[name]) for name in self.objectives if name in FIGURES]
        known = self.perplexity(place)
        if self.answers is None or known is None:
            return own
        if at_best:
            return [*own, exactly(self.answers.at_best(known))]
        return [*own, *map(exactly, self.answers.order(known))]

    def key(self, name: str, place: int, found: Evaluated) -> tuple[float, int]:
        """Return what points are sorted by in an objective; unknown ones come last."""
        if name in FIGURES:
            return found.figure(FIGURES[name]).value, place
        known = self.perplexity(place)
        return (inf if known is None or known.ratio is None else known.ratio), place


def _within(space: Space, point: DesignPoint, found: Evaluated) -> bool:
    """Tell whether the figures of a point meet the constraints on figures."""
    return space.accepts(point, {name: found.figure(name).value for name in FIGURES.values()})


def _dominated(figures: Mapping[int, Evaluated], aims: _Aims) -> tuple[dict[int, int], list[int]]:
    """Return who dominates each point that is not on the front, and the front.

    The front is in the order of the first objective.
    """
    places = np.array(list(figures))
    values = np.array([[each.value for each in aims.intervals(p, figures[p])] for p in figures])
    on_front = fronts(values)
    by = {
        int(place): int(places[other])
        for place, other in zip(places, dominators(values, on_front), strict=True)
        if other is not None
    }
    front = [int(place) for place in places[on_front]]
    return by, sorted(front, key=lambda p: aims.key(aims.objectives[0], p, figures[p]))


def _in_turn(front: Sequence[int], figures: Mapping[int, Evaluated], aims: _Aims) -> list[int]:
    """Return a front by the best in the first objective, in the second, and so on in turn."""

    def by(name: str) -> list[int]:
        """Return the front in the order of one objective."""
        return sorted(front, key=lambda place: aims.key(name, place, figures[place]))

    ranked = zip(*(by(name) for name in aims.objectives), strict=True)
    return list(dict.fromkeys(place for same in ranked for place in same))


def _inversions(
    objectives: Sequence[str],
    stages: Sequence[str],
    before: Mapping[int, Evaluated],
    after: Mapping[int, Evaluated],
) -> list[RankInversions]:
    """Return for each objective how two stages order the points that both have seen."""
    places = list(after)
    if len(places) < 2:
        return []
    found = []
    for name in objectives:
        if name not in FIGURES:
            continue  # no stage changes it
        values = [
            np.array([stage[place].figure(FIGURES[name]).value for place in places])
            for stage in (before, after)
        ]
        found.append(rank_inversions(name, (stages[0], stages[1]), places, *values))
    return found


def _answer(space: Space, point: DesignPoint) -> SystemAnswer:
    """Return everything about a point."""
    return system(
        space.workload, point.chip(), point.normaliser, point.p_format, point.pdk,
        point.rung or None, transforms=point.transforms.split(),
    )  # fmt: skip
