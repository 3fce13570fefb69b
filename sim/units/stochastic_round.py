"""Catalogue entry of stochastic rounding."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.training.lfsr import RandomConfig, leapt, words
from consilico.golden.training.stochastic_round import StochasticRoundConfig, stochastic_round
from consilico.sim.traffic.training_operands import spread, training_traffic
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.contract import MOVES, Contract, clocked_by
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "beat_states"]

Values = NDArray[np.int64]
_SEED_BITS = 31
_SEEDS = (0, (1 << _SEED_BITS) - 1, 1)  # the state's extremes; then drawn ones


class _Bench:
    """Builder of a stimulus that adds seeds and values."""

    def __init__(self, config: StochasticRoundConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)

    def seed(self, seed: int) -> None:
        self.builder.configure({"payload": np.array(seed)})
        self.builder.coverage["seeded"] += 1

    def reset(self) -> None:
        self.builder.reset()
        self.builder.coverage["reset_in_stream"] += 1

    def values(self, value: Values) -> None:
        """Add beats of values, shape ``(beats, lanes)``."""
        self.builder.data({"payload": value}, value.size)


def _golden(config: StochasticRoundConfig, accepted: Accepted) -> GoldenResults:
    import torch

    value = torch.from_numpy(accepted.data["payload"])
    seed = accepted.last_load(np.ones(len(accepted.beats_before_load), dtype=bool))
    random = words(beat_states(accepted, accepted.loads["payload"], seed, 0, config), config)
    return GoldenResults(beats={"payload": stochastic_round(value, random, config).numpy()})


def beat_states(
    accepted: Accepted, seeds: Values, seed: Values, ahead: int, config: RandomConfig
) -> Any:
    """Return the state of the random generator that each beat of data uses, a tensor ``(beats,)``.

    The generator moves with every beat accepted, whether or not a reset drops it.

    Args:
        accepted: What the unit accepted.
        seeds: What each beat of configuration seeds with, shape ``(loads,)``.
        seed: Which of them is in force, shape ``(beats,)``.
        ahead: Leaps from the seeded state to that of the first beat.
        config: The unit.
    """
    import torch

    since = np.arange(accepted.beats) - accepted.beats_before_load[seed]
    return leapt(
        torch.from_numpy(seeds[seed] << 1 | 1), torch.from_numpy(since + ahead), config.random_bits
    )


def _hits(
    config: StochasticRoundConfig, accepted: Accepted, results: GoldenResults
) -> dict[str, int]:
    value, result = accepted.data["payload"], results.beats["payload"]
    floor, limit = value >> config.fraction, 1 << (config.result_width - 1)
    greatest = 1 << (config.width - 1)
    exact = floor << config.fraction == value
    points = {
        "rounded_up": (result == floor + 1) & (result < limit - 1),
        "rounded_down": (result == floor) & ~exact,
        "integer": (result == floor) & exact,
        "saturated_low": floor < -limit,
        "saturated_high": floor >= limit,
        "least_value": value == -greatest,
        "greatest_value": value == greatest - 1,
    }
    if below := config.fraction - config.random_bits:
        rest, half = value & (1 << below) - 1, 1 << below - 1
        points |= {"tie": rest == half, "below_tie": rest == half - 1}
    return {name: int(hit.sum()) for name, hit in points.items()}


def _exempt(config: StochasticRoundConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    if config.fraction > config.random_bits:
        return {}
    why = "the random bits are as many as those of the fraction"
    return dict.fromkeys(("tie", "below_tie"), why)


def _corners(config: StochasticRoundConfig) -> Values:
    """Return values around the ends of the format, the result and the fraction; signs mixed."""
    one, limit = 1 << config.fraction, 1 << (config.result_width - 1)
    step = 1 << (config.fraction - config.random_bits)
    low = -(1 << (config.width - 1))
    centres = [low, -low, -limit * one, limit * one, (limit - 1) * one, 0, one, -one, step, -step]
    tie = step // 2
    near = np.array(centres)[:, None] + np.array([-step, -tie, -1, 0, 1, tie - 1, tie, step])
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
        golden=_golden,
        hits=_hits,
        exempt=_exempt,
        item_cycles=one_cycle_per_item,
        coverage=(
            "every_code",
            "rounded_up",
            "rounded_down",
            "tie",
            "below_tie",
            "integer",
            "saturated_low",
            "saturated_high",
            "least_value",
            "greatest_value",
            "seeded",
            "reset_in_stream",
        ),
        latency=lambda config: _hardware().latency(config),
        contract=lambda config: Contract(
            beat_clocks=clocked_by(1, i=("taken",)),
            ready={"i": f"{MOVES} && !cfg_valid", "cfg": "1"},
        ),
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="rounded value",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
