"""Catalogue entry of the INT8 weight update."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.training.lfsr import words
from consilico.golden.training.weight_update import WeightUpdateConfig, weight_update
from consilico.sim.traffic.quantized import bf16_bits
from consilico.sim.traffic.training_operands import spread, training_traffic
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.contract import FREE, MOVES, Contract, clocked_by
from consilico.sim.units.products import in_every_lane, rotated
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.stochastic_round import beat_states
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Codes = NDArray[np.int64]
_SEED_BITS = 31
_ONE = 0x3F80
_CODES = np.arange(-128, 128)
_GROUP = 256  # weights that share a scale in Q-GaLore
# zero, least and greatest numbers, one, one less an ulp, infinity, NaN; then with a sign
_CORNERS = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x3F80, 0x3F7F, 0x3FFF, 0x7F7F, 0x7F80, 0x7FFF])


class _Bench:
    """Adds seeds, factors and beats of weights."""

    def __init__(self, config: WeightUpdateConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)

    def seed(self, seed: int) -> None:
        self.builder.configure({"value": np.array(seed), "seeds": np.array(1)})
        self.builder.coverage["seeded"] += 1

    def factor(self, factor: int) -> None:
        # what stands above the factor must not matter
        self.builder.configure({"value": np.array(factor | 0x5A5A << 16), "seeds": np.array(0)})
        self.builder.coverage["factor_loaded"] += 1

    def reset(self) -> None:
        self.builder.reset()
        self.builder.coverage["reset_in_stream"] += 1

    def weights(self, code: Codes, update: Codes) -> None:
        """Add beats of codes and bf16 updates, shape ``(beats, lanes)``."""
        self.builder.data({"code": code, "update": update}, code.size)


def _golden(config: WeightUpdateConfig, accepted: Accepted) -> GoldenResults:
    import torch

    value, seeds = accepted.loads["value"], accepted.loads["seeds"] == 1
    seed, factor = accepted.last_load(seeds), value[accepted.last_load(~seeds)] & 0xFFFF
    # a beat moves the generator as it enters stage 0 and uses the words there
    random = words(beat_states(accepted, value, seed, 1, config), config)
    code, update = (torch.from_numpy(accepted.data[name]) for name in ("code", "update"))
    result = weight_update(code, update, random, torch.from_numpy(factor)[:, None], config)
    return GoldenResults(beats={"payload": result.numpy()})


def _hits(config: WeightUpdateConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    code, update = accepted.data["code"], accepted.data["update"]
    result = results.beats["payload"]
    points = {
        "moved_up": (result > code) & (result < 127),
        "moved_down": (result < code) & (result > -128),
        "moved_by_one": abs(result - code) == 1,
        "kept": (result == code) & (update & 0x7F80 > 0),
        "zero_update": update & 0x7F80 == 0,
        "saturated_low": (result == -128) & (code > -128),
        "saturated_high": (result == 127) & (code < 127),
    }
    value = accepted.loads["value"]
    factor = value[accepted.last_load(accepted.loads["seeds"] == 0)][:, None]
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_product": in_every_lane((factor & 127) << 7 | update & 127, 1 << 14)
    }


def _shuffled(rng: np.random.Generator, codes: Codes, lanes: int) -> Codes:
    return np.stack([rng.permutation(codes) for _ in range(lanes)], axis=1)


def _around_one_code(
    rng: np.random.Generator, factor: int, shape: tuple[int, ...], binades: int
) -> Codes:
    """Draw updates whose products with a factor lie so many binades around one code, at most."""
    exponent = 2 * 127 - (factor >> 7 & 255) + rng.integers(-binades, binades, shape)
    sign, mantissa = rng.integers(0, 2, shape) << 15, rng.integers(0, 128, shape)
    updates: Codes = sign | np.clip(exponent, 0, 255) << 7 | mantissa
    return updates


def _corners(bench: _Bench, rng: np.random.Generator) -> None:
    """Add every pair of corner numbers, on the least and greatest code and drawn ones.

    As many updates around one code are among them: a seed matters only where a sum is rounded.
    """
    lanes = bench.config.lanes
    signed = np.concatenate([_CORNERS, _CORNERS | 0x8000])
    for index, factor in enumerate(signed.tolist()):
        bench.factor(factor)
        if index % 2:
            bench.seed(int(rng.integers(0, 1 << _SEED_BITS)))
        update = _shuffled(rng, np.tile(signed, 3), lanes)
        code = rng.choice([-128, 127, 0, *rng.integers(-128, 128, 3)], update.shape)
        rounded = _around_one_code(rng, factor, update.shape, 2)
        beats = rng.permutation(2 * len(update))
        drawn = rng.integers(-128, 128, update.shape)
        bench.weights(np.append(code, drawn, 0)[beats], np.append(update, rounded, 0)[beats])


def _vectors(config: WeightUpdateConfig, seed: int) -> Stimulus:
    """Drive every code with updates of every size, corners of the factor, seeds, resets."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    bench.seed(0)
    _corners(bench, rng)
    for start in ((1 << _SEED_BITS) - 1, *rng.integers(0, 1 << _SEED_BITS, 3).tolist()):
        bench.seed(start)
        for binades in (12, 3):  # of the product, around one code
            factor = int(bf16_bits(rng.choice([-1, 1], 1) * np.exp2(rng.uniform(-40, 40, 1)))[0])
            bench.factor(factor)
            code = _shuffled(rng, _CODES, config.lanes)
            update = _around_one_code(rng, factor, code.shape, binades)
            cut = int(rng.integers(len(code)))
            bench.weights(code[:cut], update[:cut])
            bench.reset()
            bench.weights(code[cut:], update[cut:])
            bench.builder.coverage["every_code"] += 1
    return bench.builder.build()


