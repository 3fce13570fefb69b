"""Legalization: cells onto rows and sites without overlap, as near as can be to where they were.

The method is Abacus (Spindler, Schlichtmann and Johannes, ISPD 2008): cells go to the rows one by
one from left to right, and those of a row that would overlap are drawn together to clusters, each
at the place where the sum of its cells' squared movements is least.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.layout.placement import Core, Reals

__all__ = ["legalize"]


@dataclass
class _Cluster:
    """Neighboring cells of a row without a gap; ``pull`` over ``weight`` is the best place."""

    x: float
    weight: float
    pull: float
    width: float
    cells: list[int] = field(default_factory=list)


class _Row:
    """One row: its clusters from left to right."""

    def __init__(self, width_um: float) -> None:
        self.width_um = width_um
        self.free_um = width_um
        self.clusters: list[_Cluster] = []

    def place(self, wanted: float, width: float) -> tuple[float, int, _Cluster]:
        """Return where a cell that is appended would lie.

        Returns:
            Its x; the number of clusters that stay as they are; the cluster after them.
        """
        last = self.clusters[-1] if self.clusters else None
        wanted = min(max(wanted, 0.0), self.width_um - width)
        if last is None or last.x + last.width <= wanted:
            return wanted, len(self.clusters), _Cluster(wanted, 1.0, wanted, width)
        weight, pull, total = last.weight + 1, last.pull + wanted - last.width, last.width + width
        kept = len(self.clusters) - 1
        while True:
            x = min(max(pull / weight, 0.0), self.width_um - total)
            if not kept or self.clusters[kept - 1].x + self.clusters[kept - 1].width <= x:
                return x + total - width, kept, _Cluster(x, weight, pull, total)
            kept -= 1
            before = self.clusters[kept]
            pull = before.pull + pull - weight * before.width
            weight += before.weight
            total += before.width

    def commit(self, cell: int, width: float, kept: int, cluster: _Cluster) -> None:
        """Append a cell as :meth:`place` found."""
        cluster.cells = [each for old in self.clusters[kept:] for each in old.cells] + [cell]
        del self.clusters[kept:]
        self.clusters.append(cluster)
        self.free_um -= width


def legalize(widths_um: Reals, core: Core, x_um: Reals, y_um: Reals) -> tuple[Reals, Reals]:
    """Move cells to rows and sites so that none overlap.

    Args:
        widths_um: Widths of the cells, whole numbers of sites.
        core: Rows and sites.
        x_um: Left ends of the cells where a global placement put them.
        y_um: Lower ends.

    Returns:
        Legal x and y.

    Raises:
        UserError: If the cells do not fit into the rows.
    """
    rows = [_Row(core.width_um) for _ in range(core.rows)]
    widths = widths_um.tolist()
    for cell in np.argsort(x_um + widths_um / 2, kind="stable").tolist():
        width, x, y = widths[cell], float(x_um[cell]), float(y_um[cell])
        nearest = round(y / core.row_um)
        best: tuple[float, int, int, _Cluster] | None = None
        for distance in range(core.rows + abs(nearest) + 1):
            if best is not None and (distance - 1) * core.row_um > best[0]:
                break
            for number in {nearest - distance, nearest + distance}:
                if not 0 <= number < core.rows or rows[number].free_um < width - 1e-9:
                    continue
                at, kept, cluster = rows[number].place(x, width)
                cost = abs(at - x) + abs(number * core.row_um - y)
                if best is None or (cost, number) < best[:2]:
                    best = cost, number, kept, cluster
        if best is None:
            raise UserError(
                f"{len(widths)} cells do not fit into {core.rows} rows; accepted: a lower"
                " utilization"
            )
        rows[best[1]].commit(cell, width, *best[2:])
    legal_x, legal_y = np.empty_like(x_um), np.empty_like(y_um)
    for number, row in enumerate(rows):
        end = 0  # in sites
        rest = round((core.width_um - row.free_um) / core.site_um)
        sites = math.floor(core.width_um / core.site_um + 1e-6)
        for cluster in row.clusters:
            x = cluster.x
            for cell in cluster.cells:
                wide = round(widths[cell] / core.site_um)
                at = max(end, min(round(x / core.site_um), sites - rest))
                legal_x[cell], legal_y[cell] = at * core.site_um, number * core.row_um
                end, rest = at + wide, rest - wide
                x += widths[cell]
    return legal_x, legal_y
