"""Catalogue entries of 8-bit optimizer states: codes from states, states from codes."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.training.blockwise_dequantize import (
    BlockwiseDequantizeConfig,
    blockwise_dequantize,
)
from consilico.golden.training.blockwise_quantize import (
    BlockwiseQuantizeConfig,
    blockwise_quantize,
    normalize,
)
from consilico.golden.training.dynamic_code import book_bits
from consilico.sim.traffic.quantized import bf16_bits
from consilico.sim.traffic.training_operands import spread, training_traffic
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.contract import FREE, MOVES, Contract, clocked_by
from consilico.sim.units.products import in_every_lane, rotated
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "every_normalized_vectors"]

Bits = NDArray[np.int64]
_BLOCK = 2048  # states that share an absolute maximum (arXiv 2110.02861, section 3)
_ONE = 0x3F80
_LEAST_EXPONENT = 97  # of numbers that the code books tell from 0
_CORNERS = (0, 1, 0x80, 0x3F7F, 0x3F80, 0x3FFF, 0x7F00, 0x7F7F, 0x7F80, 0x7FFF)


class _Bench:
    """Adds absolute maxima, and beats of states or codes."""

    def __init__(self, config: BlockwiseQuantizeConfig | BlockwiseDequantizeConfig) -> None:
        self.config = config
        unit = UNITS[0] if isinstance(config, BlockwiseQuantizeConfig) else UNITS[1]
        self.builder = unit.builder(config)

    def absmax(self, bits: int) -> None:
        self.builder.configure({"payload": np.array(bits)})
        self.builder.coverage["absmax_loaded"] += 1

    def reset(self) -> None:
        self.builder.reset()
        self.builder.coverage["reset_in_stream"] += 1

    def beats(self, value: Bits) -> None:
        """Add beats of states or codes, shape ``(beats, lanes)``."""
        self.builder.data({"payload": value}, value.size)


def _absmax(accepted: Accepted) -> Bits:
    """Return the magnitude of the absolute maximum of each beat, ``(beats, 1)``."""
    return accepted.in_force["payload"][:, None] & 0x7FFF


def _quantize_golden(config: BlockwiseQuantizeConfig, accepted: Accepted) -> GoldenResults:
    import torch

    state, absmax = torch.from_numpy(accepted.data["payload"]), torch.from_numpy(_absmax(accepted))
    return GoldenResults(beats={"payload": blockwise_quantize(state, absmax, config).numpy()})


def _quantize_hits(
    config: BlockwiseQuantizeConfig, accepted: Accepted, results: GoldenResults
) -> dict[str, int]:
    state, absmax = accepted.data["payload"], _absmax(accepted)
    magnitude = state & 0x7FFF
    points = {
        "greatest_of_block": magnitude == absmax,
        "beyond_greatest": (magnitude > absmax) & (absmax > 0),
        "far_below": (magnitude > 0x80) & (magnitude + (22 << 7) < absmax),
        "block_of_zeros": (magnitude == 0) & (absmax == 0),
        "negative": state >> 15 == 1,
    }
    numbers = _normalized(1)[:, 0]
    place = np.full(1 << 16, len(numbers))
    place[numbers] = np.arange(len(numbers))
    normalized = np.where(absmax == _ONE, place[state], len(numbers))
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_quotient": in_every_lane((absmax & 127) << 7 | state & 127, 1 << 14),
        "every_number": in_every_lane(normalized, len(numbers)),
    }


def _dequantize_golden(config: BlockwiseDequantizeConfig, accepted: Accepted) -> GoldenResults:
    import torch

    code, absmax = torch.from_numpy(accepted.data["payload"]), torch.from_numpy(_absmax(accepted))
    return GoldenResults(beats={"payload": blockwise_dequantize(code, absmax, config).numpy()})


def _dequantize_hits(
    config: BlockwiseDequantizeConfig, accepted: Accepted, results: GoldenResults
) -> dict[str, int]:
    code, state = accepted.data["payload"], results.beats["payload"]
    zero = 127 if config.signed else 0
    points = {
        "zero_state": state == 0,
        "underflow": (state == 0) & (code != zero) & (_absmax(accepted) >= 0x80),
        "overflow": state == 0x7F7F,
    }
    return {name: int(hit.sum()) for name, hit in points.items()} | {
        "every_product": in_every_lane((_absmax(accepted) & 127) << 8 | code, 1 << 15)
    }


def _shuffled(rng: np.random.Generator, values: Bits, lanes: int) -> Bits:
    return np.stack([rng.permutation(values) for _ in range(lanes)], axis=1)


def _normalized(lanes: int) -> Bits:
    """Return every bf16 number in [-1, 1] down to 2 ** -31, in beats; 0 and -0 fill the last."""
    magnitude = np.arange((127 - 31) << 7, _ONE + 1)
    both = np.concatenate([magnitude, magnitude | 0x8000, [0, 0x8000]])
    return np.resize(both, (-(-len(both) // lanes), lanes)).astype(np.int64)


def every_normalized_vectors(config: BlockwiseQuantizeConfig, seed: int) -> Stimulus:
    """Return a stimulus of every bf16 number in [-1, 1] in every lane, absolute maximum 1."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    bench.absmax(_ONE)
    bench.beats(_shuffled(rng, _normalized(1)[:, 0], config.lanes))
    return bench.builder.build()


