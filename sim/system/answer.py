"""Costs of a prompt or a token on a chip: latency, energy by cause, area by part, utilization.

:func:`consilico.sim.system.simulate.system` makes such an answer.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consilico.sim.accelerator.unit_prices import PricedKit
from consilico.sim.accuracy.table import KnownAccuracy, known_accuracy
from consilico.sim.base.facts import Facts, plain
from consilico.sim.base.interval import ZERO, Interval, summed
from consilico.sim.system.chip import Chip
from consilico.sim.system.normalizers import KINDS, NormalizerUnit
from consilico.sim.system.transforms import Effect
from consilico.sim.system.work import BASES, OperatorWork
from consilico.sim.workload.graph import OperatorGraph, Workload

__all__ = ["CAUSES", "OperatorCost", "Rival", "SystemAnswer"]

CAUSES = (
    "MACs", "registers", "normaliser", "requantizer", "other units", "score buffer", "SRAM", "DRAM",
    "leakage",
)  # fmt: skip
"""Causes of energy; registers as far as they are known apart from what they hold."""

_NOTHING = 0.01  # a difference below this part is none
_ASSUMPTIONS = (
    (
        "operators follow one another; bounds of the latency: engines and DRAM overlap over all of"
        " them, or not at all"
    ),
    "a tensor of activations of up to a quarter of the SRAM stays there between two operators",
    (
        "arrays compute on INT8 codes: weights in groups are unpacked, those left out of four are"
        " zeros there; only dot-product lanes gain from fewer bits or fewer weights"
    ),
    "tokens of a mixture are shared out evenly among its experts",
    (
        "cells that hold zeros at the edges of a product take no energy; arrays for scores cost"
        " what weight-stationary ones do; a weight on its way through an array takes its part of"
        " the registers of each cell"
    ),
    (
        "norms, rotary embedding, activations and sums take a vector lane a cycle per operation, in"
        " floating point"
    ),
    "results of a normalizer are brought to the form of operands without cost",
    (
        "not counted: control, network on chip, wires between units and between SRAM macros, DRAM"
        " interface, capped scores, attention sinks, routing of experts, sampling"
    ),
)
_OF_KINDS = {
    "running": "the shift of the sums where the running maximum grows, and their division by the"
    " row's sum, are not counted",
    "two passes": "registers for maximum and sum of each row of a tile are not counted; codes of"
    " two jobs wait in SRAM",
}
_OF_RUNG = {
    "cells": "clock and wires of units are ideal, glitches are not counted",
    "layout": "wires, clock tree and glitches of a unit are those of layouts of smaller designs,"
    " carried to its size",
}


@dataclass(frozen=True, kw_only=True)
class OperatorCost:
    """An operator with its energy and time."""

    work: OperatorWork
    energy_j: Mapping[str, Interval]  # by CAUSES but leakage
    time_s: Interval
    dram_cycles: float  # that its traffic alone takes

    def utilization(self, capacity: Mapping[str, float], clock_ns: float) -> dict[str, float]:
        """Return useful operations over capacity times time, by engine.

        Args:
            capacity: Operations per cycle of each engine, bytes per cycle of DRAM.
            clock_ns: Clock period.
        """
        cycles = self.time_s.value / (clock_ns * 1e-9)
        useful = self.work.useful | {"dram": self.work.dram_bytes}
        return {
            name: useful.get(name, 0.0) / (most * cycles) if most and cycles else 0.0
            for name, most in capacity.items()
        }

    def to_json(self, phase: str, utilization: Mapping[str, float]) -> dict[str, Any]:
        """Return the answer as data that JSON can carry."""
        w = self.work
        return {
            "name": w.name, "phase": phase, "m": w.m, "k": w.k, "n": w.n, "count": w.count,
            "engine": w.engine, "basis": w.basis, "cycles": w.cycles.to_json(),
            "exposed_cycles": {
                "fill": w.fill,
                "normaliser": w.normalizer,
                "buffer": w.buffer,
                "dram": max(0.0, self.dram_cycles - w.cycles.value),
            },
            "dram_bytes": w.dram_bytes,
            "sram_bytes": w.sram_bytes,
            "energy_j": summed(self.energy_j.values()).to_json(),
            "time_s": self.time_s.to_json(),
            "utilisation": dict(utilization),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rival(Facts):
    """Effect of another normalizer on the same chip; ratios are to the one that is asked for."""

    name: str
    kind: str
    latency_ratio: float
    energy_ratio: float
    attention_energy_ratio: float  # of attention's operators alone
    area_ratio: float  # of the chip
    normaliser_um2: Interval  # with its buffers for scores
    buffer_kib: float
    basis: str  # of its price
    doubt: str = ""  # what has to be assumed of it at this clock
    refused: str = ""  # why there are no figures, if there are none


@dataclass(frozen=True, kw_only=True)
class SystemAnswer:
    """Cost of a workload on a chip."""

    workload: Workload
    graph: OperatorGraph
    chip: Chip
    normalizer: NormalizerUnit
    p_format: str
    kit: PricedKit
    operators: tuple[OperatorCost, ...]
    leakage_w: Interval
    area_um2: Mapping[str, Interval]  # by part
    buffer_bytes: int
    bases: Mapping[str, str]  # of the prices, by part
    doubts: tuple[str, ...]
    rivals: tuple[Rival, ...] = ()
    effects: tuple[Effect, ...] = ()  # of transforms, in their order

    @property
    def latency_s(self) -> Interval:
        """Return the time: of each operator the longer of its engine and its traffic."""
        cycle = self.chip.clock_ns * 1e-9
        engines = summed(o.work.cycles for o in self.operators) * cycle
        traffic = cycle * sum(o.dram_cycles for o in self.operators)
        value = sum(o.time_s.value for o in self.operators)
        return Interval(value, min(value, max(engines.low, traffic)), engines.high + traffic)

    @property
    def energy_j(self) -> dict[str, Interval]:
        """Return the energy by cause."""
        found = {
            cause: summed(o.energy_j.get(cause, ZERO) for o in self.operators) for cause in CAUSES
        }
        return found | {"leakage": self.leakage_w * self.latency_s}

    @property
    def total_j(self) -> Interval:
        """Return the energy of all causes."""
        return summed(self.energy_j.values())

    @property
    def total_um2(self) -> Interval:
        """Return the area of all parts."""
        return summed(self.area_um2.values())

    @property
    def limits(self) -> dict[str, float]:
        """Return the seconds for which each resource is what decides the time."""
        found: defaultdict[str, float] = defaultdict(float)
        cycle = self.chip.clock_ns * 1e-9
        for o in self.operators:
            w = o.work
            if o.dram_cycles >= w.cycles.value - w.fill:
                found["dram"] += o.time_s.value
                continue
            found["fill"] += w.fill * cycle
            found["normaliser"] += (w.normalizer + w.buffer) * cycle
            engine = {"arrays": "array", "tiles": "array"}.get(w.engine, w.engine)
            found[engine] += (w.cycles.value - w.fill - w.normalizer - w.buffer) * cycle
        return dict(found)

    @property
    def bound(self) -> str:
        """Return the resource that decides most of the time."""
        return max(self.limits, key=lambda name: self.limits[name])

    @property
    def capacity(self) -> dict[str, float]:
        """Return operations per cycle by engine, and bytes per cycle of DRAM."""
        chip = self.chip
        return {
            "qk": chip.scores_cells, "pv": chip.values_cells, "gemv": chip.gemv_lanes,
            "normaliser": chip.tiles * chip.columns, "vector": chip.lanes,
            "dram": chip.bytes_per_cycle,
        }  # fmt: skip

    @property
    def utilization(self) -> dict[str, float]:
        """Return useful operations over capacity times latency, by engine."""
        total = self.latency_s.value
        parts = [
            (o.time_s.value / total, o.utilization(self.capacity, self.chip.clock_ns))
            for o in self.operators
        ]
        return {name: sum(share * part[name] for share, part in parts) for name in self.capacity}

    @property
    def normalizer_um2(self) -> Interval:
        """Return the area of the normalizers with their buffers for scores."""
        return summed(self.area_um2[name] for name in ("normaliser", "score buffers"))

    @property
    def normalizer_j(self) -> Interval:
        """Return the energy of the normalizers with their buffers for scores, leakage left out."""
        return self.energy_j["normaliser"] + self.energy_j["score buffer"]

    @property
    def attention_j(self) -> float:
        """Return the energy of attention's operators, leakage left out."""
        own = (o for o in self.operators if o.work.engine == "tiles")
        return sum(summed(o.energy_j.values()).value for o in own)

    @property
    def exposed_cycles(self) -> float:
        """Return the cycles that normalizer, buffer and slices add where DRAM is not waited for."""
        return sum(
            o.work.normalizer + o.work.buffer
            for o in self.operators
            if o.dram_cycles < o.work.cycles.value
        )

    @property
    def normalizer_share_of_latency(self) -> float:
        """Return the share of the latency that :attr:`exposed_cycles` take."""
        return self.exposed_cycles * self.chip.clock_ns * 1e-9 / self.latency_s.value

    def to_json(self) -> dict[str, Any]:
        """Return plain data; a quantity with an interval has ``value``, ``low`` and ``high``."""
        chip, phase = self.chip, self.workload.phase
        return {
            "model": self.workload.model.name,
            "phase": phase,
            "settings": {
                "context": self.workload.context, "new": self.workload.tokens,
                "batch": self.workload.batch, "weights": chip.weights.name,
                "p_format": self.p_format, "tile": f"{chip.rows}x{chip.columns}",
                "tiles": chip.tiles, "value_arrays": chip.value_arrays,
                "gemv_lanes": chip.gemv_lanes, "lanes": chip.lanes, "sram_kib": chip.sram_kib,
                "dram": chip.dram.name, "clock_ns": chip.clock_ns,
            },
            "kit": self.kit.to_json(),
            "latency_s": self.latency_s.to_json(),
            "per": "token" if phase == "decode" and self.workload.rows == 1 else
            "step" if phase == "decode" else "prompt",
            "bound": self.bound,
            "limits_s": self.limits,
            "energy_j": plain(self.energy_j) | {"total": self.total_j.to_json()},
            "area_um2": plain(self.area_um2) | {"total": self.total_um2.to_json()},
            "utilisation": self.utilization,
            "operators": [
                o.to_json(phase, o.utilization(self.capacity, chip.clock_ns))
                for o in self.operators
            ],
            "normaliser": {
                "name": self.normalizer.unit.name,
                "kind": self.normalizer.kind,
                "needs": KINDS[self.normalizer.kind],
                "config": self.normalizer.config.to_json(),
                "exposed_cycles": self.exposed_cycles,
                "share_of_latency": self.normalizer_share_of_latency,
                "share_of_energy": self.normalizer_j.value / self.total_j.value,
                "area_um2": self.normalizer_um2.to_json(),
                "buffer_kib": self.buffer_bytes / 1024,
                "against": {rival.name: rival.to_json() for rival in self.rivals},
                "nothing_gained": self.nothing_gained,
            },
            "transforms": [effect.to_json() for effect in self.effects],
            "accuracy": self.accuracy.to_json(),
            "weight_bytes": self.graph.weights * chip.weights.bits / 8,
            "kv_cache_bytes": float(self.graph.kv_cache_elements),
            "cycles_basis": {
                o.work.engine: BASES[o.work.basis] for o in self.operators
            } | {"dram": "bytes over bandwidth"},
            "basis": dict(self.bases),
            "assumptions": self.assumptions,
            "doubts": list(self.doubts),
        }  # fmt: skip

    @property
    def assumptions(self) -> list[str]:
        """Return what the figures rest on beyond counts."""
        own = [_OF_RUNG[self.kit.rung], *_ASSUMPTIONS]
        if self.normalizer.kind in _OF_KINDS:
            own.append(_OF_KINDS[self.normalizer.kind])
        row = self.normalizer.row
        if row and row < self.workload.context:
            own.append(
                f"{self.normalizer.unit.name} is priced for rows of {row:,} scores, the longest"
                " that it can be built for"
            )
        return own

    @property
    def accuracy(self) -> KnownAccuracy:
        """Return what normalizer and format of P were measured to do to the answers of a model."""
        own = self.normalizer
        return known_accuracy(own.unit.name, own.form.name, self.workload.context)

    @property
    def nothing_gained(self) -> list[str]:
        """Return in what no other normalizer differs from this one by a hundredth."""
        if not self.rivals:
            return []
        known = [rival for rival in self.rivals if not rival.refused]
        return [
            title
            for title, name in (
                ("latency", "latency_ratio"),
                ("energy", "energy_ratio"),
                ("area", "area_ratio"),
            )
            if all(abs(getattr(rival, name) - 1) < _NOTHING for rival in known)
        ]
