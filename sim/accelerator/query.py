"""The whole answer to one question: a training step on an accelerator, as plain data."""

from typing import Any

from consilico.sim.accelerator.accelerator import Accelerator
from consilico.sim.accelerator.costs import OperationCosts
from consilico.sim.accelerator.parts import Kit, Part, priced_parts
from consilico.sim.accelerator.price import area, price, to_json
from consilico.sim.accelerator.sram import sram_cost
from consilico.sim.accelerator.work import step_work
from consilico.sim.base.interval import Interval, summed
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["answer"]


def answer(
    run: TrainingRun,
    accelerator: Accelerator,
    pdk: str,
    svd: str = "full",
    gap: int = 200,
    parts: tuple[Kit, list[Part]] | None = None,
    prices: str = "best",
) -> dict[str, Any]:
    """Everything ``consilico training-hw`` says.

    Args:
        run: What is trained, as the memory ledger takes it.
        accelerator: On what.
        pdk: Process kit.
        svd: How new subspaces are found: ``full`` or ``randomised``.
        gap: Steps between two.
        parts: Priced units; else those of the kit.
        prices: Which of these, see :func:`consilico.sim.accelerator.parts.priced_parts`.

    Returns:
        JSON-able: ``settings``, ``phases`` (arithmetic, traffic, energy by cause, time, each), the
        totals ``energy_j``, ``time_s``, ``power_w``, ``area_um2`` (by part, and ``total``),
        ``costs`` of operations, ``basis`` of each class of figures and ``assumptions``. A quantity
        with an interval has ``value``, ``low`` and ``high``.

    Raises:
        UserError: If something is not counted, not priced or not accepted.
    """
    kit, units = priced_parts(pdk, prices) if parts is None else parts
    costs = OperationCosts(kit, units, accelerator.array.rows, accelerator.array.columns)
    sram = sram_cost(accelerator.sram_bytes, pdk)
    phases = step_work(run, accelerator, svd, gap)
    priced = price(accelerator, costs, sram, phases)
    areas = area(accelerator, costs, sram, phases)
    energy, time = summed(p.total_j for p in priced), summed(p.time_s for p in priced)
    used = sorted({operation for phase in phases for operation in phase.operations})
    return {
        "model": run.model.name,
        "method": run.method_description.title,
        "source": run.method_description.source,
        "settings": {
            "batch": run.batch, "sequence": run.sequence, "rank": run.used_rank,
            "group": run.group, "accumulation": run.accumulation,
            "checkpointing": run.checkpointing, "attention": run.attention,
            "svd": svd, "gap": gap, **accelerator.to_json(),
        },
        "kit": {
            "pdk": kit.name, "corner": kit.corner, "voltage_v": kit.voltage_v,
            "node_nm": kit.node_nm, "priced_at_clock_ns": kit.clock_ns, "activity": kit.activity,
            "dated": kit.dated,
        },
        "flops": sum(phase.flops for phase in phases),
        "phases": [to_json(p) for p in priced],
        "energy_j": energy.to_json(),
        "time_s": time.to_json(),
        "power_w": _power(energy, time).to_json(),
        "area_um2": {name: a.to_json() for name, a in areas.items()}
        | {"total": summed(areas.values()).to_json()},
        "costs": {name: costs[name].to_json() for name in used},
        "dram": {
            "title": accelerator.dram.title, "source": accelerator.dram.source,
            "energy_pj_per_bit": accelerator.dram.energy_pj_per_bit.to_json(),
            "bandwidth_gb_s": accelerator.dram.bandwidth_gb_s,
        },
        "sram": {
            "macros": sram.macros, "basis": sram.basis, "source": sram.source,
            "read_pj_per_bit": sram.read_pj.to_json(), "write_pj_per_bit": sram.write_pj.to_json(),
        },
        "basis": {
            "arithmetic and traffic": "counted",
            "energy, area, power, time": "estimated",
            **{name: costs[name].basis for name in used},
            "SRAM": sram.basis,
            "DRAM": "published",
        },
        "assumptions": list(_ASSUMPTIONS),
    }  # fmt: skip


def _power(energy: Interval, time: Interval) -> Interval:
    """Average over the step; energy and time do not take their bounds together."""
    value = energy.value / time.value
    return Interval(value, min(energy.low / time.high, value), max(energy.high / time.low, value))


_ASSUMPTIONS = (
    "every product reads its operands from DRAM and writes its result there",
    "SRAM saves fetches within a product only",
    "attention is computed over the whole square of scores",
    "tiles are shared out evenly where there are several arrays",
    "clock and wires are ideal, glitches are not counted",
    "not counted: control, network on chip, wires between SRAM macros, DRAM interface on the chip",
    "cells that hold zeros at the edges of a product take no energy; what stands still, no clock",
    "floating-point units meet the clock with as many stages as that takes, one result a cycle",
    "decompositions run in float32 on as many multipliers as there are lanes",
    "gradients of weights are kept in 16 bits; INT8 weights keep the scale of their group",
)
