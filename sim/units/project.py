"""Catalogue entry of the projection unit."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.training.project import ProjectBeats, ProjectConfig, project
from consilico.sim.traffic.quantized import asymmetric, bf16_bits, bf16_values, symmetric
from consilico.sim.traffic.training_operands import training_traffic
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_beat, waiting
from consilico.sim.units.group_dot import every_scale, saw_every_scale, wraps
from consilico.sim.units.products import in_every_lane
from consilico.sim.units.project_contract import contract
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "ProjectBench"]

Codes = NDArray[np.int64]
Values = NDArray[np.float32]
_DRAWN_TILES = 40
_SHARED = 120  # shared exponent of the exhaustive stimulus
_HEADROOM = 4  # scales up to 2 ** 4 above the shared exponent
_MODEL_GROUP = 128  # numbers of a vector of real traffic
_FIELDS = ("x", "q", "zero", "scale", "last", "end")


class ProjectBench:
    """Adds shared exponents and beats."""

    def __init__(self, config: ProjectConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self.exponent = 0

    def share(self, exponent: int) -> None:
        """Add a beat on ``cfg`` that loads the shared exponent."""
        self.builder.configure({"payload": np.array(exponent)})
        self.builder.coverage["exponent_loaded"] += 1
        self.exponent = exponent

    def beats(self, x: Codes, q: Codes, zero: Codes, scale: Codes, last: Codes, end: Codes) -> None:
        """Add beats, of shapes as in :class:`consilico.golden.training.project.ProjectBeats`.

        What follows the last sum is for a reset to drop.
        """
        results = self.config.results
        # what is looked at in a group's last beat only must not matter before
        rng = np.random.default_rng(len(x))
        drawn = rng.integers(1 << 16, size=scale.shape)
        fields = {
            "x": x,
            "q": q,
            "zero": zero,
            "scale": np.where(last[:, None], scale, drawn),
            "last": last,
            "end": np.where(last, end, rng.integers(2, size=len(end))),
        }
        self.builder.data(fields, int((last * end).sum()) * results, operations=len(x) * results)

    def constant(self, x: int, q: int, zero: int, scale: int, groups: int = 1) -> None:
        """Add a tile of groups of the greatest length, the same in all lanes and beats."""
        config = self.config
        beats = groups * config.group
        wide = [np.full((beats, config.columns), value) for value in (q, zero, scale)]
        place = np.arange(1, beats + 1)
        last = (place % config.group == 0).astype(np.int64)
        end = (place == beats).astype(np.int64)
        self.beats(np.full((beats, config.rows), x), wide[0], wide[1], wide[2], last, end)

    def tile(self, groups: list[int], rng: np.random.Generator, spread: int = 1) -> None:
        """Add a drawn tile of groups of these lengths."""
        config, beats = self.config, sum(groups)
        last = np.zeros(beats, dtype=np.int64)
        last[np.cumsum(groups) - 1] = 1
        end = (np.arange(beats) == beats - 1).astype(np.int64)
        biased = self.exponent + rng.integers(-9, _HEADROOM + 2, size=(beats, config.columns))
        sign = rng.integers(2, size=biased.shape) << 15
        scale = sign | np.clip(biased, 0, 255) << 7 | rng.integers(128, size=biased.shape)
        self.beats(
            rng.integers(-128, 128, size=(beats, config.rows)) // spread,
            rng.integers(16, size=scale.shape),
            rng.integers(16, size=scale.shape),
            np.where(rng.random(scale.shape) < 0.05, 0, scale),
            last,
            end,
        )


def _golden(config: ProjectConfig, accepted: Accepted) -> GoldenResults:
    import torch

    data = {name: torch.from_numpy(part) for name, part in accepted.data.items()}
    last, end, cut = data["last"] == 1, data["end"] == 1, torch.from_numpy(accepted.cut)
    exponent = torch.from_numpy(accepted.in_force["payload"])
    # what a reset cuts ends there, but has no result
    x, q, zero, scale = (data[name] for name in _FIELDS[:4])
    beats = ProjectBeats(x, q, zero, scale, last | cut, end & last | cut)
    result = project(beats, exponent, config)
    whole = (last & end)[beats.last & beats.end]
    return GoldenResults(
        beats={
            "sum": result.sum[whole].reshape(-1).numpy(),
            "overflow": result.overflow[whole].reshape(-1).numpy(),
        },
        completes=((last & end).long() * config.results).numpy(),
    )


def _item_cycles(config: ProjectConfig, accepted: Accepted) -> Codes:
    """Return the cycles of items: a group's last beat waits for the results of the one before."""
    cycles = one_cycle_per_beat(config, accepted)
    last = np.zeros(len(cycles), dtype=bool)
    last[accepted.is_beat] = accepted.data["last"] == 1
    return waiting(cycles, last, np.full(len(cycles), config.cycles), accepted)


