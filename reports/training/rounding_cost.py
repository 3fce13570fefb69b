"""Cost of random bits: stochastic rounding implemented with each number of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from consilico.reports.page.measure import KitFacts
from consilico.reports.training.facts import TrainingLosses
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.implementation import Implementation

__all__ = ["CLOCK_NS", "RANDOM_BITS", "UNIT", "RoundingCost", "TrainingFacts", "rounding_cost"]

CLOCK_NS = 2.0  # 500 MHz
UNIT = "training/stochastic_round"
RANDOM_BITS = range(4, 17)


@dataclass(frozen=True, kw_only=True)
class RoundingCost(Facts):
    """Area, longest path and energy of the unit with one number of random bits."""

    random_bits: int
    lanes: int
    area_um2: float
    path_ns: float
    meets_clock: bool
    energy_per_operation_pj: float  # of one value rounded
    verilog_sha256: str

    @property
    def area_per_lane_um2(self) -> float:
        """Return the area divided by the lanes, which share one generator."""
        return self.area_um2 / self.lanes


@dataclass(frozen=True, kw_only=True)
class TrainingFacts(Facts):
    """Everything that the report shows of low-bit training."""

    training: TrainingLosses
    rounding_cost: tuple[RoundingCost, ...]  # by ascending random bits; those implemented
    kit: KitFacts
    clock_ns: float = CLOCK_NS


def rounding_cost(found: Iterable[Implementation]) -> tuple[RoundingCost, ...]:
    """Return area, longest path and energy of the unit by ascending random bits.

    Args:
        found: Implementations with the same traffic, and configurations that differ in
            ``random_bits`` alone.

    Raises:
        ValueError: If the configurations differ in anything else.
    """
    rows, rest = [], set()
    for it in found:
        config = dict(it.config)
        random_bits = config.pop("random_bits")
        rest.add((*sorted(config.items()), it.clock_ns, it.activity.source))
        rows.append(
            RoundingCost(
                random_bits=random_bits,
                lanes=config["lanes"],
                area_um2=it.area_um2,
                path_ns=it.path_ns,
                meets_clock=it.meets_clock,
                energy_per_operation_pj=it.energy_per_operation_pj,
                verilog_sha256=it.verilog_sha256,
            )
        )
    if len(rest) > 1:
        raise ValueError("configurations must differ in random_bits alone")
    return tuple(sorted(rows, key=lambda row: row.random_bits))
