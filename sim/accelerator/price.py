"""Area, energy and time of a step: the work of each phase times what its operations cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from consilico.sim.accelerator.accelerator import Accelerator
from consilico.sim.accelerator.costs import OperationCosts
from consilico.sim.accelerator.sram import SramCost
from consilico.sim.accelerator.work import Phase
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import ZERO, Interval, summed

__all__ = ["CAUSES", "Priced", "area", "price", "to_json"]

CAUSES = (  # registers with their clock; other units: element-wise ones, (de)quantizers, updates
    "MACs",
    "registers",
    "other units",
    "SRAM",
    "DRAM",
    "leakage",
)
_MACS = ("int8 MAC", "int4 MAC", "bf16 MAC", "projection MAC", "float32 MAC")
_PJ = 1e-12


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A phase: energy by cause, time."""

    phase: Phase
    energy_j: dict[str, Interval]
    time_s: Interval
    compute_s: float  # of the units alone, one part after another
    dram_s: float  # of the traffic alone

    @property
    def total_j(self) -> Interval:
        """Energy of all causes."""
        return summed(self.energy_j.values())


def area(
    accelerator: Accelerator, costs: OperationCosts, sram: SramCost, phases: Sequence[Phase]
) -> dict[str, Interval]:
    """Area of each part, um2: of units that the step uses. DRAM, its interface, wires: none."""
    parts: dict[str, Interval] = {}
    for operation, lanes in _lanes(accelerator, phases).items():
        parts[operation] = costs[operation].area_um2 * lanes
    return parts | {"SRAM": sram.area_um2}


def price(
    accelerator: Accelerator, costs: OperationCosts, sram: SramCost, phases: Sequence[Phase]
) -> list[Priced]:
    """Energy and time of each phase.

    Time: a part takes the longer of its cycles and its DRAM traffic, parts follow one another. Its
    interval: everything in a phase overlaps, or nothing does. Leakage is that of all units and the
    SRAM for this time.

    Raises:
        UserError: If the clock is faster than a unit.
    """
    path_ns, unit = costs.path_ns
    if accelerator.clock_ns < path_ns:
        raise UserError(
            f"clock_ns must be at least {path_ns:.3f} in {costs.kit.name}: {unit} needs that; not"
            f" {accelerator.clock_ns:g}"
        )
    leakage_w = sram.leakage_w
    for operation, lanes in _lanes(accelerator, phases).items():
        leakage_w = leakage_w + costs[operation].leakage_w * lanes
    return [_phase(phase, accelerator, costs, sram, leakage_w) for phase in phases]


def _lanes(accelerator: Accelerator, phases: Iterable[Phase]) -> dict[str, int]:
    """How many of each unit there are: of those that some phase uses."""
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
    phase: Phase,
    accelerator: Accelerator,
    costs: OperationCosts,
    sram: SramCost,
    leakage_w: Interval,
) -> Priced:
    bandwidth = 1e9 * accelerator.dram.bandwidth_gb_s
    cycles = [part.cycles * accelerator.clock_ns * 1e-9 for part in phase.parts]
    traffic = [part.dram_bytes / bandwidth for part in phase.parts]
    compute_s, dram_s = sum(cycles), sum(traffic)
    time_s = Interval(sum(map(max, cycles, traffic)), max(compute_s, dram_s), compute_s + dram_s)
    energy = dict.fromkeys(CAUSES, ZERO)
    for operation, count in phase.operations.items():
        cost = costs[operation]
        spent = cost.energy_pj * (count * _PJ)
        if operation in _MACS:
            energy[CAUSES[0]] += spent * (1 - cost.registers)
            energy[CAUSES[1]] += spent * cost.registers
        else:
            energy[CAUSES[2]] += spent
    read = 8 * sum(part.sram_read_bytes for part in phase.parts)
    written = 8 * sum(part.sram_written_bytes for part in phase.parts)
    energy["SRAM"] = sram.read_pj * (read * _PJ) + sram.write_pj * (written * _PJ)
    bits = 8 * sum(part.dram_bytes for part in phase.parts)
    energy["DRAM"] = accelerator.dram.energy_pj_per_bit * (bits * _PJ)
    energy["leakage"] = leakage_w * time_s
    return Priced(phase=phase, energy_j=energy, time_s=time_s, compute_s=compute_s, dram_s=dram_s)


def to_json(priced: Priced) -> dict[str, Any]:
    """Plain data of a phase."""
    phase = priced.phase
    return {
        "phase": phase.name,
        "flops": phase.flops,
        "elementwise_operations": phase.scalars,
        "operations": dict(phase.operations),
        "dram_read_bytes": phase.bytes("read"),
        "dram_written_bytes": phase.bytes("written"),
        "sram_read_bytes": sum(part.sram_read_bytes for part in phase.parts),
        "sram_written_bytes": sum(part.sram_written_bytes for part in phase.parts),
        "energy_j": {cause: spent.to_json() for cause, spent in priced.energy_j.items()},
        "total_j": priced.total_j.to_json(),
        "time_s": priced.time_s.to_json(),
        "compute_s": priced.compute_s,
        "dram_s": priced.dram_s,
    }
