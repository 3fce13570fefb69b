"""The last stage: units of the best points implemented, and the points priced with them.

Arrays and memories stay as they are estimated: a tile of 64 x 64 cells is beyond what a synthesis
of a minute does, and their prices are carried from arrays that were measured. A unit of lanes is
implemented with few of them, and priced as many times as makes all lanes, as measured comparisons
are (:mod:`consilico.sim.comparison`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consilico.golden.config import Config
from consilico.golden.matmul.requant import RequantConfig
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.explore.evaluate import Evaluated, designed
from consilico.sim.explore.space import DesignPoint
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.implement import implement
from consilico.sim.system.normalizers import find_normalizer
from consilico.sim.system.prices import PartPrice, prices, requantizers
from consilico.sim.system.simulate import outline
from consilico.sim.units.catalogue import find_unit
from consilico.sim.workload.graph import Workload

__all__ = ["SynthesizedUnit", "UnitJob", "repriced", "synthesize", "unit_jobs"]

_LANES = 4  # of a unit of lanes that is implemented


@dataclass(frozen=True, kw_only=True)
class UnitJob:
    """A unit to implement, and what its estimate says."""

    part: str  # of the chip, as the answer calls it
    unit: str
    config: Config
    pdk: str
    rung: str
    clock_ns: float
    copies: float  # of it, that make the part
    estimated: PartPrice  # of the part

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what the implementation depends on."""
        return self.unit, self.config, self.pdk, self.rung, self.clock_ns


@dataclass(frozen=True, kw_only=True)
class SynthesizedUnit(Facts):
    """A unit as it was implemented, or why it was not, next to what the estimate of it says."""

    part: str
    unit: str
    config: dict[str, Any]
    pdk: str
    rung: str
    clock_ns: float
    estimated_um2: Interval  # of one of it
    estimated_pj: Interval  # of an operation, leakage left out
    area_um2: float = 0.0
    energy_pj: float = 0.0
    leakage_w: float = 0.0
    path_ns: float = 0.0
    meets_clock: bool = False
    refused: str = ""

    @property
    def inside(self) -> tuple[bool, bool]:
        """Tell whether area and energy are within the intervals of their estimates."""
        return (
            self.estimated_um2.low <= self.area_um2 <= self.estimated_um2.high,
            self.estimated_pj.low <= self.energy_pj <= self.estimated_pj.high,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data, with whether the figures are inside their intervals."""
        area, energy = self.inside
        inside = None if self.refused else {"area": area, "energy": energy}
        return super().to_json() | {"inside": inside}


def unit_jobs(workload: Workload, point: DesignPoint) -> Iterator[UnitJob]:
    """Yield the units of a point that can be implemented.

    Raises:
        UserError: If the point is not accepted.
    """
    graph, chip = designed(workload, point)
    chip = replace(chip, value_dim=max(o.value_dim for o in graph.attention))
    normalizer = find_normalizer(point.normaliser, chip.columns, point.p_format, workload.context)
    costs = prices(chip, normalizer, 0, point.pdk, point.rung or None)
    few = min(_LANES, chip.columns)
    own = normalizer.config.to_json() | {"lanes": few}
    lanes: list[tuple[str, str, Config, float]] = [
        ("normaliser", normalizer.unit.name, normalizer.unit.config(**own),
         chip.tiles * chip.columns / few),
        ("requantizers", "matmul/requant", RequantConfig(lanes=_LANES),
         requantizers(chip) / _LANES),
    ]  # fmt: skip
    if chip.gemv_lanes:
        lanes.append(("GEMV lanes", chip.weights.unit, chip.weights.config, chip.gemv_units))
    for part, unit, config, copies in lanes:
        yield UnitJob(
            part=part, unit=unit, config=config, pdk=point.pdk, rung=costs.kit.rung,
            clock_ns=point.clock_ns, copies=copies, estimated=costs.parts[part],
        )  # fmt: skip


def synthesize(job: UnitJob) -> SynthesizedUnit:
    """Implement a unit; a result that is known answers from the cache of ``implement``."""
    found = SynthesizedUnit(
        part=job.part, unit=job.unit, config=job.config.to_json(), pdk=job.pdk, rung=job.rung,
        clock_ns=job.clock_ns, estimated_um2=job.estimated.area_um2 / job.copies,
        estimated_pj=job.estimated.energy_pj,
    )  # fmt: skip
    try:
        made = implement(
            find_unit(job.unit), job.config, job.pdk, job.clock_ns, flow=Flow(rung=job.rung)
        )
    except (UserError, CheckFailed) as error:
        return replace(found, refused=str(error))
    return replace(
        found,
        area_um2=made.ladder[-1].area_um2 if made.ladder else made.area_um2,
        energy_pj=made.energy_per_operation_pj * (1 - made.power.leakage_w / made.power.total_w),
        leakage_w=made.power.leakage_w,
        path_ns=made.path_ns,
        meets_clock=made.meets_clock,
    )


def repriced(
    workload: Workload,
    point: DesignPoint,
    jobs: list[UnitJob],
    made: Mapping[tuple[Any, ...], SynthesizedUnit],
    stepped: int,
) -> Evaluated:
    """Return the figures of a point with the prices of its units as they were implemented.

    Args:
        workload: What the chip does.
        point: The chip.
        jobs: Its units.
        made: Implemented units by :attr:`UnitJob.key`; one that failed keeps its estimate.
        stepped: Cycles of a tile up to which its event model is run.
    """
    parts = {}
    for job in jobs:
        unit = made[job.key]
        if not unit.refused:
            parts[job.part] = PartPrice(
                area_um2=exactly(unit.area_um2 * job.copies),
                leakage_w=exactly(unit.leakage_w * job.copies),
                energy_pj=exactly(unit.energy_pj), registers=job.estimated.registers,
                basis="measured", source=f"{unit.unit}, {unit.rung}", path_ns=None,
            )  # fmt: skip
    graph, chip = designed(workload, point)
    found = outline(
        graph, chip, point.normaliser, point.p_format, point.pdk,
        point.rung or None, replaced=parts, stepped=stepped,
    )  # fmt: skip
    return Evaluated.of(found)
