"""Results under the names that OpenROAD-flow-scripts give theirs, for tools that read those.

The names are METRICS 2.1: a step of the flow, then what is measured. Our rungs stand for the steps
that they correspond to; the last rung is ``finish``, too. Times are in the unit of the kit's
libraries, lengths in um, powers in W. What we do not measure (nets over all paths, congestion) has
no name here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.ladder import Climbed, LadderJob
from consilico.sim.silicon.timing.sdc import time_unit

__all__ = ["orfs_metrics"]

_STEPS = {"cells": "synth", "wires": "detailedplace", "clock": "cts", "layout": "finish"}
_LIMITS = {"max_cap": "capacitance_ff", "max_slew": "transition_ns", "max_fanout": "fanout"}
Metric = tuple[str, float | int | str | list[str]]


def orfs_metrics(
    job: LadderJob, climbed: Sequence[Climbed], found: Implementation
) -> dict[str, Any]:
    """Return the metrics of an implementation by their names in OpenROAD-flow-scripts.

    Args:
        job: What was implemented.
        climbed: What was measured, rung by rung.
        found: The implementation.
    """
    unit, unit_ns = time_unit(job.kit)
    metrics: dict[str, Any] = {
        "constraints__clocks__count": 1,
        "constraints__clocks__details": [f"{job.circuit.clock}: {job.clock_ns / unit_ns:.4f}"],
        "run__flow__design": job.circuit.top,
        "run__flow__platform": job.kit.name,
        "run__flow__platform__distance_units": "1um",
        "run__flow__platform__power_units": "1W",
        "run__flow__platform__time_units": f"1{unit}",
    }
    for each in climbed:
        metrics |= _named(_STEPS[each.stage.rung], each, unit_ns)
    metrics |= _named("finish", climbed[-1], unit_ns)
    return metrics


def _named(step: str, climbed: Climbed, unit_ns: float) -> dict[str, Any]:
    return {f"{step}__{name}": value for name, value in _metrics(climbed, unit_ns)}


def _metrics(climbed: Climbed, unit_ns: float) -> Iterator[Metric]:
    stage, layout, power = climbed.stage, climbed.stage.layout, climbed.power
    yield "design__instance__area", stage.area_um2
    yield "design__instance__area__stdcell", stage.area_um2
    yield "design__instance__count", stage.cells
    yield "design__instance__count__stdcell", stage.cells
    if layout is not None:
        core = layout.placement.core.area_um2
        yield "design__core__area", core
        yield "design__die__area", core
        yield "design__instance__utilization", layout.utilization
        yield "design__instance__utilization__stdcell", layout.utilization
        yield "design__io", len(layout.placement.design.ports)
        yield "route__wirelength__estimated", layout.wirelength_um
        if layout.clock is not None:
            yield "clock__skew__setup", layout.clock.skew_ns / unit_ns
            yield "design__instance__count__class:clock_buffer", layout.clock.buffers
        if layout.hold is not None:
            if layout.hold.worst_slack_ns is not None:
                yield "timing__hold__ws", layout.hold.worst_slack_ns / unit_ns
            yield "timing__drv__hold_violation_count", layout.hold.violations
            yield "design__instance__count__hold_buffer", layout.hold.buffers
        for name, kind in _LIMITS.items():
            yield f"timing__drv__{name}", sum(each.kind == kind for each in layout.over_limit)
    if climbed.timing.slack_ns is not None:
        yield "timing__setup__ws", climbed.timing.slack_ns / unit_ns
    yield "power__internal__total", power.internal_w
    yield "power__switching__total", power.switching_w
    yield "power__leakage__total", power.leakage_w
    yield "power__total", power.total_w