def _exhaustive(config: WeightUpdateConfig, seed: int) -> Stimulus:
    """Drive every product of mantissas in every lane, over a few binades around one code."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    bench.seed(seed)
    for mantissa in range(128):
        bench.factor(_ONE | mantissa)
        update = rotated(128, config.lanes)
        update |= rng.integers(122, 134, update.shape) << 7
        update |= rng.integers(0, 2, update.shape) << 15
        bench.weights(rng.integers(-128, 128, update.shape), update)
    return bench.builder.build()


def _traffic(config: WeightUpdateConfig, beats: int, *, source: str) -> Stimulus:
    """Return weights and updates to measure activity with, in groups of 256 weights.

    Args:
        config: The unit.
        source: ``"model"``: of a small model that Q-GaLore trains
            (:mod:`traffic.training_operands`); ``"normal"``: codes of deviation 32; updates of
            deviation 1 (Adam's direction) times a factor of a quarter code, drawn for each group.
        beats: Number of beats, about.
    """
    rng = np.random.default_rng(1)
    bench = _Bench(config)
    bench.seed(int(rng.integers(1 << _SEED_BITS)))
    rows = max(1, _GROUP // config.lanes)  # beats of a group
    groups = max(1, beats // rows)
    used = rows * config.lanes

    def model() -> tuple[Codes, Codes, Codes]:
        traffic = training_traffic()
        picked = spread(len(traffic.code), groups)
        code, update = (part[picked, :used] for part in (traffic.code, traffic.update))
        return code, update, traffic.factor[picked]

    def normal() -> tuple[Codes, Codes, Codes]:
        parts = []
        for _ in range(groups):
            factor = bf16_bits(-rng.uniform(0.2, 0.3, 1))[0]
            code = np.clip(np.rint(rng.normal(0, 32, used)), -128, 127)
            parts.append((code.astype(np.int64), bf16_bits(rng.normal(0, 1, used)), factor))
        code, update, factor = (np.array(part) for part in zip(*parts, strict=True))
        return code, update, factor

    parts = model() if source == "model" else normal()
    for code, update, factor in zip(*parts, strict=True):
        bench.factor(int(factor))
        bench.weights(code.reshape(rows, -1), update.reshape(rows, -1))
    return bench.builder.build()


def _hardware() -> Any:
    from consilico.hw.training import weight_update

    return weight_update


UNITS = (
    Unit(
        name="training/weight_update",
        summary="INT8 weights plus scaled bf16 updates, rounded stochastically",
        config=WeightUpdateConfig,
        component=lambda config: _hardware().WeightUpdate(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        item_cycles=one_cycle_per_item,
        bf16=lambda config: ("i.update",),
        coverage=(
            "every_code",
            "moved_up",
            "moved_down",
            "moved_by_one",
            "kept",
            "zero_update",
            "saturated_low",
            "saturated_high",
            "seeded",
            "factor_loaded",
            "reset_in_stream",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product",),
        latency=lambda config: _hardware().latency(config),
        contract=lambda config: Contract(
            beat_clocks=clocked_by(2, i=("stage0",), cfg=("constants",)),
            ready={"i": f"{MOVES} && !cfg_valid", "cfg": FREE},
        ),
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="weight update",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
