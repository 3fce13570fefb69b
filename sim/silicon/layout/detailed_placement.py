"""Detailed placement: small moves of legally placed cells that make nets shorter.

Passes go over all cells. A cell moves to a gap near the middle of its nets (the optimal region of
Goto, 1981), or changes places with one there; three neighbors are put into their best order; a
cell is mirrored. A move is made where the half-perimeter wirelength gets less, so it never grows.
"""

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from consilico.sim.silicon.layout.placement import Placement

__all__ = ["refine"]

_LEAST_GAIN = 1e-6  # um: what is less is rounding
_NEAR = 4  # gaps and cells to try on either side, per row
_ROWS = 2  # above and below the best one
_WINDOW = 3  # neighbors that are ordered anew

Box = tuple[float, float, float, float]


class _Board:
    """Cells on rows, each row in order, and the nets that connect them."""

    def __init__(self, placement: Placement) -> None:
        design, core = placement.design, placement.core
        self.core, self.cells = core, design.cells
        self.site = core.site_um
        self.x: list[float] = placement.x_um.tolist()
        self.row: list[int] = np.round(placement.y_um / core.row_um).astype(int).tolist()
        self.width: list[float] = design.widths_um.tolist()
        self.flipped: list[bool] = placement.flipped.tolist()
        ports = placement.port_xy_um.tolist()
        starts = design.starts.tolist()
        self.nets_of: list[list[int]] = [[] for _ in range(self.cells)]
        # by net: the pins on cells, and the box of those on ports
        self.pins: list[list[tuple[int, float, float]]] = []
        self.fixed: list[Box | None] = []
        self.pins_in: list[dict[int, list[tuple[float, float]]]] = [{} for _ in range(self.cells)]
        objects = design.pin_object.tolist()
        xs, ys = design.pin_x_um.tolist(), design.pin_y_um.tolist()
        for net in range(len(design.nets)):
            own, fixed = [], []
            for pin in range(starts[net], starts[net + 1]):
                at = objects[pin]
                if at < self.cells:
                    own.append((at, xs[pin], ys[pin]))
                    if net not in self.pins_in[at]:
                        self.nets_of[at].append(net)
                    self.pins_in[at].setdefault(net, []).append((xs[pin], ys[pin]))
                else:
                    fixed.append(ports[at - self.cells])
            self.pins.append(own)
            self.fixed.append(_around(fixed))
        self.order: list[list[int]] = [[] for _ in range(core.rows)]
        for cell in sorted(range(self.cells), key=lambda each: self.x[each]):
            self.order[self.row[cell]].append(cell)

    def _box(self, net: int, without: int = -1) -> Box:
        """Return the box of a net, perhaps without the pins of one cell."""
        low_x = low_y = math.inf
        high_x = high_y = -math.inf
        if (fixed := self.fixed[net]) is not None:
            low_x, high_x, low_y, high_y = fixed
        x, row, width, flipped, high = self.x, self.row, self.width, self.flipped, self.core.row_um
        for cell, dx, dy in self.pins[net]:
            if cell == without:
                continue
            px = x[cell] + (width[cell] - dx if flipped[cell] else dx)
            py = row[cell] * high + (high - dy if row[cell] & 1 else dy)
            if px < low_x:
                low_x = px
            if px > high_x:
                high_x = px
            if py < low_y:
                low_y = py
            if py > high_y:
                high_y = py
        return low_x, high_x, low_y, high_y

    def rest(self, cell: int) -> list[tuple[Box, list[tuple[float, float]]]]:
        """Return, for each net of a cell, the box of all other pins, and the cell's own pins."""
        return [(self._box(net, cell), self.pins_in[cell][net]) for net in self.nets_of[cell]]

    def length(
        self,
        rest: Iterable[tuple[Box, list[tuple[float, float]]]],
        x: float,
        row: int,
        width: float,
        flipped: bool,
    ) -> float:
        """Return the half perimeters of a cell's nets with the cell at a place."""
        total = 0.0
        high = self.core.row_um
        y = row * high
        odd = row & 1
        for (low_x, high_x, low_y, high_y), own in rest:
            for dx, dy in own:
                px = x + (width - dx if flipped else dx)
                py = y + (high - dy if odd else dy)
                if px < low_x:
                    low_x = px
                if px > high_x:
                    high_x = px
                if py < low_y:
                    low_y = py
                if py > high_y:
                    high_y = py
            total += high_x - low_x + high_y - low_y
        return total

    def lengths(self, nets: Iterable[int]) -> float:
        """Return the sum of the half perimeters of some nets as they are."""
        total = 0.0
        for net in nets:
            low_x, high_x, low_y, high_y = self._box(net)
            total += high_x - low_x + high_y - low_y
        return total

    def gap(self, row: int, place: int) -> tuple[float, float]:
        """Return the ends of the free space before the cell at a place of a row's order."""
        order = self.order[row]
        left = self.x[order[place - 1]] + self.width[order[place - 1]] if place else 0.0
        right = self.x[order[place]] if place < len(order) else self.core.width_um
        return left, right

    def room(self, cell: int) -> tuple[float, float]:
        """Return the ends of a cell's own place with the free space on both sides."""
        row = self.row[cell]
        place = self.place(cell)
        return self.gap(row, place)[0], self.gap(row, place + 1)[1]

    def place(self, cell: int) -> int:
        """Return the place of a cell in its row's order."""
        order = self.order[self.row[cell]]
        found = bisect.bisect_left(order, self.x[cell], key=lambda each: self.x[each])
        while order[found] != cell:
            found += 1
        return found

    def on_site(self, x: float, low: float, high: float) -> float | None:
        """Return the site nearest to x from low to high, or None without one."""
        first = math.ceil(low / self.site - 1e-6)
        last = math.floor(high / self.site + 1e-6)
        if first > last:
            return None
        return min(max(round(x / self.site), first), last) * self.site

    def move(self, places: Mapping[int, tuple[int, float]]) -> None:
        """Put cells elsewhere, at once: each to a row and an x, which another may be leaving."""
        for cell in places:
            self.order[self.row[cell]].remove(cell)
        for cell, (row, x) in places.items():
            self.row[cell], self.x[cell] = row, x
            order = self.order[row]
            order.insert(bisect.bisect_left(order, x, key=lambda each: self.x[each]), cell)


