"""Facts of the report on buffers: costs by size, crossovers, and how right the models are."""

from collections.abc import Callable, Sequence
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval
from consilico.sim.estimate.memories.calibration import QUANTITIES, calibration
from consilico.sim.estimate.memories.cost import KINDS, buffer_cost
from consilico.sim.estimate.memories.sram_estimate import SIZES, checks, error_factors

__all__ = ["buffer_facts", "crossover"]

_WORDS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # of the curves
_CURVE_BITS = 32
_CROSSOVER_BITS = (8, 16, 32, 64)
_CURVES = ("area_um2", "read_pj", "write_pj", "leakage_w")


def buffer_facts(pdk: str = "nangate45", ports: str = "1r1w") -> dict[str, Any]:
    """Everything that the report shows of one kit.

    Raises:
        UserError: If the kit is not calibrated.
    """
    table = calibration(pdk)
    if table is None:
        raise UserError(f"buffers are not calibrated for {pdk}")
    return {
        **table.table.to_json(),
        "ports": ports,
        "words": [table.words[0], table.words[-1]],
        "bits": [table.bits[0], table.bits[-1]],
        "sram_sizes": {name: list(limits) for name, limits in SIZES.items()},
        "errors": {
            kind: {name: formula.error for name, formula in table.formulas[kind].items()}
            for kind in ("flop", "latch")
        },
        "quantities": list(QUANTITIES),
        "curve_bits": _CURVE_BITS,
        "curves": {kind: _curve(kind, pdk, ports) for kind in KINDS},
        "crossovers": [
            {
                "bits": bits,
                "quantity": quantity,
                **crossover(bits, quantity, pdk, ports),
            }
            for quantity in ("area_um2", "read_pj")
            for bits in _CROSSOVER_BITS
        ],
        "checks": [check.to_json() for check in checks()],
        "error_factors": {name: list(factor) for name, factor in error_factors().items()},
    }


def crossover(bits: int, quantity: str, pdk: str, ports: str) -> dict[str, Any]:
    """From how many words on one kind of buffer costs less than the other.

    Args:
        bits: Bits of a word.
        quantity: What is compared, such as ``"area_um2"``.
        pdk: A calibrated kit.
        ports: Ports of the SRAM.

    Returns:
        ``latch_below_flop``, ``sram_below_latch`` and ``sram_surely_below_latch`` (with the upper
        end of the SRAM's bar) in words; None where it does not happen within what is calibrated.
        ``sram_from`` is the least number of words that the SRAM model covers.
    """
    table = calibration(pdk)
    if table is None:
        raise UserError(f"buffers are not calibrated for {pdk}")
    low, high = SIZES["words"][0], SIZES["total"][0]
    sram_from = max(low, -(-high // bits))
    words = range(table.words[0], table.words[-1] + 1)

    def cost(count: int, kind: str) -> Interval:
        found: Interval = getattr(buffer_cost(count, bits, kind, pdk, ports), quantity)
        return found

    def figure(kind: str, bound: str) -> Callable[[int], float]:
        return lambda count: float(getattr(cost(count, kind), bound))

    covered = [count for count in words if count >= sram_from]
    return {
        "sram_from": sram_from,
        "latch_below_flop": _first(words, figure("latch", "value"), figure("flop", "value")),
        "sram_below_latch": _first(covered, figure("sram", "value"), figure("latch", "value")),
        "sram_surely_below_latch": _first(covered, figure("sram", "high"), figure("latch", "low")),
    }


def _first(
    words: Sequence[int], lower: Callable[[int], float], upper: Callable[[int], float]
) -> int | None:
    """The least number of words from which one stays below the other."""
    found = None
    for count in reversed(words):
        if lower(count) >= upper(count):
            break
        found = count
    return found


def _curve(kind: str, pdk: str, ports: str) -> list[dict[str, Any]]:
    """Costs of one kind by words, where it is known."""
    points = []
    for words in _WORDS:
        try:
            cost = buffer_cost(words, _CURVE_BITS, kind, pdk, ports)
        except UserError:
            continue
        figures = {name: getattr(cost, name).to_json() for name in _CURVES}
        points.append({"words": words, "basis": cost.basis, **figures})
    return points
