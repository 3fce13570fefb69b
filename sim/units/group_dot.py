"""Catalogue entry of the dot product of group-quantized weights."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.group_dot import HEADROOM, SUM, GroupDotConfig, group_dot
from consilico.sim.traffic.operand_streams import (
    layer_stream,
    mean_inputs,
    operand_stream,
    random_stream,
)
from consilico.sim.traffic.quantized import bf16_bits
from consilico.sim.units.stimulus import Stimulus, StimulusBuilder, pack
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Codes = NDArray[np.int64]
_DRAWN_SUMS = 120
_TRAFFIC_GROUPS = 8  # of a sum of drawn traffic


class _Bench:
    """Adds groups and what the golden model makes of them."""

    def __init__(self, config: GroupDotConfig) -> None:
        self.config = config
        self.builder = StimulusBuilder(UNITS[0].ports(config))
        self.exponent = 0

    def share(self, exponent: int) -> None:
        """Load the shared exponent, where there is one."""
        if self.config.has_exponent:
            self.builder.configure(pack([(np.array([exponent]), 8)]))
            self.builder.coverage["exponent_loaded"] += 1
            self.exponent = exponent

    def groups(
        self, x: Codes, q: Codes, zero: Codes, scale: Codes, end: NDArray[np.bool_], drop: int = 0
    ) -> None:
        """Add beats of whole groups, and the results that the golden model gives for them.

        Args:
            x: Activations, shape ``(groups, group)``.
            q: Weights, the same shape.
            zero: Zero points, shape ``(groups,)``.
            scale: Scales, shape ``(groups,)``.
            end: Shape ``(groups,)``. What follows the last sum is for a reset to drop.
            drop: Beats of the last group that are left out.
        """
        import torch

        config = self.config
        codes = torch.from_numpy(x), torch.from_numpy(q), torch.from_numpy(zero)
        groups = torch.from_numpy(scale), torch.from_numpy(end)
        result = group_dot(*codes, *groups, self.exponent, config)
        beats = len(x) * config.beats
        at_end = np.tile(np.arange(config.beats) == config.beats - 1, len(x))
        # what is looked at in a group's last beat only must not matter before
        rng = np.random.default_rng(beats)
        drawn = rng.integers(1 << config.scale_width, size=beats)
        scales = np.where(at_end, np.repeat(scale, config.beats), drawn)
        ends = np.where(at_end, np.repeat(end, config.beats), rng.integers(2, size=beats) == 1)
        rows = pack(
            [
                (x.reshape(beats, -1), 8),
                (q.reshape(beats, -1), 4),
                (np.repeat(zero, config.beats), 4),
                (scales, config.scale_width),
                (ends, 1),
            ]
        )
        sums, overflow = result.sum.numpy(), result.overflow.numpy()
        self.builder.data(
            rows[: beats - drop],
            pack([(sums, config.result_width), (overflow, 1)]),
            len(sums),
            completes=(at_end & np.repeat(end, config.beats)).astype(np.uint16)[: beats - drop],
            operations=(beats - drop) * config.lanes,
        )
        weight = q - zero[:, None]
        self.builder.coverage.update(
            {
                "one_pass": int(((zero >= 5) & (zero <= 10)).sum()),
                "second_pass_of_zeros": int((zero > 10).sum()),
                "second_pass_of_fifteens": int((zero < 5).sum()),
                "least_times_least": int(((x == -128) & (weight == -15)).sum()),
                "least_times_greatest": int(((x == -128) & (weight == 15)).sum()),
                "greatest_times_greatest": int(((x == 127) & (weight == 15)).sum()),
                "greatest_scale": int((scale == _greatest(config)).sum()),
                "negative_scale": int((scale >> 15 == 1).sum()),
                "zero_scale": int((scale == 0).sum()),
                "negative_sum": int((sums >> (config.result_width - 1) & 1).sum()),
                "overflow": int(overflow.sum()),
                "no_overflow": int((~overflow).sum()),
            }
        )


def _greatest(config: GroupDotConfig) -> int:
    """Return the bits of the greatest scale."""
    return 255 if config.scale == "int8" else 0x7FFF


def _drawn_scales(config: GroupDotConfig, rng: np.random.Generator, count: int, top: int) -> Codes:
    """Draw scales, half of them in a narrow range; of bf16, ``top`` is the shared exponent."""
    if config.scale == "int8":
        return np.where(rng.random(count) < 0.5, rng.integers(256, size=count), rng.integers(9))
    exponent = top + rng.integers(-9, HEADROOM + 2, size=count)
    exponent = np.where(rng.random(count) < 0.8, exponent, top + rng.integers(0, HEADROOM, count))
    sign = rng.integers(2, size=count) << 15
    return sign | np.clip(exponent, 0, 255) << 7 | rng.integers(128, size=count)


def _vectors(config: GroupDotConfig, seed: int) -> Stimulus:
    """Drive every pair of code and zero point, extremes, drawn sums with resets and reloads."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)

    def unit(exponent: int) -> int:
        return exponent << 7 if config.scale == "bf16" else 1

    bench.share(120)
    shape = (1, config.group)
    ended = np.array([True])
    x = rng.integers(-128, 128, size=shape)
    bench.groups(x, rng.integers(16, size=shape), np.array([8]), np.array([unit(120)]), ended)
    # a product a beat: every code under every zero point
    zeros = np.arange(16).repeat(-(-16 // config.beats))
    codes = np.resize(np.arange(16), (len(zeros), config.beats))
    for activation in (-128, 127):
        x = np.zeros((len(zeros), config.beats, config.lanes), dtype=np.int64)
        lane = rng.integers(config.lanes, size=(*codes.shape, 1))
        np.put_along_axis(x, lane, activation, 2)
        q = codes[:, :, None].repeat(config.lanes, 2)
        x, q = (operand.reshape(len(zeros), -1) for operand in (x, q))
        bench.groups(x, q, zeros, np.full(len(x), unit(120)), np.ones(len(x), dtype=bool))
    greatest = _greatest(config)
    top = (1 << config.multiplier_width) - 1
    longest = (1 << SUM - 1) // (127 * 15 * config.group * top) + 2  # does not fit 32 bits
    near = (120 + HEADROOM) << 7 | 127 if config.scale == "bf16" else 128
    for scale in (unit(120), greatest, 0, near):
        for activation in (-128, 127):
            for code, zero in ((0, 15), (15, 0), (15, 15), (0, 0), (15, 5), (0, 10)):
                groups = longest if scale == greatest else 2
                x = np.full((groups, config.group), activation)
                end = np.arange(groups) == groups - 1
                constants = np.full(groups, zero), np.full(groups, scale)
                bench.groups(x, np.full_like(x, code), *constants, end)
                bench.builder.coverage["extremes"] += 1
    for index in range(_DRAWN_SUMS):
        reset = index % 16 == 5
        groups = int(rng.integers(1 + reset, 6)) if index % 4 else 1
        if index % 20 == 7:
            bench.share(int(rng.choice([1, 60, 120, 127, 250])))
        x = rng.integers(-128, 128, size=(groups, config.group))
        if index % 3:
            x = x // 16
        zeros = rng.integers(16, size=groups) if index % 2 else rng.integers(5, 11, size=groups)
        scales = _drawn_scales(config, rng, groups, bench.exponent)
        end = np.arange(groups) == groups - 1 - reset  # a reset meets a result and a begun sum
        drop = config.beats - 1 if reset else 0  # the last group has only begun
        bench.groups(x, rng.integers(16, size=x.shape), zeros, scales, end, drop)
        if reset:
            bench.builder.reset()
            bench.builder.coverage["reset_in_sum"] += 1
    return bench.builder.build()


def _traffic(config: GroupDotConfig, beats: int, *, source: str) -> Stimulus:
    """Return whole dot products to measure activity with, in the order of the input dimension.

    INT8 scales are a dot product's bf16 scales over the greatest of them, to 8 bits.

    Args:
        config: The unit.
        source: ``"model"``: weights and activations of a language model's linear layers (of a
            synthetic trace where the model is not installed); ``"normal"``, ``"uniform"``: see
            :data:`consilico.sim.traffic.operand_streams.Distribution`.
        beats: Number of beats, about.

    Raises:
        ValueError: If no layer's inputs divide by the group.
    """
    lanes, group = config.lanes, config.group
    depth = _TRAFFIC_GROUPS * group
    stream = operand_stream(
        source,
        lambda layers: layer_stream(layers, "int8", "uint4", lanes, beats, group=group),
        lambda drawn: random_stream(drawn, "int8", "uint4", lanes, beats, depth=depth, group=group),
    )
    every = slice(config.beats - 1, None, config.beats)
    bits = bf16_bits(stream.w_scale[every, 0]).astype(np.int64)
    end, scale = stream.last[every], stream.w_scale[every, 0]
    x, q = stream.x.reshape(-1, group), stream.w.reshape(-1, group)
    bench = _Bench(config)
    stops = np.flatnonzero(end) + 1
    for first, stop in zip(np.append(0, stops[:-1]).tolist(), stops.tolist(), strict=True):
        part = slice(first, stop)
        top = scale[part].max()
        bench.share(int(bits[part].max() >> 7) - HEADROOM)
        scales = bits[part]
        if config.scale == "int8":
            scales = np.rint(scale[part] / top * 255).astype(np.int64)
        bench.groups(x[part], q[part], stream.w_zero[every, 0][part], scales, end[part])
    return bench.builder.build()


def _length(config: GroupDotConfig, source: str) -> float:

    group = config.group
    return mean_inputs(config.lanes, group) if source == "model" else _TRAFFIC_GROUPS * group


def _hardware() -> Any:
    from consilico.hw.matmul import group_dot

    return group_dot


def _formulas() -> Any:
    from consilico.hw.matmul import group_dot_census

    return group_dot_census


UNITS = (
    Unit(
        name="matmul/group_dot",
        summary="Dot product of INT8 with INT4 in groups with scale and zero point",
        config=GroupDotConfig,
        component=lambda config: _hardware().GroupDot(config),
        vectors=_vectors,
        coverage=(
            "one_pass",
            "second_pass_of_zeros",
            "second_pass_of_fifteens",
            "least_times_least",
            "least_times_greatest",
            "greatest_times_greatest",
            "greatest_scale",
            "zero_scale",
            "negative_sum",
            "overflow",
            "no_overflow",
            "reset_in_sum",
            "extremes",
        ),
        latency=lambda config: _hardware().latency(config),
        census=lambda batch: _formulas().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal", "uniform")},
    ),
)