def _around(points: list[list[float]]) -> Box | None:
    if not points:
        return None
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), max(xs), min(ys), max(ys)


def refine(placement: Placement, passes: int = 6, least: float = 0.002) -> Placement:
    """Make the nets of a legal placement shorter.

    Args:
        placement: Legal.
        passes: Times to go over all cells, at most.
        least: Relative gain of a pass below which no other follows.

    Returns:
        A legal placement whose half-perimeter wirelength is not greater.
    """
    board = _Board(placement)
    whole = placement.wirelength_um
    for _ in range(passes):
        gained = sum(_relocated(board, cell) for cell in range(board.cells))
        gained += sum(_reordered(board, row) for row in range(placement.core.rows))
        gained += sum(_mirrored(board, cell) for cell in range(board.cells))
        if gained < least * whole:
            break
    return replace(
        placement,
        x_um=np.array(board.x),
        y_um=np.array(board.row) * placement.core.row_um,
        flipped=np.array(board.flipped),
    )


def _relocated(board: _Board, cell: int) -> float:
    """Move a cell to a gap near the middle of its nets, or exchange it with a cell there."""
    rest = board.rest(cell)
    width, row, x, flipped = board.width[cell], board.row[cell], board.x[cell], board.flipped[cell]
    xs: list[float] = []
    ys: list[float] = []
    for (low_x, high_x, low_y, high_y), own in rest:
        if low_x <= high_x:
            dx, dy = own[0]
            xs += (low_x - dx, high_x - dx)
            ys += (low_y - dy, high_y - dy)
    if not xs:
        return 0.0
    xs.sort()
    ys.sort()
    middle = len(xs) // 2
    best_x = (xs[middle - 1] + xs[middle]) / 2
    best_row = round((ys[middle - 1] + ys[middle]) / 2 / board.core.row_um)
    now = board.length(rest, x, row, width, flipped)
    left, right = board.room(cell)
    best_gain, best = _LEAST_GAIN, None
    own_place = board.place(cell)
    for other_row in range(max(0, best_row - _ROWS), min(board.core.rows, best_row + _ROWS + 1)):
        order = board.order[other_row]
        near = bisect.bisect_left(order, best_x, key=lambda each: board.x[each])
        for place in range(max(0, near - _NEAR), min(len(order), near + _NEAR) + 1):
            if other_row == row and place in (own_place, own_place + 1):
                low, high = left, right
            else:
                low, high = board.gap(other_row, place)
            at = board.on_site(best_x, low, high - width) if high - low > width - 1e-9 else None
            if at is not None:
                gain = now - board.length(rest, at, other_row, width, flipped)
                if gain > best_gain:
                    best_gain, best = gain, (other_row, at, -1, 0.0)
            if place < len(order) and (other := order[place]) != cell:
                found = _exchange(board, cell, other, (left, right))
                if found is not None and found[0] > best_gain:
                    best_gain, best = found[0], (other_row, found[1], other, found[2])
    if best is None:
        return 0.0
    to_row, to_x, other, other_x = best
    board.move({**({other: (row, other_x)} if other >= 0 else {}), cell: (to_row, to_x)})
    return best_gain


