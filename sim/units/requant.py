"""Catalogue entry of the requantizer."""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.requant import SHIFT_WIDTH, RequantConfig, channel_scale, requant
from consilico.sim.traffic.layer_traffic import layer_traffic
from consilico.sim.traffic.quantizer_operands import layer_sums
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.contract import FREE, MOVES, Contract, clocked_by
from consilico.sim.units.products import NEAR
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Integers = NDArray[np.int64]
_LEAST, _GREATEST = -(1 << 31), (1 << 31) - 1
_ROUNDS = 20  # of drawn scales
_BEATS = 96  # a round
_SINGLE = 64  # beats with scales of their own
_LONG = 16  # bits below the result of products of which all decide
_DECIDED = 8192  # results of the exhaustive stimulus
_TRIED = 1 << 18  # factors of products, at a time
_SUM_DEVIATION = 16384.0  # of drawn traffic: about that of 768 products of drawn INT8 codes
_CODE_DEVIATION = 4  # of drawn traffic: standard deviations that the result's range holds


class _Bench:
    """Builder of a stimulus that adds constants and sums."""

    def __init__(self, config: RequantConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)

    def load(self, multiplier: Integers, shift: Integers, zero_point: int) -> None:
        """Add a beat on ``cfg``: constants of shape ``(lanes,)``."""
        constants = {"scale.multiplier": multiplier[None], "scale.shift": shift[None]}
        if self.config.zero_point:
            constants["zero_point"] = np.array([zero_point])
        self.builder.configure(constants)

    def sums(self, x: Integers) -> None:
        """Add beats, shape ``(beats, lanes)``."""
        self.builder.data({"payload": x}, x.size)

    def build(self) -> Stimulus:
        return self.builder.build()


def _scales(rng: np.random.Generator, config: RequantConfig) -> tuple[Integers, Integers]:
    """Draw multipliers, and shifts that bring sums of 9 to 31 bits to the result's range."""
    width = config.multiplier_width
    multiplier = rng.integers(1 << (width - 1), 1 << width, size=config.lanes)
    shift = rng.integers(width, width + 24, size=config.lanes)
    return multiplier, np.minimum(shift, (1 << SHIFT_WIDTH) - 1)


def _near_codes(
    rng: np.random.Generator, config: RequantConfig, beats: int, scales: tuple[Integers, Integers]
) -> Integers:
    """Return sums whose results spread over slightly more than the range, corners included."""
    multiplier, shift = scales
    half = 1 << (config.result_width - 1)
    reach = np.exp2(shift) / np.maximum(multiplier, 1) * half * 2.2  # a zero point moves the range
    drawn = rng.uniform(-1.0, 1.0, size=(beats, config.lanes)) * reach
    x: Integers = np.clip(np.rint(drawn), _LEAST, _GREATEST).astype(np.int64)
    corners = np.array([_LEAST, _GREATEST, 0, 1, -1])
    x[: len(corners)] = corners[:, None]
    return x


