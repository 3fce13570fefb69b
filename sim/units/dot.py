"""Catalogue entry of the dot product."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.dot import DotConfig, DotResult, dot
from consilico.sim.traffic.operand_streams import (
    layer_stream,
    mean_inputs,
    operand_stream,
    random_stream,
)
from consilico.sim.traffic.quantized import Format
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.contract import FREE, MOVES, Accumulator, Contract, clocked_by
from consilico.sim.units.products import every_product, extreme_beats, in_every_lane
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "accumulating", "every_product_vectors", "golden_sums"]

Codes = NDArray[np.int64]
_DRAWN_SUMS = 120
_TRAFFIC_BEATS = 64  # of a sum of random traffic
_GROUP_BEATS = 8  # of it that have one zero point


class _Bench:
    """Adds beats, and reloads where the zero point changes."""

    def __init__(self, config: DotConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self._zero = -1

    def _load(self, zero: int) -> None:
        if self.config.w == "uint4" and zero != self._zero:
            self.builder.configure({"payload": np.array(zero)})
            self.builder.coverage["zero_point_loaded"] += 1
        self._zero = zero

    def sums(
        self, x: Codes, w: Codes, last: NDArray[np.bool_], zero: Codes | int | None = None
    ) -> None:
        """Add beats, and reloads where the zero point changes.

        Args:
            x: Activations, shape ``(beats, lanes)``.
            w: Weights, the same shape.
            last: Shape ``(beats,)``. What follows the last sum is for a reset to drop.
            zero: Zero point of each beat, or of all; None for the one that is loaded.
        """
        zeros = np.broadcast_to(np.asarray(self._zero if zero is None else zero), len(x))
        changes = np.flatnonzero(np.diff(zeros)) + 1
        for first, end in pairwise([0, *changes.tolist(), len(x)]):
            self._load(int(zeros[first]))
            part = slice(first, end)
            self.builder.data(
                {"x": x[part], "w": w[part], "last": last[part]},
                int(last[part].sum()),
                operations=(end - first) * self.config.lanes,
            )


def _vectors(config: DotConfig, seed: int) -> Stimulus:
    """Drive drawn sums with resets and reloads, deep sums of extremes, pairs of 4-bit codes."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    shape = (1, config.lanes)
    unsigned = config.w == "uint4"
    xs, ws = config.x_range, config.w_range
    for index in range(_DRAWN_SUMS):
        reset = index % 16 == 5
        beats = int(rng.integers(1 + reset, 7)) if index % 4 else 1
        spread = 1.0 if index % 3 else 0.1  # small operands, too
        x, w = (
            np.rint(rng.integers(low, high + 1, size=(beats, config.lanes)) * spread)
            for low, high in (xs, ws)
        )
        last = np.arange(beats) == beats - 1 - reset  # a reset meets a result and a begun sum
        zero = rng.integers(16, size=beats) if index % 20 == 7 else int(rng.integers(16))
        bench.sums(x.astype(np.int64), w.astype(np.int64), last, zero if unsigned else 0)
        if reset:
            bench.builder.reset()
            bench.builder.coverage["reset_in_sum"] += 1
    if config.x_width == config.w_width == 4:
        x, w = every_product(config.x, config.w, config.lanes)
        bench.sums(x, w, np.ones(len(x), dtype=bool))
    for zero in (0, 15) if unsigned else (0,):
        for x_code in xs:
            for w_code in ws:
                least = x_code == xs[0] and w_code == ws[0]  # of all products the greatest
                beats = extreme_beats(config, greatest=least)
                last = np.arange(beats) == beats - 1
                x, w = (np.full(shape, code).repeat(beats, axis=0) for code in (x_code, w_code))
                bench.sums(x, w, last, zero)
                bench.sums(x[:1], w[:1], last[-1:])  # a short sum after one that may saturate
    return bench.builder.build()


def every_product_vectors(config: DotConfig) -> Stimulus:
    """Drive every product of codes in every lane, one sum per beat, under every zero point."""
    bench = _Bench(config)
    _every_product(bench)
    return bench.builder.build()


def _every_product(bench: _Bench) -> None:
    config = bench.config
    x, w = every_product(config.x, config.w, config.lanes)
    for zero in range(16 if config.w == "uint4" else 1):
        bench.sums(x, w, np.ones(len(x), dtype=bool), zero)


