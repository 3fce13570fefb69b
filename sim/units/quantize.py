"""Catalogue entry of the group quantizer."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.quantize import QuantizeConfig, quantize, scale_significand
from consilico.sim.traffic.layer_traffic import layer_traffic
from consilico.sim.traffic.quantized import bf16_bits
from consilico.sim.traffic.quantizer_operands import layer_groups
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.contract import Contract, PerBeat, clocked_by
from consilico.sim.units.products import in_every_lane, rotated
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Patterns = NDArray[np.int64]  # bf16 bit patterns
_DRAWN = 24  # groups of normal values
_NEGATIVE = 1 << 15
_ONE = 0x3F80
_LEAST_NORMAL, _MAX, _INFINITY, _NAN = 0x0080, 0x7F7F, 0x7F80, 0x7FC0
_TRIANGLE = 128 * 129 // 2  # pairs of mantissas of which the first is not greater


class _Bench:
    """Builder of a stimulus that adds groups of values."""

    def __init__(self, config: QuantizeConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)

    def groups(self, x: Patterns) -> None:
        """Add groups, shape ``(groups, group)``."""
        self.builder.data({"payload": x.reshape(-1, self.config.lanes)}, x.size)

    def part(self, x: Patterns) -> None:
        """Add the first beats of a group, shape ``(beats, lanes)``, for a reset to drop."""
        self.builder.data({"payload": x}, 0)
        self.builder.reset()
        self.builder.coverage["reset_in_group"] += 1

    def build(self) -> Stimulus:
        return self.builder.build()


def _golden(config: QuantizeConfig, accepted: Accepted) -> GoldenResults:
    import torch

    place = accepted.groups(config.beats)
    x = accepted.data["payload"][place].reshape(len(place), config.group)
    result = quantize(torch.from_numpy(x), config)
    shared = {"scale": result.scale, "nonfinite": result.nonfinite}
    if config.mode == "minmax":
        shared["zero_point"] = result.zero_point
    beats = {name: part.numpy().repeat(config.beats) for name, part in shared.items()}
    completes = np.zeros(accepted.beats, dtype=np.uint16)
    completes[place[:, -1]] = config.beats
    return GoldenResults(
        beats={"code": result.code.numpy().reshape(-1, config.lanes), **beats}, completes=completes
    )


def _hits(config: QuantizeConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return the hits; ``every_code`` counts the lanes if each gave every code."""
    x = accepted.data["payload"][accepted.groups(config.beats)].reshape(-1, config.group)
    magnitude, negative = x & 0x7FFF, x >= _NEGATIVE
    scale, code = results.beats["scale"][:: config.beats], results.beats["code"]
    bad = results.beats["nonfinite"][:: config.beats] == 1
    points = {
        "zero_group": (magnitude == 0).all(axis=1),
        "subnormal": (magnitude > 0) & (magnitude < _LEAST_NORMAL),
        "least_scale": scale == _LEAST_NORMAL,
        "greatest_value": magnitude == _MAX,
        "infinity": magnitude == _INFINITY,
        "nan": magnitude > _INFINITY,
        "negative_group": negative.all(axis=1),
        "positive_group": (~negative).all(axis=1),
        "nonfinite_then_finite": bad[:-1] & ~bad[1:],
    }
    # a symmetric code leaves out the least two's complement number
    codes = (1 << config.result_width) - (config.mode == "absmax")
    full = all(len(np.unique(code[:, lane])) == codes for lane in range(config.lanes))
    beats = x.reshape(len(x), config.beats, config.lanes)
    great = magnitude.max(axis=1, initial=0)[:, None, None]
    pair = (beats & 127) + ((great & 127) << 7)
    # pairs of one exponent, numbered row by row of a triangle
    near = np.where(
        beats & 0x7F80 == great & 0x7F80,
        (great & 127) * ((great & 127) + 1) // 2 + (beats & 127),
        _TRIANGLE,
    )
    mantissas = np.unique(great & 127)
    return {
        **{name: int(hit.sum()) for name, hit in points.items()},
        "every_quotient": in_every_lane(pair.reshape(-1, config.lanes), 1 << 14),
        "every_great_quotient": in_every_lane(near.reshape(-1, config.lanes), _TRIANGLE),
        "every_code": full * config.lanes,
        "every_mantissa": int(len(mantissas) == 128),  # all rows of the tables
    }


def _below(rng: np.random.Generator, config: QuantizeConfig, greatest: Patterns) -> Patterns:
    """Return groups of values of both signs from the greatest down to ``2 ** -11`` of it."""
    magnitude = greatest[:, None] - rng.integers(0, 11 << 7, size=(len(greatest), config.group))
    magnitude[np.arange(len(greatest)), rng.integers(config.group, size=len(greatest))] = greatest
    signs = rng.integers(0, 2, size=magnitude.shape) * _NEGATIVE
    result: Patterns = np.maximum(magnitude, 0) | signs
    return result


