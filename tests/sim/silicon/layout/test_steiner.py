"""Steiner trees: known lengths, whole trees, and never longer than a spanning tree."""

import itertools

import numpy as np
import pytest

from consilico.sim.silicon.layout.steiner import SteinerTree, steiner_trees


def tree_of(*points: tuple[float, float]) -> SteinerTree:
    return steiner_trees([np.array(points, dtype=np.float64)])[0]


def spanning_length(points: np.ndarray) -> float:
    """Return the length of a least spanning tree, edge by edge (Kruskal)."""
    group = list(range(len(points)))
    total = 0.0
    pairs = itertools.combinations(range(len(points)), 2)
    for one, other in sorted(pairs, key=lambda p: float(np.abs(points[p[0]] - points[p[1]]).sum())):
        if group[one] != group[other]:
            total += float(np.abs(points[one] - points[other]).sum())
            group = [group[one] if each == group[other] else each for each in group]
    return total


@pytest.mark.parametrize(
    ("points", "length"),
    [
        (((3.0, 4.0),), 0.0),
        (((0.0, 0.0), (3.0, 4.0)), 7.0),
        (((0.0, 0.0), (4.0, 0.0), (2.0, 3.0)), 7.0),
        (((0.0, 1.0), (2.0, 1.0), (1.0, 0.0), (1.0, 2.0)), 4.0),  # a cross: one Steiner point
        (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)), 3.0),  # a square: none helps
        (((0.0, 0.0), (4.0, 0.0), (0.0, 1.0), (4.0, 1.0)), 6.0),
        # two crosses in a row
        (((0.0, 1.0), (1.0, 0.0), (1.0, 2.0), (3.0, 0.0), (3.0, 2.0), (4.0, 1.0)), 8.0),
    ],
)
def test_trees_of_known_length(points: tuple[tuple[float, float], ...], length: float) -> None:
    assert tree_of(*points).length_um == pytest.approx(length)


@pytest.mark.parametrize("count", [2, 3, 4, 6, 9, 10, 25])
def test_a_tree_connects_all_pins_and_is_no_longer_than_a_spanning_tree(count: int) -> None:
    rng = np.random.default_rng(count)
    nets = [rng.random((count, 2)) for _ in range(20)]
    for points, tree in zip(nets, steiner_trees(nets), strict=True):
        np.testing.assert_array_equal(tree.points[:count], points)
        assert len(tree.edges) == len(tree.points) - 1
        group = list(range(len(tree.points)))
        for one, other in tree.edges.tolist():
            group = [group[one] if each == group[other] else each for each in group]
        assert len(set(group)) == 1
        assert tree.length_um <= spanning_length(points) + 1e-9
        box = np.ptp(points, axis=0).sum()
        assert tree.length_um >= box - 1e-9


def test_steiner_points_save_what_the_literature_says() -> None:
    """Iterated 1-Steiner saves about 9.5 % on 8 random pins (Kahng and Robins, 1992, table I)."""
    rng = np.random.default_rng(8)
    nets = [rng.random((8, 2)) for _ in range(200)]
    saved = 1 - sum(tree.length_um for tree in steiner_trees(nets)) / sum(
        map(spanning_length, nets)
    )
    assert 0.09 < saved < 0.12


def test_pins_in_one_place_take_no_wire() -> None:
    assert tree_of((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)).length_um == 0
