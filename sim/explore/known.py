"""Known points of a workload, kept between runs so that none is computed twice.

A point takes a millisecond, about what a file of its own would. So the figures of a chunk are one
entry of the result cache, and a journal names the entries of a workload. What was computed before
an interruption is in its chunks; a space that has grown computes what is new.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cached, computed_anew, digest, stored
from consilico.sim.explore.evaluate import Evaluated, graph_of
from consilico.sim.explore.space import DesignPoint
from consilico.sim.units.catalogue import catalogue
from consilico.sim.workload.graph import Workload

__all__ = ["KnownPoints"]

_KIND = "explore"
_FAMILIES = ("attention", "matmul")  # of the units that chips are made of
_TABLES = ("accelerator", "comparison", "estimate")  # rooms with tables that prices come from


class KnownPoints:
    """Figures of points of one workload, on one stage."""

    def __init__(self, workload: Workload, stepped: int) -> None:
        """Read what is known.

        Args:
            workload: What the points are for.
            stepped: Cycles of a tile up to which its event model is run.
        """
        self._context = digest(repr(graph_of(workload)), stepped, _state())
        self._journal: list[str] = stored(_KIND, self._context) or []
        self._known: dict[str, Any] = {}
        for key in self._journal:
            self._known |= stored(_KIND, key) or {}  # one that is damaged is computed anew

    def get(self, point: DesignPoint) -> Evaluated | None:
        """Return the figures of a point, None where they are not known."""
        found = self._known.get(digest(point.to_json()))
        return None if found is None else Evaluated.from_json(found)

    def add(self, points: Sequence[DesignPoint], figures: Sequence[Evaluated]) -> None:
        """Keep the figures of some points, computed together."""
        entry: Mapping[str, Any] = {
            digest(point.to_json()): found.to_json()
            for point, found in zip(points, figures, strict=True)
        }
        key = digest(self._context, sorted(entry))
        cached(_KIND, key, lambda: entry)
        self._known |= entry
        if key not in self._journal:
            # another run of the same workload may have written it meanwhile
            self._journal = [*(stored(_KIND, self._context) or self._journal), key]
            with computed_anew(_KIND):
                cached(_KIND, self._context, lambda: self._journal)


def _state() -> str:
    """Return the digest of code and tables that figures come from."""
    package = Path(__file__).parents[1]
    tables = [
        path
        for room in _TABLES
        for path in sorted((package / room).rglob("*"))
        if path.suffix in (".json", ".toml")
    ]
    units = {unit.latency.__module__ for unit in catalogue().values() if unit.family in _FAMILIES}
    return digest(
        code_digest("consilico.sim.explore.evaluate", *sorted(units)),
        *(path.read_bytes() for path in tables),
    )
