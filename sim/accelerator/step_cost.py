"""Costs of a training step on an accelerator: area, energy and time of each phase.

The work of a phase (:mod:`consilico.sim.accelerator.step_work`) is multiplied by what its
operations cost (:mod:`consilico.sim.accelerator.costs`). :func:`step_cost` is what ``consilico
training-hw`` prints.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consilico.sim.accelerator.accelerator import Accelerator
from consilico.sim.accelerator.costs import OperationCost, OperationCosts, SramCost, sram_cost
from consilico.sim.accelerator.step_work import PhaseWork, step_work
from consilico.sim.accelerator.unit_prices import PricedKit, PriceList, price_list
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import plain
from consilico.sim.base.interval import ZERO, Interval, summed
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["CAUSES", "PhaseCost", "StepCost", "step_cost"]

CAUSES = (  # registers with their clock; other units: element-wise ones, (de)quantizers, updates
    "MACs",
    "registers",
    "other units",
    "SRAM",
    "DRAM",
    "leakage",
)
_MACS = ("int8 MAC", "int4 MAC", "bf16 MAC", "projection MAC", "float32 MAC")
_JOULE_PER_PJ = 1e-12
_ASSUMPTIONS = (
    "every product reads its operands from DRAM and writes its result there",
    "SRAM saves fetches within a product only",
    "tiles of scores that a mask hides whole are not computed; FLOPs are of the whole square",
    "weights of inference lie in DRAM as the codes that products compute with",
    "tiles are shared out evenly where there are several arrays",
    "not counted: control, network on chip, wires between SRAM macros, DRAM interface on the chip",
    "cells that hold zeros at the edges of a product take no energy; what stands still, no clock",
    "floating-point units meet the clock with as many stages as that takes, one result per cycle",
    "decompositions run in float32 on as many multipliers as there are lanes",
    "gradients of weights are kept in 16 bits; INT8 weights keep the scale of their group",
)


_OF_RUNG = {  # what prices on each rung assume
    "cells": "clock and wires are ideal, glitches are not counted",
    "layout": "wires, clock tree and glitches of a unit are those of layouts of smaller designs,"
    " carried to its size; its registers keep their share of the energy",
}


@dataclass(frozen=True, kw_only=True)
class PhaseCost:
    """Energy, by cause, and time of one phase of a step."""

    work: PhaseWork
    energy_j: Mapping[str, Interval]  # by :data:`CAUSES`
    time_s: Interval
    compute_s: float  # of the units alone, one item of work after another
    dram_s: float  # of the traffic alone

    @property
    def total_j(self) -> Interval:
        """Return the energy of all causes."""
        return summed(self.energy_j.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the phase's work and what it costs."""
        work = self.work
        return {
            "phase": work.name,
            "flops": work.flops,
            "elementwise_operations": work.scalars,
            "operations": dict(work.operations),
            "dram_read_bytes": work.bytes("read"),
            "dram_written_bytes": work.bytes("written"),
            "sram_read_bytes": sum(item.sram_read_bytes for item in work.items),
            "sram_written_bytes": sum(item.sram_written_bytes for item in work.items),
            "energy_j": plain(self.energy_j),
            "total_j": self.total_j.to_json(),
            "time_s": self.time_s.to_json(),
            "compute_s": self.compute_s,
            "dram_s": self.dram_s,
        }


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Cost of a training step on an accelerator."""

    run: TrainingRun
    accelerator: Accelerator
    svd: str  # how new subspaces are found
    gap: int  # steps between two of them
    kit: PricedKit
    phases: tuple[PhaseCost, ...]
    area_um2: Mapping[str, Interval]  # by part of the accelerator
    costs: Mapping[str, OperationCost]  # of the operations that the step uses
    sram: SramCost
    doubts: tuple[str, ...]  # what is assumed of this clock and kit in addition

    @property
    def flops(self) -> float:
        """Return the FLOPs of matrix products and decompositions."""
        return sum(phase.work.flops for phase in self.phases)

    @property
    def energy_j(self) -> Interval:
        """Return the energy of the step."""
        return summed(phase.total_j for phase in self.phases)

    @property
    def time_s(self) -> Interval:
        """Return the time of the step."""
        return summed(phase.time_s for phase in self.phases)

    @property
    def power_w(self) -> Interval:
        """Return the mean power; energy and time do not take their bounds together."""
        energy, time = self.energy_j, self.time_s
        value = energy.value / time.value
        low, high = energy.low / time.high, energy.high / time.low
        return Interval(value, min(low, value), max(high, value))

    @property
    def total_um2(self) -> Interval:
        """Return the area of all parts."""
        return summed(self.area_um2.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain data.

        It has ``settings``, ``phases`` (arithmetic, traffic, energy by cause, and time, each), the
        totals ``energy_j``, ``time_s``, ``power_w``, ``area_um2`` (by part, and ``total``),
        ``costs`` of operations, ``basis`` of each class of figures, ``assumptions``, and ``doubts``
        about this clock. A quantity with an interval has ``value``, ``low`` and ``high``.
        """
        run, accelerator, sram = self.run, self.accelerator, self.sram
        dram = accelerator.dram
        return {
            "model": run.model.name,
            "method": run.method_description.title,
            "source": run.method_description.source,
            "settings": {
                "batch": run.batch, "sequence": run.sequence, "rank": run.used_rank,
                "group": run.group, "accumulation": run.accumulation,
                "checkpointing": run.checkpointing, "attention": run.attention,
                "svd": self.svd, "gap": self.gap, **accelerator.to_json(),
            },
            "kit": self.kit.to_json(),
            "flops": self.flops,
            "phases": [phase.to_json() for phase in self.phases],
            "energy_j": self.energy_j.to_json(),
            "time_s": self.time_s.to_json(),
            "power_w": self.power_w.to_json(),
            "area_um2": plain(self.area_um2) | {"total": self.total_um2.to_json()},
            "costs": {name: cost.to_json() for name, cost in self.costs.items()},
            "dram": {
                "title": dram.title, "source": dram.source,
                "energy_pj_per_bit": dram.energy_pj_per_bit.to_json(),
                "bandwidth_gb_s": dram.bandwidth_gb_s,
            },
            "sram": {
                "macros": sram.macros, "basis": sram.basis, "source": sram.source,
                "read_pj_per_bit": sram.read_pj_per_bit.to_json(),
                "write_pj_per_bit": sram.write_pj_per_bit.to_json(),
            },
            "basis": {
                "arithmetic and traffic": "counted",
                "energy, area, power, time": "estimated",
                **{name: cost.basis for name, cost in self.costs.items()},
                "SRAM": sram.basis,
                "DRAM": "published",
            },
            "assumptions": [_OF_RUNG[self.kit.rung], *_ASSUMPTIONS],
            "doubts": list(self.doubts),
        }  # fmt: skip


