"""Facts of the report on buffers: costs by size, crossovers, and how right the models are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.estimate.memories.calibration import QUANTITIES, calibration
from consilico.sim.estimate.memories.cost import CLOCK_NS, KINDS, CycleEnergy, buffer_cost
from consilico.sim.estimate.memories.sram_estimate import SIZES, PublishedCheck, checks

__all__ = ["BufferFacts", "Crossover", "CurvePoint", "buffer_facts", "crossover"]

_WORDS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # of the curves
_CURVE_BITS = 32
_CROSSOVER_BITS = (8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class CurvePoint(Facts):
    """Cost of a buffer of one size."""

    words: int
    basis: str  # "measured", "calibrated" or "estimated"
    area_um2: Interval
    per_cycle: CycleEnergy


@dataclass(frozen=True, kw_only=True)
class Crossover(Facts):
    """From how many words on one kind of buffer costs less than the other.

    A number of words is None where that does not happen within what is calibrated.
    """

    bits: int  # of a word
    quantity: str  # what is compared, such as "area_um2" or "per_cycle.read_pj"
    sram_from: int  # least number of words that the SRAM model covers
    latch_below_flop: int | None
    sram_below_latch: int | None
    sram_surely_below_latch: int | None  # at the upper end of the SRAM's interval


@dataclass(frozen=True, kw_only=True)
class BufferFacts(Facts):
    """Everything that the report shows of the buffers of one kit."""

    pdk: str
    corner: str
    voltage_v: float
    date: str  # of the measurements
    activity: str  # what the energies are measured on
    ports: str
    clock_ns: float  # of energies per cycle
    measured_buffers: int
    words: tuple[int, int]  # least and most that are calibrated
    bits: tuple[int, int]  # of a word, likewise
    quantities: tuple[str, ...]
    errors: dict[str, dict[str, float]]  # of the formulas, left out: by kind and quantity
    curve_bits: int  # of a word, in the curves
    curves: dict[str, tuple[CurvePoint, ...]]  # by kind
    crossovers: tuple[Crossover, ...]
    checks: tuple[PublishedCheck, ...]  # the SRAM model next to published figures


def buffer_facts(pdk: str = "nangate45", ports: str = "1r1w") -> BufferFacts:
    """Return everything that the report shows of one kit.

    Raises:
        UserError: If the kit is not calibrated.
    """
    known = calibration(pdk)
    if known is None:
        raise UserError(f"buffers are not calibrated for {pdk}")
    return BufferFacts(
        pdk=pdk,
        corner=known.table.corner,
        voltage_v=known.table.voltage_v,
        date=known.table.date,
        activity=known.table.activity,
        ports=ports,
        clock_ns=CLOCK_NS,
        measured_buffers=len(known.table.points),
        words=(known.words[0], known.words[-1]),
        bits=(known.bits[0], known.bits[-1]),
        quantities=tuple(QUANTITIES),
        errors={
            kind: {name: formula.error for name, formula in known.formulas[kind].items()}
            for kind in ("flop", "latch")
        },
        curve_bits=_CURVE_BITS,
        curves={kind: _curve(kind, pdk, ports) for kind in KINDS},
        crossovers=tuple(
            crossover(bits, quantity, pdk, ports)
            for quantity in ("area_um2", "per_cycle.read_pj", "per_cycle.read_write_pj")
            for bits in _CROSSOVER_BITS
        ),
        checks=tuple(checks()),
    )


def crossover(bits: int, quantity: str, pdk: str, ports: str) -> Crossover:
    """Return from how many words on one kind of buffer costs less than the other.

    Args:
        bits: Bits of a word.
        quantity: What is compared: a path of fields of a buffer's cost, such as ``"area_um2"``.
        pdk: A calibrated kit.
        ports: Ports of the SRAM.

    Raises:
        UserError: If the kit is not calibrated.
    """
    table = calibration(pdk)
    if table is None:
        raise UserError(f"buffers are not calibrated for {pdk}")
    low, high = SIZES["words"][0], SIZES["total"][0]
    sram_from = max(low, -(-high // bits))
    words = range(table.words[0], table.words[-1] + 1)

    def cost(count: int, kind: str) -> Interval:
        found: Interval = attrgetter(quantity)(buffer_cost(count, bits, kind, pdk, ports))
        return found

    def figure(kind: str, bound: str) -> Callable[[int], float]:
        return lambda count: float(getattr(cost(count, kind), bound))

    covered = [count for count in words if count >= sram_from]
    return Crossover(
        bits=bits,
        quantity=quantity,
        sram_from=sram_from,
        latch_below_flop=_first(words, figure("latch", "value"), figure("flop", "value")),
        sram_below_latch=_first(covered, figure("sram", "value"), figure("latch", "value")),
        sram_surely_below_latch=_first(covered, figure("sram", "high"), figure("latch", "low")),
    )


def _first(
    words: Sequence[int], lower: Callable[[int], float], upper: Callable[[int], float]
) -> int | None:
    """Return the least number of words from which one stays below the other."""
    found = None
    for count in reversed(words):
        if lower(count) >= upper(count):
            break
        found = count
    return found


def _curve(kind: str, pdk: str, ports: str) -> tuple[CurvePoint, ...]:
    """Return costs of one kind by words, where it is known."""
    points = []
    for words in _WORDS:
        try:
            cost = buffer_cost(words, _CURVE_BITS, kind, pdk, ports)
        except UserError:
            continue
        points.append(
            CurvePoint(
                words=words, basis=cost.basis, area_um2=cost.area_um2, per_cycle=cost.per_cycle
            )
        )
    return tuple(points)