def _exchange(
    board: _Board, cell: int, other: int, room: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Return the gain of exchanging two cells and the x of each; None if they do not fit."""
    width, other_width = board.width[cell], board.width[other]
    low, high = board.room(other)
    left, right = room
    if high - low < width - 1e-9 or right - left < other_width - 1e-9:
        return None
    if board.row[cell] == board.row[other] and abs(board.place(cell) - board.place(other)) == 1:
        return None  # of neighbors the best order is looked for anyway
    middle = board.x[other] + other_width / 2
    to_x = board.on_site(middle - width / 2, low, high - width)
    middle = board.x[cell] + width / 2
    other_x = board.on_site(middle - other_width / 2, left, right - other_width)
    if to_x is None or other_x is None:
        return None
    row, other_row = board.row[cell], board.row[other]
    shared = set(board.nets_of[cell]) & set(board.nets_of[other])
    if not shared:
        rest, other_rest = board.rest(cell), board.rest(other)
        before = board.length(rest, board.x[cell], row, width, board.flipped[cell])
        before += board.length(
            other_rest, board.x[other], other_row, other_width, board.flipped[other]
        )
        after = board.length(rest, to_x, other_row, width, board.flipped[cell])
        after += board.length(other_rest, other_x, row, other_width, board.flipped[other])
        return before - after, to_x, other_x
    nets = set(board.nets_of[cell]) | set(board.nets_of[other])
    before = board.lengths(nets)
    x, old_x = board.x[cell], board.x[other]
    board.x[cell], board.x[other] = to_x, other_x
    board.row[cell], board.row[other] = other_row, row
    after = board.lengths(nets)
    board.x[cell], board.x[other] = x, old_x
    board.row[cell], board.row[other] = row, other_row
    return before - after, to_x, other_x


def _reordered(board: _Board, row: int) -> float:
    """Put each three neighbors of a row into their best order, at either end of their room."""
    order = board.order[row]
    gained = 0.0
    for start in range(len(order) - 1):
        window = order[start : start + _WINDOW]
        left = board.gap(row, start)[0]
        right = board.gap(row, start + len(window))[1]
        widths = sum(board.width[cell] for cell in window)
        nets = {net for cell in window for net in board.nets_of[cell]}
        kept = [board.x[cell] for cell in window]
        best_length, best = board.lengths(nets) - _LEAST_GAIN, None
        before = best_length + _LEAST_GAIN
        starts = {left, math.floor((right - widths) / board.site + 1e-6) * board.site, kept[0]}
        for permutation in itertools.permutations(window):
            for first in starts:
                if not left - 1e-9 <= first <= right - widths + 1e-9:
                    continue
                at = first
                for cell in permutation:
                    board.x[cell] = at
                    at += board.width[cell]
                length = board.lengths(nets)
                if length < best_length:
                    best_length, best = length, (permutation, first)
        if best is None:
            for cell, x in zip(window, kept, strict=True):
                board.x[cell] = x
            continue
        at = best[1]
        for cell in best[0]:
            board.x[cell] = at
            at += board.width[cell]
        order[start : start + len(window)] = best[0]
        gained += before - best_length
    return gained


def _mirrored(board: _Board, cell: int) -> float:
    """Mirror a cell where that makes its nets shorter."""
    rest = board.rest(cell)
    place = board.x[cell], board.row[cell], board.width[cell]
    gain = board.length(rest, *place, board.flipped[cell]) - board.length(
        rest, *place, not board.flipped[cell]
    )
    if gain <= _LEAST_GAIN:
        return 0.0
    board.flipped[cell] = not board.flipped[cell]
    return gain