def _two_sided(config: QuantizeConfig, high: Patterns, low: Patterns) -> Patterns:
    """Return groups of two values in turn, one positive, one negative, given as magnitudes."""
    return np.tile(np.stack([high, low | _NEGATIVE], axis=1), config.group // 2)


def _ends(config: QuantizeConfig) -> tuple[int, int]:
    """Return the least and the greatest value of a group whose scale is 1."""
    greatest = (1 << config.magnitude_width) - 1
    return (
        (-greatest, greatest) if config.mode == "absmax" else (-(greatest // 2), greatest // 2 + 1)
    )


def _unit_scale(config: QuantizeConfig, values: NDArray[np.float64]) -> Patterns:
    """Return groups of scale 1 that hold the values, given in shape ``(values, lanes)``.

    The first two beats of a group are its least and its greatest value.
    """
    share = config.beats - 2
    count = -(-len(values) // share)
    filled = np.resize(values, (count * share, config.lanes)).reshape(count, share, config.lanes)
    ends = np.broadcast_to(np.array(_ends(config))[:, None], (count, 2, config.lanes))
    return bf16_bits(np.concatenate([ends, filled], axis=1).reshape(count, config.group))


def _every_code(config: QuantizeConfig, offset: float) -> Patterns:
    """Return groups in which every lane has each code's value plus an offset, in its own order."""
    low, high = _ends(config)
    codes = np.arange(low, high + 1) + offset
    codes = codes[codes <= high]
    return _unit_scale(config, np.stack([np.roll(codes, 5 * i) for i in range(config.lanes)], 1))


def _vectors(config: QuantizeConfig, seed: int) -> Stimulus:
    """Drive every mantissa of the greatest value, normal groups, ties, corners, resets."""
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    group = config.group
    bench.groups(_below(rng, config, rng.integers(2, 254, size=128) << 7 | np.arange(128)))
    for index in range(_DRAWN):
        values = rng.normal(0.0, np.exp2(rng.integers(-60, 60)), size=(1, group))
        if index % 4 == 1:
            values = np.abs(values) * (1 if index % 8 == 1 else -1)
        if index % 6 == 2:
            values += values.max() * np.exp2(rng.integers(0, 7))  # far from zero, on one side
        bench.groups(bf16_bits(values))
        if index % 5 == 0:
            beats = int(rng.integers(1, config.beats))
            bench.part(bf16_bits(rng.normal(0.0, 1e3, size=(beats, config.lanes))))
    bench.groups(_every_code(config, 0.0))
    bench.groups(_every_code(config, 0.5))  # ties, as far as bf16 has halves
    corners = np.array([_LEAST_NORMAL, _LEAST_NORMAL | 127, 0x0400, _MAX, _INFINITY, _NAN, 0x7FFF])
    bench.groups(_below(rng, config, corners))
    flat = np.array([0, _NEGATIVE, 1, 0x7F, _NEGATIVE | 0x7F, *corners, *(corners | _NEGATIVE)])
    bench.groups(flat[:, None].repeat(group, axis=1))
    ends = np.array([0x3F80, 0x42FF, _LEAST_NORMAL, _MAX, _NAN])
    bench.groups(_two_sided(config, np.repeat(ends, len(ends)), np.tile(ends, len(ends))))
    for places in range(11):
        high, low = rng.integers(128, size=(2, 1)) + (100 << 7)
        bench.groups(_two_sided(config, high, low - (places << 7)))
        bench.groups(_two_sided(config, low - (places << 7), high))
    bench.groups(rng.integers(0, 1 << 16, size=(4, group)))
    return bench.build()


def _exhaustive(config: QuantizeConfig, seed: int) -> Stimulus:
    """Drive every mantissa in every lane, in groups of every mantissa of the greatest value.

    Once values are smaller than it by at least a power of two, once they have its exponent: their
    quotients have the most bits. And twice they have the exponent with which their quotient comes
    closest to a tie, from above and from below.
    """
    rng = np.random.default_rng(seed)
    bench = _Bench(config)
    share = config.beats - 1
    groups = -(-128 // share)
    flat = np.resize(rotated(128, config.lanes), (groups * share, config.lanes))
    values: Patterns = flat.reshape(groups, share, config.lanes)
    for mantissa in range(128):
        places = rng.integers(1, 9, size=values.shape)
        places.reshape(-1, config.lanes)[:128] = 1  # of half the greatest value on
        near = _near_ties(config, mantissa, values)
        smaller = [127 - each << 7 | values for each in (places, *near)]
        first = np.full((groups, 1, config.lanes), _ONE | mantissa)
        for below in (*smaller, _ONE | values % (mantissa + 1)):
            bench.groups(np.concatenate([first, below], axis=1).reshape(groups, config.group))
    return bench.build()


def _near_ties(
    config: QuantizeConfig, greatest: int, mantissas: Patterns
) -> tuple[Patterns, Patterns]:
    """Return by how many powers of two values are smaller if they come closest to a tie.

    A quotient is ``value * 2 ** (width - carry) / (scale * 2 ** places)``, of significands.

    Args:
        config: The unit.
        greatest: Mantissa of a group's greatest value.
        mantissas: Those of values.

    Returns:
        For the tie below the quotient, and for the one above it.
    """
    width = config.magnitude_width
    scale, carry = scale_significand(128 | greatest, width)
    places = np.arange(1, width + 2).reshape(-1, *[1] * mantissas.ndim)
    period = scale << (places + 1)
    rest = ((128 | mantissas) << (width - carry + 1)) + (scale << places)
    rest = rest % period
    return 1 + rest.argmin(axis=0), 1 + (period - rest).argmin(axis=0)


def _traffic(config: QuantizeConfig, beats: int, *, source: str) -> Stimulus:
    """Return values to measure activity with, in whole groups.

    Args:
        config: The unit.
        source: ``"model"``: inputs of a language model's layers (of a synthetic trace where the
            model is not installed); ``"normal"``: standard normal values, rounded to bf16.
        beats: Number of beats, about.

    Raises:
        ValueError: If no layer's inputs divide by the group.
    """
    group, count = config.group, -(-beats // config.beats)
    if source == "model":
        x = layer_groups(layer_traffic(), group, count)
    else:
        x = bf16_bits(np.random.default_rng(1).normal(size=(count, group)))
    bench = _Bench(config)
    bench.groups(x)
    return bench.build()


def _hardware() -> Any:
    from consilico.hw.matmul import quantize

    return quantize


def _formulas() -> Any:
    from consilico.hw.matmul import quantize_census

    return quantize_census


_LEMMA_NETS = (
    "stored", "write_position", "read_position", "valid0", "valid1", "valid2", "known", "complete",
)  # fmt: skip


def _lemmas(config: QuantizeConfig) -> tuple[str, ...]:
    """Return how the store, the pipeline and what is due hang together."""
    beats = config.beats
    stages = _hardware().maxima_stages(config.lanes)  # between a group's last beat and ``complete``
    being_read = f"(read_position != 0 ? {beats} - read_position : 0)"
    compared = " + ".join(f"ended[{stage}]" for stage in range(stages + 1))
    return (
        "write_position == position",
        f"stored <= {_hardware().depth(config)}",
        f"complete == ended[{stages}]",
        # beats of the group that comes in, of whole groups not yet begun, and of the one being read
        f"stored == position + {being_read} + {beats} * (known + {compared})",
        "due + position + 0 == stored + valid0 + valid1 + valid2",
    )


def _beat_clocks(config: QuantizeConfig) -> dict[str, PerBeat]:
    compared = (f"maxima{stage}" for stage in range(_hardware().maxima_stages(config.lanes)))
    per_group = ("group", "extremes", "finish", *(["zero"] if config.mode == "minmax" else []))
    return {
        **clocked_by(_hardware().STAGES, i=("running", "values", "store.capture", *compared)),
        **{f"{domain}_clk": PerBeat(beats=config.beats) for domain in per_group},
    }


UNITS = (
    Unit(
        name="matmul/quantize",
        summary="bf16 groups to INT8 or INT4 with a scale computed on the way",
        config=QuantizeConfig,
        component=lambda config: _hardware().Quantize(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        bf16=lambda config: ("i.payload", "o.scale"),
        coverage=(
            "every_code",
            "every_mantissa",
            "zero_group",
            "subnormal",
            "least_scale",
            "greatest_value",
            "infinity",
            "nan",
            "negative_group",
            "positive_group",
            "nonfinite_then_finite",
            "reset_in_group",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_quotient", "every_great_quotient"),
        latency=lambda config: _hardware().latency(config),
        contract=lambda config: Contract(
            completes=f"position == {config.beats - 1} ? {config.beats} : 0",
            group_beats=config.beats,
            most_due=4 * config.beats - 1,
            beat_clocks=_beat_clocks(config),
            lemmas=_lemmas(config),
            lemma_nets={name: name for name in _LEMMA_NETS},
        ),
        census=lambda batch: _formulas().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        operation="quantized value",
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