def _exhaustive(config: DotConfig, seed: int) -> Stimulus:
    """Drive every product in every lane, and the greatest and the least sum of full depth."""
    bench = _Bench(config)
    _every_product(bench)
    beats = max(1, config.depth // config.lanes)
    last = np.arange(beats) == beats - 1
    (x_low, _), (w_low, w_high) = config.x_range, config.w_range
    unsigned = config.w == "uint4"
    for w_code, zero in ((w_low, 15 if unsigned else 0), (w_high, 0)):
        x, w = (np.full((beats, config.lanes), code) for code in (x_low, w_code))
        bench.sums(x, w, last, zero)
        bench.builder.coverage["extremes_at_depth"] += 1
    return bench.builder.build()


def _traffic(config: DotConfig, beats: int, *, source: str) -> Stimulus:
    """Return whole dot products to measure activity with, in the order of the input dimension.

    Args:
        config: The unit.
        source: ``"model"``: weights and activations of a language model's linear layers (of a
            synthetic trace where the model is not installed); ``"normal"``, ``"uniform"``: see
            :data:`consilico.sim.traffic.operand_streams.Distribution`.
        beats: Number of beats, about.

    Raises:
        ValueError: If no layer's inputs divide by the lanes.
    """
    forms = cast(Format, config.x), cast(Format, config.w)
    lanes = config.lanes
    depth, group = _TRAFFIC_BEATS * lanes, _GROUP_BEATS * lanes
    stream = operand_stream(
        source,
        lambda layers: layer_stream(layers, *forms, lanes, beats),
        lambda drawn: random_stream(drawn, *forms, lanes, beats, depth=depth, group=group),
    )
    bench = _Bench(config)
    zero = stream.w_zero[:beats, 0] if config.w == "uint4" else 0
    bench.sums(stream.x[:beats], stream.w[:beats], stream.last[:beats], zero)
    return bench.builder.build()


def golden_sums(
    accepted: Accepted, sums: Callable[[NDArray[np.bool_]], DotResult], config: DotConfig
) -> GoldenResults:
    """Return the results of a dot product, whose sums a reset cuts.

    Args:
        accepted: What the unit accepted.
        sums: Given which beats end a sum, all sums.
        config: The unit.
    """
    last = accepted.data["last"] == 1
    result = sums(last | accepted.cut)  # a sum that a reset cuts ends there, too, ...
    whole = last[last | accepted.cut]  # ... but has no result
    beats = {"sum": result.sum.numpy()[whole]}
    if config.saturates:
        beats["saturated"] = result.saturated.numpy()[whole]
    return GoldenResults(beats=beats, completes=last.astype(np.uint16))


def _golden(config: DotConfig, accepted: Accepted) -> GoldenResults:
    import torch

    x, w = (torch.from_numpy(accepted.data[name]) for name in ("x", "w"))
    zero = torch.zeros(len(x), dtype=torch.int64)
    if config.w == "uint4":
        zero = torch.from_numpy(accepted.in_force["payload"])
    return golden_sums(
        accepted, lambda last: dot(x, w, torch.from_numpy(last), zero, config), config
    )


def _hits(config: DotConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    x, w, last = (accepted.data[name] for name in ("x", "w", "last"))
    low, high = config.x_range, config.w_range
    begins = (accepted.place == 0) | np.append(True, last[:-1] == 1)[: len(last)]
    points = {
        "least_times_least": (x == low[0]) & (w == high[0]),
        "least_times_greatest": (x == low[0]) & (w == high[1]),
        "greatest_times_greatest": (x == low[1]) & (w == high[1]),
        "one_beat_sum": begins & (last == 1),
        "negative_sum": results.beats["sum"] < 0,
    }
    if config.saturates:
        flag = results.beats["saturated"]
        points |= {"saturated_sum": flag, "saturated_then_not": flag[:-1] & ~flag[1:]}
    pair, pairs = (x - low[0] << config.w_width) + w - high[0], 1 << config.x_width + config.w_width
    if config.w == "uint4":
        pair, pairs = pair + pairs * accepted.in_force["payload"][:, None], 16 * pairs
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_product": in_every_lane(pair, pairs)
    }


def _exempt(config: DotConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    if config.saturates:
        return {}
    why = "the accumulator holds every sum of the unit's depth"
    return dict.fromkeys(("saturated_sum", "saturated_then_not"), why)


def _length(config: DotConfig, source: str) -> float:

    return mean_inputs(config.lanes) if source == "model" else _TRAFFIC_BEATS * config.lanes


def _hardware() -> Any:
    from consilico.hw.matmul import dot

    return dot


def accumulating(config: DotConfig) -> Contract:
    """Return the contract of a unit with the accumulator of :mod:`consilico.hw.matmul.dot`."""
    least, greatest = config.product_range
    products = max(config.depth, config.lanes)
    exact = Accumulator(
        total="o__payload",  # the result comes from the register itself
        # a stage of its own adds up the sums of several blocks
        beat="sum0" if _hardware().latency(config) == 3 else "beat",
        fresh="fresh",
        least=config.lanes * least,
        greatest=config.lanes * greatest,
        least_sum=products * least,
        greatest_sum=products * greatest,
    )
    return Contract(
        completes="i_last",
        accumulators=() if config.saturates else (exact,),
        beat_clocks=clocked_by(
            _hardware().latency(config),
            i=("taken",),
            cfg=("constants",) if config.w == "uint4" else (),
        ),
        ready={"i": MOVES} | ({"cfg": FREE} if config.w == "uint4" else {}),
    )


UNITS = (
    Unit(
        name="matmul/dot",
        summary="Dot product of INT8 and INT4 operands with accumulation",
        config=DotConfig,
        component=lambda config: _hardware().Dot(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        coverage=(
            "least_times_least",
            "least_times_greatest",
            "greatest_times_greatest",
            "one_beat_sum",
            "negative_sum",
            "reset_in_sum",
            "saturated_sum",
            "saturated_then_not",
        ),
        exempt=_exempt,
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product", "extremes_at_depth"),
        latency=lambda config: _hardware().latency(config),
        contract=accumulating,
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal", "uniform")},
    ),
)