def _hits(config: ProjectConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    x, q, zero, scale, last, end = (accepted.data[name] for name in _FIELDS)
    of_group, used = scale[last == 1], q - zero
    overflow = results.beats["overflow"] == 1
    pairs = [len(np.unique(q[:, lane] * 16 + zero[:, lane])) for lane in range(config.columns)]
    least = (x == -128).any(axis=1)
    points = {
        "every_code_and_zero_point": np.array(pairs) == 256,
        "least_times_least": least & (used == -15).any(axis=1),
        "least_times_greatest": least & (used == 15).any(axis=1),
        "one_beat_group": last[1:] & last[:-1],
        "several_groups": last * (1 - end),
        "negative_scale": of_group >> 15 == 1,
        "zero_scale": of_group == 0,
        "overflow": overflow,
        "no_overflow": ~overflow,
        "overflow_then_none": overflow[:-1] & ~overflow[1:],
        **wraps(results.beats, _golden(config, accepted.with_data({"x": np.zeros_like(x)})).beats),
    }
    exponent = accepted.in_force["payload"][last == 1, None]
    cell = (x[:, :, None] + 128 << 8) + (q << 4 | zero)[:, None, :]
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_product": in_every_lane(cell.reshape(len(x), config.results), 1 << 16),
        "every_scale": saw_every_scale(of_group, exponent),
    }


def _vectors(config: ProjectConfig, seed: int) -> Stimulus:
    """Drive drawn tiles with resets and reloads, every code and zero point, longest extremes."""
    rng = np.random.default_rng(seed)
    bench = ProjectBench(config)
    bench.share(120)
    bench.tile([config.group], rng)
    for index in range(_DRAWN_TILES):
        if index % 8 == 3:
            bench.share(int(rng.choice([1, 60, 127, 250])))
        length = min(config.group, 1 if index % 5 == 0 else int(rng.integers(1, 40)))
        bench.tile([length] * int(rng.integers(1, 4)), rng, spread=1 + 15 * (index % 3 == 0))
        if index % 5 == 4:
            # a begun tile, or one with results on their way behind a group that is scaled
            flags = ((1, 1, 0), (1, 1, 0)) if index % 2 else ((0, 1, 0), (0, 0, 0))
            zeros = np.zeros((3, config.columns), dtype=np.int64)
            x = rng.integers(-128, 128, size=(3, config.rows))
            bench.beats(x, zeros, zeros, zeros, *(np.array(flag) for flag in flags))
            bench.builder.reset()
            bench.builder.coverage["reset_in_tile"] += 1
    bench.share(120)
    codes = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2)
    turned = np.stack([np.roll(codes, lane, 0) for lane in range(config.columns)], 1)
    beats = len(codes)
    last = (np.arange(1, beats + 1) % min(config.group, beats) == 0) | (
        np.arange(beats) == beats - 1
    )
    scale = np.full((beats, config.columns), 120 << 7)
    end = (np.arange(beats) == beats - 1).astype(np.int64)
    x = rng.integers(-128, 128, size=(beats, config.rows))
    bench.beats(x, turned[..., 0], turned[..., 1], scale, last.astype(np.int64), end)
    for x_code in (-128, 127):
        for q_code, zero in ((0, 15), (15, 0)):
            for top in (120 << 7, (120 + _HEADROOM) << 7 | 127):
                bench.constant(x_code, q_code, zero, top)
                bench.builder.coverage["extremes_at_length"] += 1
    groups = 2 + (1 << 31) // (127 * 15 * 4095 * config.group)  # beyond 32 bits
    for q_code, zero in ((15, 0), (0, 15)):
        bench.constant(127, q_code, zero, (120 + _HEADROOM) << 7 | 127, groups)
    return bench.builder.build()