def _vectors(config: RequantConfig, seed: int) -> Stimulus:
    """Drive drawn scales, ties of every code, extreme constants, reloads, resets."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    width, lanes = config.multiplier_width, config.lanes
    half = 1 << (config.result_width - 1)

    def zero_point() -> int:
        return int(rng.choice([-half, half - 1, 0, int(rng.integers(-half, half))]))

    for index in range(_ROUNDS):
        scales = _scales(rng, config)
        bench.load(*scales, zero_point())
        x = _near_codes(rng, config, _BEATS, scales)
        cut = int(rng.integers(16, _BEATS))
        bench.sums(x[:cut])
        if index % 4 == 1:
            bench.builder.reset()
            bench.builder.coverage["reset_in_stream"] += 1
        bench.sums(x[cut:])
    # odd multiples of a half, in every lane: all ties, and all codes
    ties = 2 * np.arange(-2 * half - 2, 2 * half + 2) + 1
    for point, places in ((0, 0), (-half, 3), (half - 1, 16)):
        bench.load(np.full(lanes, 1 << (width - 1)), np.full(lanes, width + places), point)
        bench.sums((ties << places)[:, None].repeat(lanes, axis=1))
    # with ties to even, those give even codes only
    bench.load(np.full(lanes, 1 << (width - 1)), np.full(lanes, width), 0)
    bench.sums(2 * np.arange(-half, half)[:, None].repeat(lanes, axis=1))
    # ties of every code, and what is nearest to them
    bench.load(np.full(lanes, 1), np.full(lanes, 4), 0)
    near = (ties << 3)[:, None] + np.array([-1, 0, 1])
    bench.sums(near.reshape(-1)[:, None].repeat(lanes, axis=1))
    for extreme in (0, 1, 2, (1 << width) - 1):
        for shift in (0, 1, 31, 31 + width, (1 << SHIFT_WIDTH) - 1):
            scales = np.full(lanes, extreme), np.full(lanes, shift)
            bench.load(*scales, zero_point())
            bench.sums(_near_codes(rng, config, 12, scales))
    for _ in range(_SINGLE):
        scales = _scales(rng, config)
        bench.load(*scales, zero_point())
        bench.sums(_near_codes(rng, config, 6, scales)[-1:])
    bench.sums(rng.integers(_LEAST, _GREATEST + 1, size=(_BEATS, lanes)))
    return bench.build()


def _exhaustive(config: RequantConfig, seed: int) -> Stimulus:
    """Drive long products that every bit of decides, in every lane, each with its own constants."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    beats = max(64, _DECIDED // config.lanes)
    x, multiplier, shift = (
        part.reshape(beats, config.lanes) for part in _decided(rng, config, beats * config.lanes)
    )
    for beat in range(beats):
        bench.load(multiplier[beat], shift[beat], 0)
        bench.sums(x[beat][None])
    _single_bits(bench)
    return bench.build()


def _ties(rng: np.random.Generator, config: RequantConfig, count: int) -> Integers:
    """Draw products that are exact ties, of two odd numbers and powers of two.

    Returns:
        Magnitudes of sums, multipliers and shifts, shape ``(3, count)``.
    """
    odd = 1 + 2 * np.arange(1 << (config.result_width - 1))
    pairs = np.argwhere(odd[:, None] * odd < 1 << config.result_width) * 2 + 1
    pairs = pairs[pairs[:, 1] < 1 << config.multiplier_width]
    x, multiplier = pairs[rng.integers(len(pairs), size=count)].T
    _, of_x = np.frexp(x)
    _, of_multiplier = np.frexp(multiplier)
    places = [
        rng.integers(0, width - bits + 1)
        for width, bits in ((31, of_x), (config.multiplier_width, of_multiplier))
    ]
    shift = np.minimum(sum(places) + 1, (1 << SHIFT_WIDTH) - 1)
    return np.stack([x << places[0], multiplier << places[1], shift])


def _single_bits(bench: _Bench) -> None:
    """Add products of which a single bit is 1, under every shift: each tells of overflow alone."""
    config = bench.config
    none = np.zeros(config.lanes, dtype=np.int64)
    for shift in range(1 << SHIFT_WIDTH):
        for bit in range(config.multiplier_width):
            bench.load(none + (1 << bit), none + shift, 0)
            # products of the other bits come of one multiplier
            powers = np.arange(31 if bit == config.multiplier_width - 1 else 1)
            bench.sums((np.int64(1) << powers)[:, None] + none)


