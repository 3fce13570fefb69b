"""Analytic global placement: wirelength against electrostatic density, by Nesterov's method.

Cells are charges that repel each other while a smooth wirelength pulls them together, as in ePlace
(Lu et al., ACM TODAES 20(2), 2015) and DREAMPlace (Lin et al., DAC 2019). Wirelength is the
weighted average of Hsu, Chang and Balabanov (DAC 2011); the field of the charges comes from a
Poisson equation solved by a discrete Fourier transform on a grid of bins, mirrored at the core's
edges. Fillers, charges without nets, take the place that is to stay free.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.silicon.layout.placement import Core, PlaceableDesign, Reals

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["global_placement"]

_MOST_STEPS = 1000
_LEAST_STEPS = 60
_STOP_OVERFLOW = 0.07  # of the area of the cells: what is above the wanted density
_ROOM = 0.2  # density wanted locally, above the utilization
_START_ROUNDS = 40  # of moving cells to the mean of their nets
_FIRST_WEIGHT = 8e-5  # force of the density over that of the wirelength, at the start
_FASTEST, _SLOWEST = 1.05, 0.95  # growth of the weight of the density per step
_REFERENCE_GROWTH = 3.5e-3  # of the wirelength per step, relative, at which the weight stays


@dataclass(frozen=True)
class _Grid:
    """Bins of the core and the transform that turns their charge into a field."""

    bins: int
    width_um: float
    height_um: float
    squared: "Tensor"  # squared wave numbers of the mirrored grid
    kx: "Tensor"
    ky: "Tensor"

    @classmethod
    def of(cls, core: Core, cells: int) -> "_Grid":
        bins = 2 ** max(4, math.ceil(math.log2(math.sqrt(max(cells, 1)))))
        width, height = core.width_um / bins, core.height_um / bins
        waves = 2 * math.pi * torch.fft.fftfreq(2 * bins, dtype=torch.float64)
        kx, ky = waves[:, None] / width, waves[None, :] / height
        squared = kx**2 + ky**2
        squared[0, 0] = 1.0
        return cls(bins, width, height, squared, kx, ky)

    def field(self, density: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the field's two components in each bin, from the density in each."""
        mirrored = torch.cat([density, density.flip(0)], 0)
        mirrored = torch.cat([mirrored, mirrored.flip(1)], 1)
        spectrum = torch.fft.fft2(mirrored)
        spectrum[0, 0] = 0
        potential = spectrum / self.squared
        own = slice(0, self.bins)
        return (
            torch.fft.ifft2(-1j * self.kx * potential).real[own, own],
            torch.fft.ifft2(-1j * self.ky * potential).real[own, own],
        )


