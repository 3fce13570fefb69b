"""Rectilinear Steiner trees: how long the wires of a net are, and how they branch.

Up to three pins a tree of least length is known in closed form. Up to :data:`_MOST_EXACT` pins
Steiner points are added one by one where they shorten the spanning tree most (the iterated
1-Steiner heuristic of Kahng and Robins, 1992, within about 1 % of the best); nets of one size are
treated together. Larger nets take a spanning tree whose neighboring edges share what they can.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SteinerTree", "steiner_trees"]

Reals = NDArray[np.float64]

_MOST_EXACT = 9  # pins
_BATCH = 60_000  # distances at a time, to bound memory
_LEAST_GAIN = 1e-6  # um


@dataclass(frozen=True, eq=False)
class SteinerTree:
    """A tree that connects the pins of a net with horizontal and vertical wires.

    The first points are the pins in their order, others are Steiner points. An edge is as long as
    its ends are apart, in x and y together.
    """

    points: Reals  # shape (points, 2), um
    edges: NDArray[np.int64]  # shape (points - 1, 2)

    @property
    def lengths_um(self) -> Reals:
        """Return the length of each edge, in um."""
        ends = self.points[self.edges]
        lengths: Reals = np.abs(ends[:, 0] - ends[:, 1]).sum(-1)
        return lengths

    @property
    def length_um(self) -> float:
        """Return the length of all edges together, in um."""
        return float(self.lengths_um.sum())


def steiner_trees(pins: list[Reals]) -> list[SteinerTree]:
    """Return a tree for each net.

    Args:
        pins: Places of each net's pins, shape ``(pins, 2)``, in um.
    """
    trees: list[SteinerTree | None] = [None] * len(pins)
    by_size: dict[int, list[int]] = {}
    for index, points in enumerate(pins):
        by_size.setdefault(len(points), []).append(index)
    for size, members in by_size.items():
        if size <= _MOST_EXACT:
            found = _small_trees(np.stack([pins[index] for index in members]))
            for index, tree in zip(members, found, strict=True):
                trees[index] = tree
        else:
            for index in members:
                trees[index] = _large_tree(pins[index])
    return [tree for tree in trees if tree is not None]


def _small_trees(nets: Reals) -> Iterator[SteinerTree]:
    """Yield trees of nets that have equally many pins; ``nets`` has shape (nets, pins, 2)."""
    count, size, _ = nets.shape
    if size == 1:
        yield from (SteinerTree(points, np.zeros((0, 2), dtype=np.int64)) for points in nets)
        return
    points = nets
    if size == 3:  # the only Steiner point that can help is the median
        points = np.concatenate([nets, np.median(nets, axis=1, keepdims=True)], axis=1)
    elif size > 3:
        points = _with_steiner_points(nets)
    parents, _ = _spanning(points)
    for place in range(count):
        yield _pruned(points[place], parents[place], size)


def _with_steiner_points(nets: Reals) -> Reals:
    """Return nets with Steiner points appended, the same number to each.

    Points that a net does not need lie on its first pin.
    """
    points = nets
    active = np.arange(len(nets))
    _, lengths = _spanning(points)
    for _ in range(nets.shape[1] - 2):
        extra, gains = _best_points(nets[active], points[active], lengths[active])
        helps = gains > _LEAST_GAIN
        if not helps.any():
            break
        added = nets[:, :1, :].copy()
        added[active[helps], 0] = extra[helps]
        points = np.concatenate([points, added], axis=1)
        active = active[helps]
        _, lengths[active] = _spanning(points[active])
    return points


def _best_points(nets: Reals, points: Reals, lengths: Reals) -> tuple[Reals, Reals]:
    """Return for each net the Hanan point that shortens its spanning tree most, and by how much."""
    count, size, _ = nets.shape
    grid_x, grid_y = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    best = np.zeros((count, 2))
    gains = np.zeros(count)
    step = max(1, _BATCH // (size * size * (points.shape[1] + 1)))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        candidates = np.stack(
            [nets[part][:, grid_x.ravel(), 0], nets[part][:, grid_y.ravel(), 1]], axis=-1
        )
        own = points[part][:, None].repeat(candidates.shape[1], axis=1)
        tried = np.concatenate([own, candidates[:, :, None, :]], axis=2)
        flat = tried.reshape(-1, *tried.shape[2:])
        _, found = _spanning(flat)
        found = found.reshape(candidates.shape[:2])
        chosen = found.argmin(axis=1)
        rows = np.arange(len(chosen))
        best[part] = candidates[rows, chosen]
        gains[part] = lengths[part] - found[rows, chosen]
    return best, gains


def _spanning(points: Reals) -> tuple[NDArray[np.int64], Reals]:
    """Return minimum spanning trees (Prim): each point's parent and each tree's length.

    Args:
        points: Shape (nets, points, 2). The root is the first point, its own parent.
    """
    count, size, _ = points.shape
    rows = np.arange(count)
    inside = np.zeros((count, size), dtype=bool)
    inside[:, 0] = True
    parents = np.zeros((count, size), dtype=np.int64)
    distance = np.abs(points - points[:, :1]).sum(-1)
    lengths = np.zeros(count)
    for _ in range(size - 1):
        nearest = np.where(inside, np.inf, distance).argmin(axis=1)
        lengths += distance[rows, nearest]
        inside[rows, nearest] = True
        from_it = np.abs(points - points[rows, nearest][:, None]).sum(-1)
        closer = (from_it < distance) & ~inside
        parents = np.where(closer, nearest[:, None], parents)
        distance = np.where(closer, from_it, distance)
    return parents, lengths


def _pruned(points: Reals, parents: NDArray[np.int64], pins: int) -> SteinerTree:
    """Return a tree without Steiner points at which nothing branches."""
    edges = [(int(parent), child) for child, parent in enumerate(parents) if child]
    while True:
        degree = np.bincount(np.array(edges).ravel(), minlength=len(points))
        leaves = [point for point in range(pins, len(points)) if degree[point] == 1]
        if not leaves:
            break
        edges = [edge for edge in edges if not set(edge) & set(leaves)]
    kept = sorted({point for edge in edges for point in edge} | set(range(pins)))
    number = {point: place for place, point in enumerate(kept)}
    renamed = np.array([(number[one], number[other]) for one, other in edges], dtype=np.int64)
    return SteinerTree(points[kept], renamed.reshape(-1, 2))


def _large_tree(pins: Reals) -> SteinerTree:
    """Return a spanning tree in which edges that meet in a point share a Steiner point.

    Of the edges at a point, those two share that have most in common, as long as any do.
    """
    parents, _ = _spanning(pins[None])
    points = pins.tolist()
    neighbors: list[set[int]] = [set() for _ in points]
    for child, parent in enumerate(parents[0].tolist()):
        if child:
            neighbors[child].add(parent)
            neighbors[parent].add(child)
    for point in range(len(pins)):
        while (found := _most_common(points, point, sorted(neighbors[point]))) is not None:
            one, other, meeting = found
            new = len(points)
            points.append(meeting)
            neighbors.append({point, one, other})
            for each in (one, other):
                neighbors[point].discard(each)
                neighbors[each].discard(point)
                neighbors[each].add(new)
            neighbors[point].add(new)
    edges = [(one, other) for one in range(len(points)) for other in neighbors[one] if one < other]
    return SteinerTree(np.array(points), np.array(edges, dtype=np.int64).reshape(-1, 2))


def _most_common(
    points: list[list[float]], point: int, neighbors: list[int]
) -> tuple[int, int, list[float]] | None:
    """Return the two neighbors whose edges to a point share most, and where they part."""
    x, y = points[point]
    best, found = _LEAST_GAIN, None
    for place, one in enumerate(neighbors):
        for other in neighbors[:place]:
            middle_x = sorted((x, points[one][0], points[other][0]))[1]
            middle_y = sorted((y, points[one][1], points[other][1]))[1]
            shared = abs(x - middle_x) + abs(y - middle_y)
            if shared > best:
                best, found = shared, (one, other, [middle_x, middle_y])
    return found