def _decided(
    rng: np.random.Generator, config: RequantConfig, count: int
) -> tuple[Integers, Integers, Integers]:
    """Draw sums, multipliers and shifts whose product lies a few units from a tie, in the range.

    There the lowest bits of the product, which a shift discards, decide how it is rounded: a small
    error shows. For an odd factor ``f``, a shift ``s`` and a small odd ``r``, the other factor is
    ``(2 ** (s - 1) +- r) / f`` modulo ``2 ** s``; of those that come out, few are short enough.
    """
    widest = min(16, config.multiplier_width, config.result_width + 8)
    # the widest are what most faults need, and the fewest of them come out
    parts = [_near_ties(rng, config, least, widest, count // 4) for least in (widest, 3)]
    parts.append(_ties(rng, config, count - 2 * (count // 4)))
    x, multiplier, shift = np.concatenate(parts, axis=1)[:, rng.permutation(count)]
    return x * rng.choice([-1, 1], count), multiplier, shift


def _near_ties(
    rng: np.random.Generator, config: RequantConfig, least: int, most: int, count: int
) -> Integers:
    """Draw products of :func:`_decided` whose odd factor has so many bits.

    Returns:
        Magnitudes of sums, multipliers and shifts, shape ``(3, count)``.
    """
    found: list[Integers] = []
    one = np.uint64(1)
    while sum(part.shape[1] for part in found) < count:
        bits = rng.integers(least, most + 1, _TRIED)
        factor = (rng.integers(1 << 15, 1 << 16, _TRIED) >> (16 - bits) | 1).astype(np.uint64)
        shift = rng.integers(8, min(62, most + 31), _TRIED).astype(np.uint64)
        inverse = factor.copy()
        for _ in range(5):  # Newton: each step doubles the number of bits that are right, from 3
            inverse *= np.uint64(2) - factor * inverse
        few = rng.choice([-1, 1], _TRIED) * (rng.integers(0, NEAR // 2, _TRIED) * 2 + 1)
        near = (one << (shift - one)) + few.astype(np.uint64)
        other = inverse * near & ((one << shift) - one)
        swapped = (rng.random(_TRIED) < 0.3) & (other >> np.uint64(config.multiplier_width) == 0)
        multiplier, x = np.where(swapped, [other, factor], [factor, other]).astype(np.int64)
        fits = (x >= 0) & (x <= _GREATEST) & (multiplier < 1 << config.multiplier_width)
        whole = np.where(fits, x * multiplier, 0) >> shift.astype(np.int64)
        fits &= whole < 1 << (config.result_width - 1)
        found.append(np.stack([x, multiplier, shift.astype(np.int64)])[:, fits])
    return np.concatenate(found, axis=1)[:, :count]


def _traffic(config: RequantConfig, beats: int, *, source: str) -> Stimulus:
    """Return sums to measure activity with.

    Args:
        config: The unit.
        source: ``"model"``: sums of a language model's layers
            (:func:`quantizer_operands.layer_sums`), scaled so that the layer's outputs
            fill the range (of a synthetic trace where the model is not installed); ``"normal"``:
            normal sums, deviation 16384 times a factor drawn per channel, 0.5 to 2; scales put 4
            deviations at the end of the range; zero point a quarter of it.
        beats: Number of beats.

    Raises:
        ValueError: If no layer has as many outputs as there are lanes.
    """
    return _model(config, beats) if source == "model" else _normal(config, beats)


def _model(config: RequantConfig, beats: int) -> Stimulus:

    bench = _Bench(config)
    half = 1 << (config.result_width - 1)
    for part in layer_sums(layer_traffic(), config.lanes):
        if config.zero_point:
            step = (part.greatest - part.least) / (2 * half - 1)
            zero_point = min(max(round(-half - part.least / step), -half), half - 1)
        else:
            step, zero_point = max(-part.least, part.greatest) / (half - 1), 0
        bench.load(*_constants(part.scale / step, config), zero_point)
        bench.sums(part.sums[:beats])
        beats -= len(part.sums)
        if beats <= 0:
            break
    return bench.build()


def _normal(config: RequantConfig, beats: int) -> Stimulus:
    rng = np.random.default_rng(1)
    bench = _Bench(config)
    half = 1 << (config.result_width - 1)
    deviation = _SUM_DEVIATION * np.exp2(rng.uniform(-1.0, 1.0, size=config.lanes))
    bench.load(*_constants(half / (_CODE_DEVIATION * deviation), config), half // 2)
    bench.sums(np.rint(rng.normal(0.0, deviation, size=(beats, config.lanes))).astype(np.int64))
    return bench.build()


def _constants(scale: NDArray[np.float64], config: RequantConfig) -> tuple[Integers, Integers]:
    """Return the multipliers and shifts that stand for scales."""
    constants = [channel_scale(Fraction(value), config) for value in scale.tolist()]
    multiplier, shift = np.array(constants, dtype=np.int64).T
    return multiplier, shift


def _golden(config: RequantConfig, accepted: Accepted) -> GoldenResults:
    import torch

    x = torch.from_numpy(accepted.data["payload"])
    multiplier, shift, zero_point = (torch.from_numpy(part) for part in _in_force(config, accepted))
    result = requant(x, multiplier, shift, zero_point, config)
    return GoldenResults(beats={"code": result.code.numpy(), "saturated": result.saturated.numpy()})


def _in_force(config: RequantConfig, accepted: Accepted) -> tuple[Integers, Integers, Integers]:
    """Return the multiplier, shift and zero point of each sum; they broadcast to the sums."""
    constants = accepted.in_force
    zero = np.zeros((1, 1), dtype=np.int64)
    if config.zero_point:
        zero = constants["zero_point"][:, None]
    return constants["scale.multiplier"], constants["scale.shift"], zero


def _hits(config: RequantConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    x, loads = accepted.data["payload"], accepted.loads
    multiplier, shift, zero = _in_force(config, accepted)
    code, saturated = results.beats["code"], results.beats["saturated"]
    mask = ~(np.int64(-1) << shift)
    product = np.abs(x) * multiplier
    rest, half = product & mask, (mask >> 1) + 1
    tied, rounds = rest == half, shift > 0
    exact = np.where(x < 0, -(product >> shift), product >> shift) + zero  # but for rounding
    limit = 1 << (config.result_width - 1)
    every = [len(np.unique(code[:, lane])) == 2 * limit for lane in range(config.lanes)]
    single = np.diff(accepted.loads_before) == 1
    points = {
        "zero_multiplier": loads["scale.multiplier"] == 0,
        "greatest_multiplier": loads["scale.multiplier"] + 1 == 1 << config.multiplier_width,
        "no_shift": loads["scale.shift"] == 0,
        "greatest_shift": loads["scale.shift"] + 1 == 1 << SHIFT_WIDTH,
        "reload_every_beat": single[1:] & single[:-1],
        "least_sum": x == _LEAST,
        "greatest_sum": x == _GREATEST,
        "positive_tie": tied & (x > 0),
        "negative_tie": tied & (x < 0),
        "above_tie": (rest == half + 1) & rounds,
        "below_tie": (rest == half - 1) & rounds,
        "tie_at_limit": tied & ((exact == limit - 1) | (exact == -limit)),
        "saturated": saturated,
        "in_range": ~saturated,
        "saturated_then_not": saturated[:-1] & ~saturated[1:],
    }
    hits = {name: int(hit.sum()) for name, hit in points.items()}
    decided = (
        (abs(rest - half) < NEAR) & (product & 1 == 1) & (shift >= _LONG) & ~saturated[:, None]
    )
    return hits | {
        "every_code": sum(every) * all(every),
        "product_decides": int(decided.sum(axis=0).min()),
    }


def _hardware() -> Any:
    from consilico.hw.matmul import requant

    return requant


UNITS = (
    Unit(
        name="matmul/requant",
        summary="INT32 sums to INT8 or INT4 with a multiplier and a shift a channel",
        config=RequantConfig,
        component=lambda config: _hardware().Requant(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        coverage=(
            "every_code",
            "least_sum",
            "greatest_sum",
            "positive_tie",
            "negative_tie",
            "above_tie",
            "below_tie",
            "tie_at_limit",
            "saturated",
            "in_range",
            "saturated_then_not",
            "zero_multiplier",
            "greatest_multiplier",
            "no_shift",
            "greatest_shift",
            "reload_every_beat",
            "reset_in_stream",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("product_decides",),
        latency=lambda config: _hardware().latency(config),
        contract=lambda config: Contract(
            beat_clocks=clocked_by(
                _hardware().latency(config), i=("taken",), cfg=("constants", "late")
            ),
            ready={"i": MOVES, "cfg": FREE},
        ),
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="requantized value",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