class _Charges:
    """Cells and fillers as charges that are smeared over the bins they touch."""

    def __init__(self, grid: _Grid, width: "Tensor", height: "Tensor") -> None:
        self.grid = grid
        self.area = width * height
        # no smaller than a bin and a half: a charge within one bin would feel no force in it
        self.width = torch.clamp(width, min=math.sqrt(2) * grid.width_um)
        self.height = torch.clamp(height, min=math.sqrt(2) * grid.height_um)
        self.scale = self.area / (self.width * self.height)
        self.across = int(torch.ceil(self.width.max() / grid.width_um)) + 1
        self.up = int(torch.ceil(self.height.max() / grid.height_um)) + 1

    def _overlap(
        self, middle: "Tensor", size: "Tensor", bin_um: float, count: int
    ) -> tuple["Tensor", "Tensor"]:
        """Return the bins that each charge touches along an axis, and the lengths it covers."""
        low = middle - size / 2
        first = torch.clamp(torch.floor(low / bin_um), 0, self.grid.bins - 1)
        index = first[:, None] + torch.arange(count)
        start = torch.maximum(index * bin_um, low[:, None])
        end = torch.minimum((index + 1) * bin_um, (low + size)[:, None])
        covered = torch.clamp(end - start, min=0)
        inside = index < self.grid.bins
        return torch.where(inside, index, 0).long(), torch.where(inside, covered, 0.0)

    def _spread(self, at: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the bins that each charge touches, and the area that it has in each."""
        grid = self.grid
        columns, wide = self._overlap(at[:, 0], self.width, grid.width_um, self.across)
        rows, high = self._overlap(at[:, 1], self.height, grid.height_um, self.up)
        places = (columns[:, :, None] * grid.bins + rows[:, None, :]).flatten()
        return places, wide[:, :, None] * high[:, None, :] * self.scale[:, None, None]

    def _density(self, places: "Tensor", shares: "Tensor") -> "Tensor":
        grid = self.grid
        density = torch.zeros(grid.bins**2, dtype=torch.float64)
        density.index_add_(0, places, shares.flatten())
        return density.view(grid.bins, grid.bins) / (grid.width_um * grid.height_um)

    def density(self, at: "Tensor") -> "Tensor":
        """Return the density of each bin, area over area."""
        return self._density(*self._spread(at))

    def force(self, at: "Tensor") -> "Tensor":
        """Return the force on each charge."""
        places, shares = self._spread(at)
        across, up = self.grid.field(self._density(places, shares))
        return torch.stack(
            [
                (field.flatten()[places].view_as(shares) * shares).sum((1, 2))
                for field in (across, up)
            ],
            1,
        )


class _Wirelength:
    """The weighted-average wirelength of all nets and its gradient."""

    def __init__(self, design: PlaceableDesign, ports_um: "Tensor") -> None:
        self.cells = design.cells
        self.ports = ports_um
        self.object = torch.from_numpy(design.pin_object)
        self.net = torch.from_numpy(design.pin_net)
        self.nets = len(design.nets)
        half = np.concatenate([design.widths_um / 2, np.zeros(len(design.ports))])
        high = np.where(design.pin_object < design.cells, design.row_um / 2, 0.0)
        self.offset = torch.from_numpy(
            np.stack([design.pin_x_um - half[design.pin_object], design.pin_y_um - high], 1)
        )
        self.pins = torch.bincount(self.object, minlength=self.cells)[: self.cells].double()

    def pin_places(self, middles: "Tensor") -> "Tensor":
        """Return the places of all pins, from the middles of the cells."""
        return torch.cat([middles, self.ports])[self.object] + self.offset

    def _ends(self, pins: "Tensor") -> tuple["Tensor", "Tensor"]:
        index = self.net[:, None].expand(-1, 2)
        none = torch.zeros(self.nets, 2, dtype=torch.float64)
        low = none.scatter_reduce(0, index, pins, "amin", include_self=False)
        high = none.scatter_reduce(0, index, pins, "amax", include_self=False)
        return low, high

    def half_perimeter(self, middles: "Tensor") -> float:
        """Return the half-perimeter wirelength of the nets."""
        low, high = self._ends(self.pin_places(middles))
        return float((high - low).sum())

    def gradient(self, middles: "Tensor", gamma: float) -> tuple[float, "Tensor"]:
        """Return the half-perimeter wirelength, and the gradient of the smooth one."""
        pins = self.pin_places(middles)
        low, high = self._ends(pins)
        slope = self._slope(pins, high[self.net], gamma) - self._slope(-pins, -low[self.net], gamma)
        found = torch.zeros(self.cells + len(self.ports), 2, dtype=torch.float64)
        found.index_add_(0, self.object, slope)
        return float((high - low).sum()), found[: self.cells]

    def _slope(self, pins: "Tensor", greatest: "Tensor", gamma: float) -> "Tensor":
        """Return the derivative of each net's weighted maximum by each pin."""
        weight = torch.exp((pins - greatest) / gamma)
        none = torch.zeros(self.nets, 2, dtype=torch.float64)
        whole = none.index_add(0, self.net, weight)[self.net]
        mean = none.index_add(0, self.net, weight * pins)[self.net] / whole
        return weight / whole * (1 + (pins - mean) / gamma)

    def drawn_together(self, middles: "Tensor") -> "Tensor":
        """Return the cells, each moved to the weighted mean of the middles of its nets."""
        pins = self.pin_places(middles)
        degree = torch.bincount(self.net, minlength=self.nets).double()
        none = torch.zeros(self.nets, 2, dtype=torch.float64)
        centres = none.index_add(0, self.net, pins) / degree[:, None]
        weight = (1 / degree)[self.net]
        pulls = torch.zeros(self.cells + len(self.ports), 2, dtype=torch.float64)
        pulls.index_add_(0, self.object, (centres[self.net] - self.offset) * weight[:, None])
        total = torch.zeros(len(pulls), dtype=torch.float64).index_add_(0, self.object, weight)
        moved = (pulls / total.clamp_min(1e-9)[:, None])[: self.cells]
        return torch.where(total[: self.cells, None] > 0, moved, middles)


def global_placement(
    design: PlaceableDesign,
    core: Core,
    ports_um: Reals,
    seed: int,
    progress: "Callable[[int, float], None] | None" = None,
) -> tuple[Reals, Reals]:
    """Spread cells over a core so that nets are short and no place is too full.

    Args:
        design: What to place.
        core: Where.
        ports_um: Places of the ports, shape ``(ports, 2)``.
        seed: Of the start.
        progress: Called with the step and the overflow (1 at the start, near 0 at the end).

    Returns:
        x and y of the lower left corners, in um. Cells still overlap a little.
    """
    with one_torch_thread():
        return _placed(design, core, ports_um, seed, progress)


def _placed(
    design: PlaceableDesign,
    core: Core,
    ports_um: Reals,
    seed: int,
    progress: "Callable[[int, float], None] | None",
) -> tuple[Reals, Reals]:
    cells = design.cells
    wanted = min(1.0, design.area_um2 / core.area_um2 + _ROOM)
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([core.width_um, core.height_um], dtype=torch.float64)
    wires = _Wirelength(design, torch.from_numpy(ports_um).reshape(-1, 2))
    grid = _Grid.of(core, cells)

    cell_width = torch.from_numpy(design.widths_um)
    mean_width = float(cell_width.mean())
    fillers = int(max(0.0, wanted * core.area_um2 - design.area_um2) / (mean_width * core.row_um))
    width = torch.cat([cell_width, torch.full((fillers,), mean_width, dtype=torch.float64)])
    height = torch.full_like(width, core.row_um)
    charges = _Charges(grid, width, height)
    own = _Charges(grid, cell_width, torch.full_like(cell_width, core.row_um))
    half = torch.stack([width, height], 1) / 2

    def random(count: int) -> "Tensor":
        return torch.randn(count, 2, generator=generator, dtype=torch.float64)

    start = size / 2 + 0.02 * size * random(cells)
    for _ in range(_START_ROUNDS):
        start = wires.drawn_together(start)
    start = start + 0.01 * size * random(cells)
    scattered = torch.rand(fillers, 2, generator=generator, dtype=torch.float64) * size

    def within(at: "Tensor") -> "Tensor":
        return torch.minimum(torch.maximum(at, half), size - half)

    pins = torch.cat([wires.pins, torch.zeros(fillers, dtype=torch.float64)])
    bin_um = (grid.width_um + grid.height_um) / 2
    bin_area = grid.width_um * grid.height_um
    weight = 0.0
    overflow = 1.0

    def step(at: "Tensor") -> tuple["Tensor", float]:
        """Return the preconditioned gradient of wirelength and density, and the wirelength."""
        nonlocal weight, overflow
        gamma = 4 * bin_um * 10 ** ((overflow - 0.1) * 20 / 9 - 1)
        length, pull = wires.gradient(at[:cells], gamma)
        force = charges.force(at)
        above = (own.density(at[:cells]) - wanted).clamp_min(0)
        overflow = float(above.sum() * bin_area / design.area_um2)
        if not weight:
            weight = _FIRST_WEIGHT * float(pull.abs().sum() / force.abs().sum().clamp_min(1e-30))
        both = -weight * force
        both[:cells] += pull
        return both / (pins + weight * charges.area).clamp_min(1e-12)[:, None], length

    at = within(torch.cat([start, scattered]))
    ahead, previous = at, None
    momentum = 1.0
    slope, length = step(ahead)
    last = length
    length_of_step = 0.1 * bin_um / float(slope.abs().max().clamp_min(1e-30))
    for count in range(_MOST_STEPS):
        if previous is not None:  # the step that Barzilai and Borwein take for a Lipschitz constant
            moved = float(torch.linalg.norm(ahead - previous[0]))
            turned = float(torch.linalg.norm(slope - previous[1]))
            length_of_step = moved / max(turned, 1e-30)
        taken = within(ahead - length_of_step * slope)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        previous = ahead, slope
        ahead = within(taken + (momentum - 1) / following * (taken - at))
        at, momentum = taken, following
        slope, length = step(ahead)
        growth = (length - last) / max(last, 1e-30)
        last = length
        weight *= min(_FASTEST, max(_SLOWEST, _FASTEST ** (1 - growth / _REFERENCE_GROWTH)))
        if progress is not None:
            progress(count, overflow)
        if overflow < _STOP_OVERFLOW and count > _LEAST_STEPS:
            break
    corners = (at[:cells] - half[:cells]).numpy()
    return corners[:, 0].copy(), corners[:, 1].copy()
