"""Catalogue entry of the dot product of group-quantized weights."""

from dataclasses import replace
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
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_beat
from consilico.sim.units.contract import Accumulator, Contract, PerBeat, clocked_by
from consilico.sim.units.layout import Values
from consilico.sim.units.products import every_product, in_every_lane
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "every_scale", "saw_every_scale", "wraps"]

Codes = NDArray[np.int64]
_DRAWN_SUMS = 120
_SHARED = 120  # shared exponent of the exhaustive stimulus
_TIES = ("tie_to_even", "tie_to_odd", "above_tie", "below_tie")
_TRAFFIC_GROUPS = 8  # of a sum of drawn traffic


class _Bench:
    """Adds shared exponents and groups."""

    def __init__(self, config: GroupDotConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self.exponent = 0

    def share(self, exponent: int) -> None:
        """Load the shared exponent, where there is one."""
        if self.config.has_exponent:
            self.builder.configure({"payload": np.array(exponent)})
            self.builder.coverage["exponent_loaded"] += 1
            self.exponent = exponent

    def groups(
        self, x: Codes, q: Codes, zero: Codes, scale: Codes, end: NDArray[np.bool_], drop: int = 0
    ) -> None:
        """Add beats of whole groups.

        Args:
            x: Activations, shape ``(groups, group)``.
            q: Weights, the same shape.
            zero: Zero points, shape ``(groups,)``.
            scale: Scales, shape ``(groups,)``.
            end: Shape ``(groups,)``. What follows the last sum is for a reset to drop.
            drop: Beats of the last group that are left out.
        """
        config = self.config
        beats = len(x) * config.beats
        at_end = np.tile(np.arange(config.beats) == config.beats - 1, len(x))
        # what is looked at in a group's last beat only must not matter before
        rng = np.random.default_rng(beats)
        drawn = rng.integers(1 << config.scale_width, size=beats)
        fields = {
            "x": x.reshape(beats, -1),
            "q": q.reshape(beats, -1),
            "zero": np.repeat(zero, config.beats),
            "scale": np.where(at_end, np.repeat(scale, config.beats), drawn),
            "end": np.where(at_end, np.repeat(end, config.beats), rng.integers(2, size=beats) == 1),
        }
        kept = {name: part[: beats - drop] for name, part in fields.items()}
        self.builder.data(kept, int(end.sum()), operations=(beats - drop) * config.lanes)


def _golden(config: GroupDotConfig, accepted: Accepted) -> GoldenResults:
    import torch

    place = accepted.groups(config.beats)
    data = {name: torch.from_numpy(part[place]) for name, part in accepted.data.items()}
    groups = len(place)
    zero = data["zero"][:, :, None].expand(-1, -1, config.lanes).reshape(groups, config.group)
    exponent = torch.zeros(groups, dtype=torch.int64)
    if config.has_exponent:
        exponent = torch.from_numpy(accepted.in_force["payload"][place[:, -1]])
    end = data["end"][:, -1] == 1
    # a sum that a reset cuts, or the sequence, ends with its last whole group, but has no result
    resets = accepted.resets_before[place[:, -1]]
    ends = end | torch.from_numpy(np.append(np.diff(resets) > 0, True)[:groups])
    result = group_dot(
        data["x"].reshape(groups, config.group),
        data["q"].reshape(groups, config.group),
        zero,
        data["scale"][:, -1],
        ends,
        exponent,
        config,
    )
    whole = end[ends]
    completes = np.zeros(accepted.beats, dtype=np.uint16)
    completes[place[:, -1]] = end.numpy()
    return GoldenResults(
        beats={"sum": result.sum[whole].numpy(), "overflow": result.overflow[whole].numpy()},
        completes=completes,
    )


def _one_pass(zero: Codes) -> NDArray[np.bool_]:
    return (zero >= 5) & (zero <= 10)


def _item_cycles(config: GroupDotConfig, accepted: Accepted) -> Codes:
    cycles = one_cycle_per_beat(config, accepted)
    cycles[accepted.is_beat] += ~_one_pass(accepted.data["zero"])
    return cycles


def _hits(config: GroupDotConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    x, q, zero = (accepted.data[name] for name in ("x", "q", "zero"))
    scale = accepted.data["scale"][accepted.groups(config.beats)[:, -1]]
    weight = q - zero[:, None]
    sums, overflow = results.beats["sum"], results.beats["overflow"] == 1
    whole = replace(config, output="int32")
    exact = _golden(whole, accepted).beats
    scales_alone = _golden(whole, accepted.with_data({"x": np.zeros_like(x)})).beats
    points = {
        "one_pass": _one_pass(zero),
        "second_pass_of_zeros": zero > 10,
        "second_pass_of_fifteens": zero < 5,
        "least_times_least": (x == -128) & (weight == -15),
        "least_times_greatest": (x == -128) & (weight == 15),
        "greatest_times_greatest": (x == 127) & (weight == 15),
        "greatest_scale": scale == _greatest(config),
        "negative_scale": scale >> 15 == 1,
        "zero_scale": scale == 0,
        "negative_sum": sums >> (config.result_width - 1) & 1,
        "overflow": overflow,
        "no_overflow": ~overflow,
        "overflow_then_none": overflow[:-1] & ~overflow[1:],
        **wraps(exact, scales_alone),
    }
    if config.output == "bf16":
        magnitude = np.abs(exact["sum"])
        places = np.maximum(np.frexp(magnitude)[1] - 8, 0)  # that rounding takes away
        rest, half = magnitude & (1 << places) - 1, 1 << places >> 1
        odd = magnitude >> places & 1 == 1
        points |= {
            "tie_to_even": (rest == half) & ~odd & (places > 0),
            "tie_to_odd": (rest == half) & odd & (places > 0),
            "above_tie": (rest == half + 1) & (places > 0),
            "below_tie": (rest == half - 1) & (places > 1),
        }
    if config.scale == "bf16":
        exponent = accepted.in_force["payload"][accepted.groups(config.beats)[:, -1]]
        scales = saw_every_scale(scale, exponent)
    else:
        scales = int(len(np.unique(scale)) == 256)
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_product": in_every_lane((x + 128 << 8) + (q << 4) + zero[:, None], 1 << 16),
        "every_scale": scales,
    }


def wraps(exact: Values, scales_alone: Values) -> dict[str, NDArray[np.bool_]]:
    """Return which sums overflow by what is added up, and not by a scale that is too great.

    Args:
        exact: Results of a golden model, ``sum`` (INT32) and ``overflow``.
        scales_alone: Its results where every activation is 0.
    """
    wrapped = (exact["overflow"] == 1) & (scales_alone["overflow"] == 0)
    negative = exact["sum"] < 0
    return {"positive_sum_wraps": wrapped & negative, "negative_sum_wraps": wrapped & ~negative}


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
    in_range = near if config.scale == "bf16" else greatest
    for scale in (unit(120), greatest, 0, near):
        for activation in (-128, 127):
            for code, zero in ((0, 15), (15, 0), (15, 15), (0, 0), (15, 5), (0, 10)):
                groups = longest if scale == in_range else 2
                x = np.full((groups, config.group), activation)
                end = np.arange(groups) == groups - 1
                constants = np.full(groups, zero), np.full(groups, scale)
                bench.groups(x, np.full_like(x, code), *constants, end)
                bench.builder.coverage["extremes"] += 1
    for index in range(_DRAWN_SUMS):
        reset = index % 16 == 5
        groups = int(rng.integers(1 + reset, 6)) if index % 4 else 1
        if index % 20 == 7:
            bench.share(int(rng.choice([1, 60, 127, 250])))
        elif index % 5 == 2:  # under one so near, the scales of other sums stay in range
            bench.share(int(rng.integers(118, 123)))
        x = rng.integers(-128, 128, size=(groups, config.group))
        if index % 3:
            x = x // 16
        zeros = rng.integers(*((0, 16) if index % 4 == 1 else (5, 11)), size=groups)
        scales = _drawn_scales(config, rng, groups, bench.exponent)
        end = np.arange(groups) == groups - 1 - reset  # a reset meets a result and a begun sum
        drop = config.beats - 1 if reset else 0  # the last group has only begun
        bench.groups(x, rng.integers(16, size=x.shape), zeros, scales, end, drop)
        if reset:
            bench.builder.reset()
            bench.builder.coverage["reset_in_sum"] += 1
    return bench.builder.build()


def _exhaustive(config: GroupDotConfig, seed: int) -> Stimulus:
    """Drive every code times every activation under every zero point, and every scale."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    bench.share(_SHARED)
    x, q = (part.reshape(-1, config.group) for part in every_product("int8", "uint4", config.lanes))
    one = _SHARED << 7 if config.scale == "bf16" else 1
    for zero in range(16):
        constants = np.full(len(x), zero), np.full(len(x), one)
        bench.groups(x, q, *constants, np.ones(len(x), dtype=bool))
    scales = every_scale(_SHARED) if config.scale == "bf16" else np.arange(256)
    x = rng.integers(-128, 128, size=(len(scales), config.group))
    q, zeros = rng.integers(16, size=x.shape), rng.integers(16, size=len(x))
    bench.groups(x, q, zeros, scales, np.ones(len(x), dtype=bool))
    if config.output == "bf16":
        _ties(bench)
    return bench.builder.build()


def _ties(bench: _Bench) -> None:
    """Add sums of 11 bits that lie between two bf16 numbers, and the integers next to them."""
    config = bench.config
    sums = (np.arange(128, 240) << 3)[:, None] + np.array([3, 4, 5])
    sums = np.concatenate([sums.reshape(-1), -sums.reshape(-1)])
    x, q = np.zeros((2, len(sums), config.group), dtype=np.int64)
    q[:, :2] = 15, 1  # 15 times one activation and once another make any sum
    x[:, 0], x[:, 1] = np.sign(sums) * (abs(sums) // 15), np.sign(sums) * (abs(sums) % 15)
    one = _SHARED - 7 << 7 if config.scale == "bf16" else 1  # such a scale is 1 of a sum's units
    ended = np.ones(len(sums), dtype=bool)
    bench.groups(x, q, np.zeros(len(sums), dtype=np.int64), np.full(len(sums), one), ended)


def every_scale(exponent: int) -> Codes:
    """Return bf16 scales of all mantissas and signs: those that convert to 0, exactly, too great.

    Args:
        exponent: Shared biased exponent that they are converted to.
    """
    biased = exponent + np.arange(-10, HEADROOM + 2)
    sign, mantissa = np.arange(2)[:, None, None], np.arange(128)
    scales: Codes = (sign << 15) + (biased[:, None] << 7) + mantissa
    return scales.reshape(-1)


def saw_every_scale(scale: Codes, exponent: Codes) -> int:
    """Return 1 if scales under shared exponents held all of :func:`every_scale`, otherwise 0."""
    relative = scale - (exponent << 7)  # the sign stays, above everything else
    return int(np.isin(every_scale(0), relative).all())


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


def _exempt(config: GroupDotConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    if config.output == "bf16":
        return {}
    return dict.fromkeys(_TIES, "INT32 results are not rounded")


def _bf16(config: GroupDotConfig) -> tuple[str, ...]:
    scale = ("i.scale",) if config.scale == "bf16" else ()
    return (*scale, "o.sum") if config.output == "bf16" else scale


def _hardware() -> Any:
    from consilico.hw.matmul import group_dot

    return group_dot


def _formulas() -> Any:
    from consilico.hw.matmul import group_dot_census

    return group_dot_census


def _contract(config: GroupDotConfig) -> Contract:
    passes = PerBeat(ticks=2)  # of a beat, one or two by its zero points

    def per_group(ticks: int = 1) -> PerBeat:
        return PerBeat(beats=config.beats, ticks=ticks)

    clocks = {"taken": passes, "stage1": passes, "stage2": passes, "scaled": per_group()}
    clocks |= {
        "scaler.begins": per_group(),
        "scaler.turns": per_group(config.slots),
        "scaler.moves": per_group(config.slots + 1),
    }
    if config.output == "bf16":
        clocks |= {"group_begins": per_group(), "group_ends": per_group(), "encodes": per_group()}
    return Contract(
        completes=f"position == {config.beats - 1} && i_end",
        group_beats=config.beats,
        accumulators=(
            Accumulator(
                total="sums__payload",
                beat="total",
                fresh="fresh",
                # of a pass; both passes of a product add up to no more than one may alone
                least=config.lanes * -128 * 15,
                greatest=config.lanes * 128 * 15,
                least_sum=config.group * -128 * 15,
                greatest_sum=config.group * 128 * 15,
            ),
        ),
        ready={"cfg": "1"} if config.has_exponent else {},
        beat_clocks={f"{domain}_clk": often for domain, often in clocks.items()}
        | clocked_by(0, cfg=("constants",) if config.has_exponent else ()),
    )


UNITS = (
    Unit(
        name="matmul/group_dot",
        summary="Dot product of INT8 with INT4 in groups with scale and zero point",
        config=GroupDotConfig,
        component=lambda config: _hardware().GroupDot(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        item_cycles=_item_cycles,
        bf16=_bf16,
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
            "overflow_then_none",
            "positive_sum_wraps",
            "negative_sum_wraps",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product", "every_scale", *_TIES),
        exempt=_exempt,
        latency=lambda config: _hardware().latency(config),
        contract=_contract,
        census=lambda batch: _formulas().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal", "uniform")},
    ),
)