def _exhaustive(config: ProjectConfig, seed: int) -> Stimulus:
    """Drive every activation times every code under every zero point in every cell; every scale."""
    rng = np.random.default_rng(seed)
    bench = ProjectBench(config)
    bench.share(_SHARED)
    number = np.arange(1 << 16)
    # a row steps through the activations while a column keeps its weight: all pairs in all cells
    x = (number[:, None] + 37 * np.arange(config.rows)) % 256 - 128
    weight = (number[:, None] // 256 + 11 * np.arange(config.columns)) % 256
    last = ((number + 1) % min(config.group, 256) == 0) | (number == len(number) - 1)
    scale = np.full(weight.shape, _SHARED << 7)
    bench.beats(x, weight // 16, weight % 16, scale, last, last)
    scales = every_scale(_SHARED)
    scale = np.resize(scales, (-(-len(scales) // config.columns), config.columns))
    x = rng.integers(-128, 128, size=(len(scale), config.rows))
    q, zero = rng.integers(16, size=(2, *scale.shape))
    ends = np.ones(len(scale), dtype=bool)
    bench.beats(x, q, zero, scale, ends, ends)
    return bench.builder.build()


def _traffic(config: ProjectConfig, beats: int, *, source: str) -> Stimulus:
    """Return whole tiles of a gradient's projection to measure activity with.

    Args:
        config: The unit.
        source: ``"model"``: of a small model that Q-GaLore trains
            (``sim/traffic/training_operands.py``), its vectors of 128 numbers one group each;
            ``"normal"``: groups of full length of normal numbers.
        beats: Number of beats, about.
    """
    parts, lasts, count = [], [], 0
    for gradient, vectors in _model(config) if source == "model" else _normal(config):
        length = gradient.shape[1]
        p = asymmetric(vectors, length)
        constants = (np.repeat(part.T, length, 0) for part in (p.zero, bf16_bits(p.scale)))
        parts.append((symmetric(gradient, 8, length).codes.T, p.codes.T, *constants))
        lasts.append(np.arange(length) == length - 1)
        count += length
        if count >= beats:
            break
    x, q, zero, scale = (np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True))
    last = np.concatenate(lasts).astype(np.int64)
    bench = ProjectBench(config)
    bench.share(int((scale >> 7).max()) - _HEADROOM)
    bench.beats(x, q, zero, scale, last, last)
    return bench.builder.build()


def _normal(config: ProjectConfig) -> Iterator[tuple[Values, Values]]:
    """Yield drawn gradients and projection vectors of a tile, without end."""
    rng = np.random.default_rng(1)
    while True:
        gradient, vectors = (
            rng.normal(size=(count, config.group)).astype(np.float32)
            for count in (config.rows, config.columns)
        )
        yield gradient, vectors


def _model(config: ProjectConfig) -> Iterator[tuple[Values, Values]]:
    """Yield gradients and projection vectors of the model's layers, its training steps in turn."""
    traffic = training_traffic()
    for layer in cycle(range(len(traffic.gradient))):
        gradient, vectors = (
            np.resize(bf16_values(rows[layer]), (count, rows.shape[2]))[:, : config.group]
            for rows, count in ((traffic.gradient, config.rows), (traffic.vectors, config.columns))
        )
        yield gradient, vectors


def _length(config: ProjectConfig, source: str) -> float:
    return min(config.group, _MODEL_GROUP) if source == "model" else config.group


def _hardware() -> Any:
    from consilico.hw.training import project

    return project


UNITS = (
    Unit(
        name="training/project",
        summary="INT4 projection matrix in groups times INT8 gradients, and back (Q-GaLore)",
        config=ProjectConfig,
        component=lambda config: _hardware().Project(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        item_cycles=_item_cycles,
        bf16=lambda config: ("i.scale",),
        coverage=(
            "exponent_loaded",
            "every_code_and_zero_point",
            "least_times_least",
            "least_times_greatest",
            "one_beat_group",
            "several_groups",
            "negative_scale",
            "zero_scale",
            "overflow",
            "no_overflow",
            "reset_in_tile",
            "extremes_at_length",
            "overflow_then_none",
            "positive_sum_wraps",
            "negative_sum_wraps",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product", "every_scale"),
        latency=lambda config: _hardware().latency(config),
        contract=contract,
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.results,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
