"""Catalogue entry of the dot product whose lanes do 1, 2 or 4 products."""

from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.fused_dot import FUSED_MODES, FusedDotConfig, fused_dot
from consilico.golden.matmul.operand import code_range
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

__all__ = ["UNITS", "every_product_vectors"]

Codes = NDArray[np.int64]
_TRAFFIC_BEATS = 32  # of a sum of random traffic
_FORMS = (("int8", "int8"), ("int8", "int4"), ("int4", "int4"))  # activation, weight, by mode
_DRAWN_SUMS = 120


def _lanes(codes: Codes, form: str) -> Codes:
    """Pack codes of shape ``(beats, lanes, products)``, lowest first, to ``(beats, lanes)``."""
    width = int(form[-1])
    shifts = np.arange(codes.shape[2]) * width
    return np.asarray(((codes & ((1 << width) - 1)) << shifts).sum(axis=2))


def _codes(lanes: Codes, form: str, products: int) -> Codes:
    """Return the codes of a mode, unsigned, shape ``(beats, lanes * products)``."""
    width = int(form[-1])
    shifts = np.arange(products) * width
    return (lanes[:, :, None] >> shifts & ((1 << width) - 1)).reshape(
        len(lanes), lanes.shape[1] * products
    )


class _Bench:
    """Adds beats of one mode."""

    def __init__(self, config: FusedDotConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self._loaded = -1

    def sums(self, mode: int, x: Codes, w: Codes, last: NDArray[np.bool_]) -> None:
        """Add beats of codes, shape ``(beats, lanes, products)``."""
        if mode != self._loaded:
            self.builder.configure({"payload": np.array(mode)})
            self._loaded = mode
        x_form, w_form = _FORMS[mode]
        beats = {"x": _lanes(x, x_form), "w": _lanes(w, w_form), "last": last}
        self.builder.data(beats, int(last.sum()), operations=x.size)


def _golden(config: FusedDotConfig, accepted: Accepted) -> GoldenResults:
    import torch

    x, w = (torch.from_numpy(accepted.data[name]) for name in ("x", "w"))
    mode = torch.from_numpy(accepted.in_force["payload"]).clamp(max=2)  # 3 means the same as 2
    last = accepted.data["last"] == 1
    ends = last | accepted.cut  # a sum that a reset cuts ends there, but has no result
    sums = fused_dot(x, w, torch.from_numpy(ends), mode, config).numpy()
    return GoldenResults(beats={"sum": sums[last[ends]]}, completes=last.astype(np.uint16))


def _hits(config: FusedDotConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    loads, mode = accepted.loads["payload"], accepted.in_force["payload"]
    hits = {}
    for each, name in enumerate(FUSED_MODES):
        hits[f"mode_{name}"] = int((loads == each).sum())
        beats = mode == each
        x, w = (
            _codes(accepted.data[side][beats], form, 1 << each)
            for side, form in zip(("x", "w"), _FORMS[each], strict=True)
        )
        bits = [int(form[-1]) for form in _FORMS[each]]
        hits[f"every_product_{name}"] = in_every_lane(x << bits[1] | w, 1 << sum(bits))
    return hits


def _vectors(config: FusedDotConfig, seed: int) -> Stimulus:
    """Drive drawn sums in drawn modes with resets, all pairs of INT4 codes, deep extremes."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    for number in range(_DRAWN_SUMS):
        mode = int(rng.integers(3)) if number % 2 else number // 2 % 3
        reset = number % 16 == 5
        beats = int(rng.integers(1 + reset, 7)) if number % 4 else 1
        last = np.arange(beats) == beats - 1 - reset  # a reset meets a result and a begun sum
        bench.sums(mode, *_drawn(rng, mode, beats, config.lanes), last)
        if reset:
            bench.builder.reset()
            bench.builder.coverage["reset_in_sum"] += 1
    _every_product(bench, 2)
    for mode, (x_form, w_form) in enumerate(_FORMS):
        for x_code in code_range(x_form):
            for w_code in code_range(w_form):
                greatest = mode == 0 and x_code < 0 and w_code < 0
                beats = extreme_beats(config, greatest=greatest)
                shape, last = (beats, config.lanes, 1 << mode), np.arange(beats) == beats - 1
                bench.sums(mode, np.full(shape, x_code), np.full(shape, w_code), last)
    return bench.builder.build()


def every_product_vectors(config: FusedDotConfig, mode: int) -> Stimulus:
    """Drive every product of codes of a mode in every place of every lane, one sum per beat."""
    bench = _Bench(config)
    _every_product(bench, mode)
    return bench.builder.build()


def _every_product(bench: _Bench, mode: int) -> None:
    lanes = bench.config.lanes
    x, w = every_product(*_FORMS[mode], lanes << mode)
    shape = (-1, lanes, 1 << mode)
    bench.sums(mode, x.reshape(shape), w.reshape(shape), np.ones(len(x), dtype=bool))


def _exhaustive(config: FusedDotConfig, seed: int) -> Stimulus:
    """Drive every product of every mode, and the greatest and the least sum of full depth."""
    bench = _Bench(config)
    for mode in range(3):
        _every_product(bench, mode)
    beats = max(1, config.depth // config.lanes)
    last = np.arange(beats) == beats - 1
    for w_code in code_range("int8"):
        x, w = (np.full((beats, config.lanes, 1), code) for code in (-128, w_code))
        bench.sums(0, x, w, last)
        bench.builder.coverage["extremes_at_depth"] += 1
    return bench.builder.build()


def _drawn(rng: np.random.Generator, mode: int, beats: int, lanes: int) -> tuple[Codes, Codes]:
    shape = (beats, lanes, 1 << mode)
    x, w = (rng.integers(low, high + 1, size=shape) for low, high in map(code_range, _FORMS[mode]))
    return x, w


def _traffic(config: FusedDotConfig, beats: int, *, source: str) -> Stimulus:
    """Return operands of one mode to measure activity with.

    Args:
        config: The unit.
        source: Distribution and mode, such as ``"model"`` or ``"model/int4"``: ``"model"``: a
            language model's linear layers; ``"normal"``, ``"uniform"``: see
            :data:`random_operands.Distribution`. The mode is INT8 if none is named.
        beats: Number of beats, about.

    Raises:
        ValueError: If no layer's inputs divide by the products per beat.
    """
    name, _, mode_name = source.partition("/")
    mode = FUSED_MODES.index(mode_name or "int8")
    x_form, w_form = (cast(Format, form) for form in _FORMS[mode])
    count = config.lanes << mode
    stream = operand_stream(
        name,
        lambda layers: layer_stream(layers, x_form, w_form, count, beats),
        lambda drawn: random_stream(
            drawn, x_form, w_form, count, beats, depth=_TRAFFIC_BEATS * count, group=8 * count
        ),
    )
    bench = _Bench(config)
    shape = (-1, config.lanes, 1 << mode)
    x, w = (codes[:beats].reshape(shape) for codes in (stream.x, stream.w))
    bench.sums(mode, x, w, stream.last[:beats])
    return bench.builder.build()


def _length(config: FusedDotConfig, source: str) -> float:

    name, _, mode = source.partition("/")
    count = config.lanes << FUSED_MODES.index(mode or "int8")
    return mean_inputs(count) if name == "model" else _TRAFFIC_BEATS * count


def _hardware() -> Any:
    from consilico.hw.matmul import fused_dot

    return fused_dot


_SOURCES = tuple(
    name + mode
    for name in ("model", "normal", "uniform")
    for mode in ("", *(f"/{mode}" for mode in FUSED_MODES))
)


def _contract(config: FusedDotConfig) -> Contract:
    least, greatest = -128 * 127, 128 * 128  # of a product
    products = max(config.depth, config.lanes)
    exact = Accumulator(
        total="o__payload",  # the result comes from the register itself
        beat="beat",
        fresh="fresh",
        least=config.lanes * least,
        greatest=config.lanes * greatest,
        least_sum=products * least,
        greatest_sum=products * greatest,
    )
    return Contract(
        completes="i_last",
        accumulators=(exact,),
        beat_clocks=clocked_by(_hardware().latency(config), i=("taken",), cfg=("constants",)),
        ready={"i": MOVES, "cfg": FREE},
    )


UNITS = (
    Unit(
        name="matmul/fused_dot",
        summary="Dot product of 1 INT8, 2 INT8 x INT4 or 4 INT4 products per lane",
        config=FusedDotConfig,
        component=lambda config: _hardware().FusedDot(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        coverage=(
            *(f"mode_{mode}" for mode in FUSED_MODES),
            "reset_in_sum",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=(
            *(f"every_product_{mode}" for mode in FUSED_MODES),
            "extremes_at_depth",
        ),
        latency=lambda config: _hardware().latency(config),
        contract=_contract,
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in _SOURCES},
        measured_with=("model", "model/int8_int4", "model/int4", "uniform"),
    ),
)