def step_cost(
    run: TrainingRun,
    accelerator: Accelerator,
    pdk: str,
    svd: str = "full",
    gap: int = 200,
    units: PriceList | None = None,
    prices: str = "best",
    rung: str | None = None,
) -> StepCost:
    """Answer everything that ``consilico training-hw`` prints.

    Args:
        run: What is trained, as the memory ledger takes it.
        accelerator: What it is trained on.
        pdk: Process kit.
        svd: How new subspaces are found: ``full`` or ``randomised``.
        gap: Steps between two subspaces.
        units: Priced units; those of the kit if not given.
        prices: Which of these, see :func:`consilico.sim.accelerator.unit_prices.price_list`.
        rung: Of these, as for that function.

    Raises:
        UserError: If something is not counted, not priced or not accepted, or the clock is faster
            than a unit can be.
    """
    units = price_list(pdk, prices, rung) if units is None else units
    costs = OperationCosts(units, accelerator.array)
    sram = sram_cost(accelerator.sram_bytes, pdk)
    phases = step_work(run, accelerator, svd, gap)
    lanes = _lanes(accelerator, phases)
    slowest, path_ns = costs.slowest.unit, costs.slowest.path_ns
    if accelerator.clock_ns < path_ns.low:
        raise UserError(
            f"clock_ns must be at least {path_ns.low:.3f} in {units.kit.name}: {slowest} needs"
            f" that; not {accelerator.clock_ns:g}"
        )
    doubt = (
        f"{slowest} meets the clock: its path is estimated at {path_ns.value:.3g} ns"
        f" ({path_ns.low:.3g} to {path_ns.high:.3g}) where no clock presses"
    )
    leakage_w = sram.leakage_w
    for operation, count in lanes.items():
        leakage_w = leakage_w + costs[operation].leakage_w * count
    # DRAM, its interface and wires have no area here
    areas = {operation: costs[operation].area_um2 * count for operation, count in lanes.items()}
    return StepCost(
        run=run,
        accelerator=accelerator,
        svd=svd,
        gap=gap,
        kit=units.kit,
        phases=tuple(_phase(phase, accelerator, costs, sram, leakage_w) for phase in phases),
        area_um2=areas | {"SRAM": sram.area_um2},
        costs={name: costs[name] for name in lanes},
        sram=sram,
        doubts=(doubt,) if accelerator.clock_ns < path_ns.value else (),
    )


