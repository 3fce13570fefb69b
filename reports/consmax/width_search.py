"""Choice of the ``log2`` widths: the smallest hardware within the error bounds."""

from dataclasses import dataclass
from itertools import product

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.reports.consmax.certificates import ErrorBounds, guaranteed_log2
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS, ERROR_LIMITS
from consilico.sim.base.facts import Facts
from consilico.sim.base.progress import Progress
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import find_unit, verilog

__all__ = ["Log2Widths", "WidthSearch", "width_search"]


@dataclass(frozen=True, kw_only=True)
class Log2Widths(Facts):
    """One combination of widths of ``log2``: its error bounds, and its area where it was mapped."""

    k_fraction: int
    fraction: int
    address: int
    bounds: ErrorBounds  # for every head
    within_bounds: bool  # the limits of the unit
    area_um2: float | None  # NanGate 45, one lane mapped for 250 MHz; None: not synthesized
    chosen: bool  # the default configuration


@dataclass(frozen=True, kw_only=True)
class WidthSearch(Facts):
    """All combinations of widths that were looked at."""

    rows: tuple[Log2Widths, ...]


def _candidates() -> list[Log2Config]:
    widths = product(range(14, 20), range(8, 14), range(7, 10))
    return [
        Log2Config(k_fraction=k_fraction, fraction=fraction, address=address)
        for k_fraction, fraction, address in widths
        if address <= fraction <= k_fraction
    ]


def _within(bounds: ErrorBounds) -> bool:
    limits = ERROR_LIMITS["consmax/log2"]
    return (
        bounds.max_relative_error <= limits.max_relative_error
        and limits.max_ulp is not None
        and bounds.max_ulp <= limits.max_ulp
    )


def width_search(progress: Progress | None = None) -> WidthSearch:
    """Bound the error of all combinations of widths, and map those that could be the smallest.

    The bounds hold for every head (:func:`certificates.guaranteed_log2`). A combination within them
    is synthesized unless another one within them has no width greater.
    """
    unit, kit = find_unit("consmax/log2"), find_kit("nangate45")
    found = [(config, guaranteed_log2(config)) for config in _candidates()]
    good = [_widths(config) for config, bounds in found if _within(bounds)]
    minimal = {
        widths
        for widths in good
        if not any(
            other != widths and all(a <= b for a, b in zip(other, widths, strict=True))
            for other in good
        )
    }
    entries, done = [], 0
    for config, bounds in found:
        area = None
        if _widths(config) in minimal:
            text = verilog(unit, config)
            area = synthesize(text, unit.module_name, kit, ENERGY_CLOCK_NS).area_um2
            done += 1
            if progress is not None:
                progress("width search", done, len(minimal))
        entries.append(
            Log2Widths(
                k_fraction=config.k_fraction,
                fraction=config.fraction,
                address=config.address,
                bounds=bounds,
                within_bounds=_within(bounds),
                area_um2=area,
                chosen=config == Log2Config(),
            )
        )
    return WidthSearch(rows=tuple(entries))


def _widths(config: Log2Config) -> tuple[int, int, int]:
    return config.k_fraction, config.fraction, config.address