def _quantize_vectors(config: BlockwiseQuantizeConfig, seed: int) -> Stimulus:
    """Drive every normalized number once, then absolute maxima of all sizes."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    bench.absmax(_ONE)
    bench.beats(_normalized(config.lanes))
    for absmax in (*_CORNERS, *rng.integers(0x80, 0x7F80, 8).tolist()):
        bench.absmax(absmax)
        # from the maximum down over more binades than the code book has; some above it
        drop = rng.integers(-2 << 7, 24 << 7, (32, config.lanes))
        state = np.clip(absmax - drop, 0, 0x7FFF)
        state[rng.random(state.shape) < 0.1] = absmax
        state[0] = rng.choice(_CORNERS, config.lanes)
        state |= rng.integers(0, 2, state.shape) << 15
        bench.beats(state[:17])
        bench.reset()
        bench.beats(state[17:])
    _codes_from_book(bench, rng)
    return bench.builder.build()


def _codes_from_book(bench: _Bench, rng: np.random.Generator) -> None:
    """Add every value of the code book in bf16 in every lane, absolute maximum 1."""
    book = np.array(book_bits(signed=bench.config.signed))
    bench.absmax(_ONE)
    bench.beats(_shuffled(rng, book, bench.config.lanes))
    bench.builder.coverage["every_code"] += bench.config.lanes


def _dequantize_vectors(config: BlockwiseDequantizeConfig, seed: int) -> Stimulus:
    """Drive every code under absolute maxima of all sizes; in every lane under two of them."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    for absmax in (*_CORNERS, *rng.integers(0x80, 0x7F80, 6).tolist()):
        bench.absmax(absmax)
        beats = -(-256 // config.lanes)
        codes = np.resize(rng.permutation(256), (beats, config.lanes)).astype(np.int64)
        cut = int(rng.integers(beats))
        bench.beats(codes[:cut])
        bench.reset()
        bench.beats(codes[cut:])
    for absmax in (_ONE, 0x3A5B):
        bench.absmax(absmax)
        bench.beats(_shuffled(rng, np.arange(256), config.lanes))
        bench.builder.coverage["every_code"] += 1
    return bench.builder.build()


def _binades_with_thresholds(config: BlockwiseQuantizeConfig) -> Bits:
    """Return in which binade a number with each mantissa has another code than the one below it.

    That is the exponent as bf16 has it, shape ``(129,)``; mantissa 128 is 0 in the next binade. It
    is any binade where the code book has no such number.
    """
    import torch

    every = np.arange(_LEAST_EXPONENT << 7, _ONE)
    codes = blockwise_quantize(torch.from_numpy(every), _ONE, config).numpy()
    begins = every[1:][codes[1:] != codes[:-1]]
    binade = np.full(129, 126)
    binade[begins & 127] = begins >> 7
    binade[128] = binade[0] - 1
    return binade


def _quantize_exhaustive(config: BlockwiseQuantizeConfig, seed: int) -> Stimulus:
    """Drive every quotient of mantissas, and every number in [-1, 1], in every lane.

    Each quotient comes in three binades: below 1, and where a threshold of the code book lies below
    it or above it, so that another rounding of it gives another code.
    """
    import torch

    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    binade = _binades_with_thresholds(config)
    below_one = 126 << 7 | np.arange(128)
    for absmax in _ONE | np.arange(128):
        quotient = normalize(torch.from_numpy(below_one), int(absmax)).numpy()
        near = (
            below_one + (binade[(quotient & 127) + above] - (quotient >> 7) << 7)
            for above in (0, 1)
        )
        states = np.concatenate([below_one, *near])
        bench.absmax(absmax)
        bench.beats(states[rotated(len(states), config.lanes)])
    bench.absmax(_ONE)
    bench.beats(_shuffled(rng, _normalized(1)[:, 0], config.lanes))
    return bench.builder.build()


def _dequantize_exhaustive(config: BlockwiseDequantizeConfig, seed: int) -> Stimulus:
    """Drive every code in every lane under absolute maxima of every mantissa."""
    bench = _Bench(config)
    for absmax in _ONE | np.arange(128):
        bench.absmax(absmax)
        bench.beats(rotated(256, config.lanes))
    return bench.builder.build()


def _traffic(
    config: BlockwiseQuantizeConfig | BlockwiseDequantizeConfig, beats: int, *, source: str
) -> Stimulus:
    """Return blocks of 2048 states to measure activity with, the last one cut short.

    Args:
        config: The unit.
        source: ``"model"``: first moments, or second ones, of a small model that Q-GaLore trains
            (``sim/traffic/training_operands.py``); ``"normal"``: first moments of mean 0, deviation
            0.001, or second moments as their squares.
        beats: Number of beats.
    """
    import torch

    rows = max(1, _BLOCK // config.lanes)  # beats of a block

    def model() -> Bits:
        traffic = training_traffic()
        blocks = traffic.mean if config.signed else traffic.square
        picked = blocks[spread(len(blocks), -(-beats // rows)), : rows * config.lanes]
        return picked.reshape(-1, config.lanes)[:beats]

    def normal() -> Bits:
        moment = np.random.default_rng(1).normal(0, 1e-3, (beats, config.lanes))
        return bf16_bits(moment if config.signed else moment**2)

    state = model() if source == "model" else normal()
    bench = _Bench(config)
    for start in range(0, beats, rows):
        block = state[start : start + rows]
        absmax = int((block & 0x7FFF).max())
        bench.absmax(absmax)
        if isinstance(config, BlockwiseDequantizeConfig):
            quantizer = BlockwiseQuantizeConfig(lanes=config.lanes, code=config.code)
            block = blockwise_quantize(torch.from_numpy(block), absmax, quantizer).numpy()
        bench.beats(block)
    return bench.builder.build()


_COVERAGE = ("every_code", "absmax_loaded", "reset_in_stream")


def _quantize() -> Any:
    from consilico.hw.training import blockwise_quantize

    return blockwise_quantize


def _dequantize() -> Any:
    from consilico.hw.training import blockwise_dequantize

    return blockwise_dequantize


UNITS = (
    Unit(
        name="training/blockwise_quantize",
        summary="bf16 optimizer states to 8-bit codes of the dynamic code book",
        config=BlockwiseQuantizeConfig,
        component=lambda config: _quantize().BlockwiseQuantize(config),
        vectors=_quantize_vectors,
        golden=_quantize_golden,
        hits=_quantize_hits,
        item_cycles=one_cycle_per_item,
        bf16=lambda config: ("i.payload", "cfg.payload"),
        coverage=(
            *_COVERAGE,
            "negative",
            "greatest_of_block",
            "beyond_greatest",
            "far_below",
            "block_of_zeros",
        ),
        exhaustive=_quantize_exhaustive,
        exhaustive_coverage=("every_quotient", "every_number"),
        latency=lambda config: _quantize().latency(config),
        contract=lambda config: Contract(
            beat_clocks=clocked_by(2, i=("stage0",), cfg=("constants",)),
            ready={"i": f"{MOVES} && !cfg_valid", "cfg": "1"},
        ),
        census=lambda batch: _quantize().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="quantized state",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
    Unit(
        name="training/blockwise_dequantize",
        summary="8-bit codes of the dynamic code book to bf16 optimizer states",
        config=BlockwiseDequantizeConfig,
        component=lambda config: _dequantize().BlockwiseDequantize(config),
        vectors=_dequantize_vectors,
        golden=_dequantize_golden,
        hits=_dequantize_hits,
        bf16=lambda config: ("o.payload", "cfg.payload"),
        coverage=(*_COVERAGE, "zero_state", "underflow", "overflow"),
        exhaustive=_dequantize_exhaustive,
        exhaustive_coverage=("every_product",),
        latency=lambda config: _dequantize().latency(config),
        contract=lambda config: Contract(
            beat_clocks=clocked_by(2, i=("stage0",), cfg=("constants",)),
            ready={"i": MOVES, "cfg": FREE},
        ),
        census=lambda batch: _dequantize().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="dequantized state",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