def _lanes(accelerator: Accelerator, phases: Iterable[PhaseWork]) -> dict[str, int]:
    """Return how many units there are of each operation that some phase uses."""
    used = {operation for phase in phases for operation in phase.operations}
    cells = {
        "projection MAC": accelerator.projection_array.cells,
        "float32 MAC": accelerator.lanes,
        # one behind each column of the arrays
        "requantization": accelerator.array.columns * accelerator.array.count,
    }
    cells |= {operation: accelerator.array.cells for operation in _MACS if operation not in cells}
    return {operation: cells.get(operation, accelerator.lanes) for operation in sorted(used)}


def _phase(
    phase: PhaseWork,
    accelerator: Accelerator,
    costs: OperationCosts,
    sram: SramCost,
    leakage_w: Interval,
) -> PhaseCost:
    """Return energy and time of a phase.

    An item of work takes the longer of its cycles and its DRAM traffic, and items follow one
    another; the interval is that everything in a phase overlaps, or nothing does. ``leakage_w`` is
    that of all units and the SRAM, for this time.
    """
    bandwidth = 1e9 * accelerator.dram.bandwidth_gb_s
    cycles = [item.cycles * accelerator.clock_ns * 1e-9 for item in phase.items]
    traffic = [item.dram_bytes / bandwidth for item in phase.items]
    compute_s, dram_s = sum(cycles), sum(traffic)
    time_s = Interval(sum(map(max, cycles, traffic)), max(compute_s, dram_s), compute_s + dram_s)
    energy = _unit_energy(phase, costs)
    read = 8 * sum(item.sram_read_bytes for item in phase.items) * _JOULE_PER_PJ
    written = 8 * sum(item.sram_written_bytes for item in phase.items) * _JOULE_PER_PJ
    energy["SRAM"] = sram.read_pj_per_bit * read + sram.write_pj_per_bit * written
    bits = 8 * sum(item.dram_bytes for item in phase.items)
    energy["DRAM"] = accelerator.dram.energy_pj_per_bit * (bits * _JOULE_PER_PJ)
    energy["leakage"] = leakage_w * time_s
    return PhaseCost(work=phase, energy_j=energy, time_s=time_s, compute_s=compute_s, dram_s=dram_s)


def _unit_energy(phase: PhaseWork, costs: OperationCosts) -> dict[str, Interval]:
    """Return what the units spend in a phase, in joules by all :data:`CAUSES`."""
    energy = dict.fromkeys(CAUSES, ZERO)
    for operation, count in phase.operations.items():
        cost = costs[operation]
        spent = cost.energy_pj * (count * _JOULE_PER_PJ)
        if operation in _MACS:
            energy["MACs"] += spent * (1 - cost.registers)
            energy["registers"] += spent * cost.registers
        else:
            energy["other units"] += spent
    return energy
