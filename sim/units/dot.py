"""Catalogue entry of the dot product."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.matmul.config import DotConfig
from sim.catalog import Unit
from sim.errors import UserError
from sim.stimulus import Ports, Stimulus, StimulusBuilder, pack

__all__ = ["UNITS"]

Codes = NDArray[np.int64]
_LONGEST = 256  # beats of the longest sum that is driven
_DRAWN_SUMS = 240
_TRAFFIC_BEATS = 8  # of a sum of drawn traffic


def _ports(config: DotConfig) -> Ports:
    return Ports(
        i_width=config.lanes * (config.x_width + config.w_width) + 1,
        o_width=config.sum_width + int(config.saturates),
        cfg_width=4 if config.w == "uint4" else 0,
    )


def _x_range(config: DotConfig) -> tuple[int, int]:
    half = 1 << (config.x_width - 1)
    return -half, half - 1


def _w_range(config: DotConfig) -> tuple[int, int]:
    half = 1 << (config.w_width - 1)
    return (0, 15) if config.w == "uint4" else (-half, half - 1)


class _Bench:
    """Adds beats and what the golden model makes of them."""

    def __init__(self, config: DotConfig) -> None:
        self.config = config
        self.builder = StimulusBuilder(_ports(config))
        self._zero = 0

    def zero_point(self, value: int) -> None:
        if self.config.w == "uint4":
            self.builder.configure(pack([(np.array([value]), 4)]))
            self.builder.coverage["zero_point_loaded"] += 1
            self._zero = value

    def sums(self, x: Codes, w: Codes, last: NDArray[np.bool_]) -> None:
        """Add beats, shape ``(beats, lanes)``; what follows the last sum is for a reset to drop."""
        import torch

        from golden.matmul.dot import dot

        config = self.config
        operands = torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(last)
        result = dot(*operands, self._zero, config)
        fields = [(result.sum.numpy(), config.sum_width)]
        if config.saturates:
            fields.append((result.saturated.numpy().astype(np.int64), 1))
        self.builder.data(
            pack([(x, config.x_width), (w, config.w_width), (last[:, None], 1)]),
            pack(fields),
            int(last.sum()),
            completes=last.astype(np.uint16),
            operations=x.size,
        )
        low, high = _x_range(config), _w_range(config)
        self.builder.coverage.update(
            {
                "least_times_least": int(((x == low[0]) & (w == high[0])).sum()),
                "least_times_greatest": int(((x == low[0]) & (w == high[1])).sum()),
                "greatest_times_greatest": int(((x == low[1]) & (w == high[1])).sum()),
                "one_beat_sum": int((last & np.append(True, last[:-1])).sum()),
                "negative_sum": int((result.sum < 0).sum()),
                "saturated_sum": int(result.saturated.sum()),
            }
        )


def _vectors(config: DotConfig, seed: int) -> Stimulus:
    """Drawn sums with resets and reloads, full-depth sums of extremes, all pairs of 4-bit codes."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    shape = (1, config.lanes)
    xs, ws = _x_range(config), _w_range(config)
    bench.zero_point(int(rng.integers(16)))
    for index in range(_DRAWN_SUMS):
        beats = int(rng.integers(1, 7)) if index % 4 else 1
        spread = 1.0 if index % 3 else 0.1  # small operands, too
        x, w = (
            np.rint(rng.integers(low, high + 1, size=(beats, config.lanes)) * spread)
            for low, high in (xs, ws)
        )
        last = np.zeros(beats, dtype=bool)
        reset = index % 16 == 5
        last[-1] = not reset
        bench.sums(x.astype(np.int64), w.astype(np.int64), last)
        if reset:
            bench.builder.reset()
            bench.builder.coverage["reset_in_sum"] += 1
        if index % 20 == 7:
            bench.zero_point(int(rng.integers(16)))
    if config.x_width == config.w_width == 4:
        codes = np.stack(np.meshgrid(np.arange(*xs), np.arange(*ws)), axis=-1).reshape(-1, 2)
        codes = np.resize(codes, (-(-len(codes) // config.lanes) * config.lanes, 2))
        x, w = (codes[:, side].reshape(-1, config.lanes) for side in range(2))
        bench.sums(x, w, np.ones(len(x), dtype=bool))
    beats = min(_LONGEST, max(1, config.depth // config.lanes))
    last = np.arange(beats) == beats - 1
    for zero in (0, 15) if config.w == "uint4" else (0,):
        bench.zero_point(zero)
        for x_code in xs:
            for w_code in ws:
                x, w = (np.full(shape, code).repeat(beats, axis=0) for code in (x_code, w_code))
                bench.sums(x, w, last)
                bench.builder.coverage["extremes_at_depth"] += 1
    return bench.builder.build()


def _traffic(config: DotConfig, source: str, beats: int) -> Stimulus:
    """Operands to measure activity with, sums of 8 beats.

    Args:
        config: The unit.
        source: ``"normal"``: clipped normals, deviation a quarter of the greatest code (weights
            of uint4: about 8); ``"uniform"``: all codes alike.
        beats: Number of beats, about.

    Raises:
        UserError: If the source is unknown.
    """
    rng = np.random.default_rng(1)
    beats = -(-beats // _TRAFFIC_BEATS) * _TRAFFIC_BEATS

    def drawn(low: int, high: int) -> Codes:
        shape = (beats, config.lanes)
        if source == "uniform":
            return rng.integers(low, high + 1, size=shape)
        centre = 8 if low == 0 else 0
        values = np.rint(rng.normal(centre, (high - low + 1) / 8, size=shape))
        return np.clip(values, low, high).astype(np.int64)

    if source not in ("normal", "uniform"):
        raise UserError(f"unknown traffic {source!r} of matmul/dot; there are: normal, uniform")
    bench = _Bench(config)
    bench.zero_point(8)
    last = np.arange(beats) % _TRAFFIC_BEATS == _TRAFFIC_BEATS - 1
    bench.sums(drawn(*_x_range(config)), drawn(*_w_range(config)), last)
    return bench.builder.build()


def _component(config: DotConfig) -> Any:
    from hw.matmul.dot import Dot

    return Dot(config)


def _latency(config: DotConfig) -> int:
    from hw.matmul.dot import latency

    return latency(config)


UNITS = (
    Unit(
        name="matmul/dot",
        family="matmul",
        summary="Dot product of INT8 and INT4 operands with accumulation",
        config=DotConfig,
        component=_component,
        ports=_ports,
        vectors=_vectors,
        traffic=_traffic,
        coverage=(
            "least_times_least",
            "least_times_greatest",
            "greatest_times_greatest",
            "one_beat_sum",
            "negative_sum",
            "reset_in_sum",
            "extremes_at_depth",
        ),
        latency=_latency,
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
    ),
)
