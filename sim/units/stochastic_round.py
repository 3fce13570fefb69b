"""Catalogue entry of stochastic rounding."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.training.lfsr import random_words, seeded
from consilico.golden.training.stochastic_round import StochasticRoundConfig, stochastic_round
from consilico.sim.traffic.training_operands import spread, training_traffic
from consilico.sim.units.stimulus import Stimulus, StimulusBuilder, pack
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Values = NDArray[np.int64]
_SEED_BITS = 31
_SEEDS = (0, (1 << _SEED_BITS) - 1, 1)  # the state's extremes; then drawn ones


class _Bench:
    """Adds beats and what the golden model makes of them; follows the generator's state."""

    def __init__(self, config: StochasticRoundConfig) -> None:
        self.config = config
        self.builder = StimulusBuilder(UNITS[0].ports(config))
        self._state = 0

    def seed(self, seed: int) -> None:

        self._state = seeded(seed)
        self.builder.configure(pack([(np.array([seed]), _SEED_BITS)]))
        self.builder.coverage["seeded"] += 1

    def reset(self) -> None:
        self.builder.reset()
        self.builder.coverage["reset_in_stream"] += 1

    def values(self, value: Values) -> None:
        """Add beats of values, shape ``(beats, lanes)``."""
        import torch

        config = self.config
        random, self._state = random_words(self._state, len(value), config)
        result = stochastic_round(torch.from_numpy(value), random, config).numpy()
        self.builder.data(
            pack([(value, config.width)]), pack([(result, config.result_width)]), value.size
        )
        floor, limit = value >> config.fraction, 1 << (config.result_width - 1)
        greatest = 1 << (config.width - 1)
        self.builder.coverage.update(
            {
                "rounded_up": int(((result == floor + 1) & (result < limit - 1)).sum()),
                "rounded_down": int(((result == floor) & (floor << config.fraction < value)).sum()),
                "integer": int(((result == floor) & (floor << config.fraction == value)).sum()),
                "saturated_low": int((floor < -limit).sum()),
                "saturated_high": int((floor >= limit).sum()),
                "least_value": int((value == -greatest).sum()),
                "greatest_value": int((value == greatest - 1).sum()),
            }
        )


def _corners(config: StochasticRoundConfig) -> Values:
    """Return values around the ends of the format, the result and the fraction; signs mixed."""
    one, limit = 1 << config.fraction, 1 << (config.result_width - 1)
    step = 1 << (config.fraction - config.random_bits)
    low = -(1 << (config.width - 1))
    centres = [low, -low, -limit * one, limit * one, (limit - 1) * one, 0, one, -one, step, -step]
    near = np.array(centres)[:, None] + np.array([-step, -step // 2, -1, 0, 1, step // 2, step])
    corners: Values = np.clip(near.reshape(-1), low, -low - 1)
    return corners


def _vectors(config: StochasticRoundConfig, seed: int) -> Stimulus:
    """Drive corners, every result code with drawn fractions, drawn values, seeds, resets."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    codes = 1 << config.result_width
    corners = _corners(config)
    low, high = -(1 << (config.width - 1)), 1 << (config.width - 1)
    for start in (*_SEEDS, *rng.integers(0, 1 << _SEED_BITS, 3).tolist()):
        bench.seed(start)
        bench.values(np.stack([rng.permutation(corners) for _ in range(config.lanes)], axis=1))
        every = np.stack([rng.permutation(codes) for _ in range(config.lanes)], axis=1) - codes // 2
        fraction = rng.integers(0, 1 << config.fraction, every.shape)
        cut = int(rng.integers(len(every)))
        value = (every << config.fraction) + fraction
        bench.values(value[:cut])
        bench.reset()
        bench.values(value[cut:])
        bench.builder.coverage["every_code"] += 1
        bench.values(rng.integers(low, high, (128, config.lanes)))
    return bench.builder.build()


def _traffic(config: StochasticRoundConfig, beats: int, *, source: str) -> Stimulus:
    """Return values to measure activity with.

    Args:
        config: The unit.
        source: ``"model"``: updated INT8 weights of a small model that Q-GaLore trains
            (:mod:`traffic.training_operands`), over the range of the result; ``"normal"``: mean
            0, deviation a quarter of the greatest result.
        beats: Number of beats.
    """
    rng = np.random.default_rng(1)
    greatest = 1 << (config.result_width - 1 + config.fraction)
    shape = beats, config.lanes

    def model() -> NDArray[np.float64]:
        weight = training_traffic().weights()
        groups = spread(len(weight), -(-beats * config.lanes // weight.shape[1]))
        flat = weight[groups].reshape(-1)[: beats * config.lanes]
        return flat.reshape(shape) * (greatest / 128)

    drawn = model() if source == "model" else rng.normal(0, greatest / 4, shape)
    high = 1 << (config.width - 1)
    bench = _Bench(config)
    bench.seed(int(rng.integers(1 << _SEED_BITS)))
    bench.values(np.clip(np.rint(drawn), -high, high - 1).astype(np.int64))
    return bench.builder.build()


def _hardware() -> Any:
    from consilico.hw.training import stochastic_round

    return stochastic_round


UNITS = (
    Unit(
        name="training/stochastic_round",
        summary="Fixed point to integers, rounded up with the fraction's probability",
        config=StochasticRoundConfig,
        component=lambda config: _hardware().StochasticRound(config),
        vectors=_vectors,
        coverage=(
            "every_code",
            "rounded_up",
            "rounded_down",
            "integer",
            "saturated_low",
            "saturated_high",
            "least_value",
            "greatest_value",
            "seeded",
            "reset_in_stream",
        ),
        latency=lambda config: _hardware().latency(config),
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="rounded value",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
