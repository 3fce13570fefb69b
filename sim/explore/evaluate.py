"""Figures of points, in chunks: what a process, or a worker of a cluster, is given at a time.

A point takes about a millisecond, so that one at a time would be mostly handing over. A chunk
carries all that it needs; a worker has nothing but the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.explore.space import DesignPoint
from consilico.sim.system.chip import Chip
from consilico.sim.system.simulate import Outline, outline
from consilico.sim.system.transforms import transformed
from consilico.sim.workload.graph import OperatorGraph, Workload, operator_graph

__all__ = ["Chunk", "Evaluated", "chunks", "designed", "evaluate", "evaluated", "graph_of"]

_POINTS = 500  # of a chunk: about a second


@dataclass(frozen=True, kw_only=True)
class Evaluated(Facts):
    """The figures of a point, or why it has none."""

    latency_s: Interval | None = None
    energy_j: Interval | None = None
    area_um2: Interval | None = None
    refused: str = ""

    @classmethod
    def of(cls, found: Outline) -> "Evaluated":
        """Return the figures of an outline."""
        return cls(latency_s=found.latency_s, energy_j=found.energy_j, area_um2=found.area_um2)

    def figure(self, name: str) -> Interval:
        """Return a figure by name, of a point that has figures."""
        found = getattr(self, name)
        assert isinstance(found, Interval)
        return found


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some points of a workload."""

    workload: Workload
    points: tuple[DesignPoint, ...]
    stepped: int  # cycles of a tile up to which its event model is run
    code: str = ""  # digest of the code that a worker must have; empty: of this machine, it has


def chunks(
    workload: Workload, points: Sequence[DesignPoint], stepped: int, code: str
) -> list[Chunk]:
    """Return points in chunks, in their order."""
    return [
        Chunk(
            workload=workload, points=tuple(points[start : start + _POINTS]), stepped=stepped,
            code=code,
        )
        for start in range(0, len(points), _POINTS)
    ]  # fmt: skip


def evaluate(chunk: Chunk) -> list[Evaluated]:
    """Return the figures of the points of a chunk, in their order.

    Raises:
        UserError: If this machine has other code than the one that made the chunk.
    """
    if chunk.code and chunk.code != code_digest(__name__):
        raise UserError(
            "a worker has another version of consilico: install the same one there, and start"
            " it anew"
        )
    return [evaluated(chunk.workload, point, chunk.stepped) for point in chunk.points]


def evaluated(workload: Workload, point: DesignPoint, stepped: int = 0) -> Evaluated:
    """Return the figures of one point; what it is refused for, if it is."""
    try:
        graph, chip = designed(workload, point)
        found = outline(
            graph, chip, point.normaliser, point.p_format, point.pdk,
            point.rung or None, stepped=stepped,
        )  # fmt: skip
    except UserError as error:
        return Evaluated(refused=str(error))
    return Evaluated.of(found)


def designed(workload: Workload, point: DesignPoint) -> tuple[OperatorGraph, Chip]:
    """Return the operators that a point's transforms leave, and its chip.

    Raises:
        UserError: If something is not accepted, or a transform needs hardware that is not there.
    """
    graph, chip = graph_of(workload), point.chip()
    for text in point.transforms.split():
        done, _ = transformed(text, graph, chip)
        if not done.in_cycles:
            raise UserError(f"transform {text} needs {done.needs}")
        graph, chip = done.graph, done.chip
    return graph, chip


@lru_cache(maxsize=64)
def graph_of(workload: Workload) -> OperatorGraph:
    """Return the operators of a workload."""
    return operator_graph(workload)
