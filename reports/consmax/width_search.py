"""Choice of the ``log2`` widths: the smallest hardware within the error bounds."""

from dataclasses import asdict
from itertools import product
from typing import Any

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.reports.consmax.certificates import guaranteed_log2
from consilico.reports.consmax.judgements import ENERGY_CLOCK_NS, ERROR_LIMITS
from consilico.sim.base.progress import Progress
from consilico.sim.units.catalogue import find_unit, verilog

__all__ = ["width_search"]


def _candidates() -> list[Log2Config]:
    widths = product(range(14, 20), range(8, 14), range(7, 10))
    return [
        Log2Config(k_fraction=k_fraction, fraction=fraction, address=address)
        for k_fraction, fraction, address in widths
        if address <= fraction <= k_fraction
    ]


def _within(bounds: dict[str, float]) -> bool:
    error, ulp = ERROR_LIMITS["consmax/log2"]
    assert ulp is not None
    return bounds["max_relative_error"] <= error and bounds["max_ulp"] <= ulp


def width_search(
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Bounds of all width combinations, and the area of those that could be the smallest.

    The bounds hold for every head (:func:`certificates.guaranteed_log2`). A combination within them
    is synthesized unless another one within them has no width greater.

    Returns:
        One entry a combination: ``k_fraction``, ``fraction``, ``address``,
        ``max_relative_error``, ``max_ulp``, ``within_bounds``, ``area_um2`` (NanGate45, one lane
        mapped for 250 MHz, so for area; None where not synthesized) and ``chosen`` (the
        catalogue's default).
    """
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.synthesis.synthesize import synthesize

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
        fields = asdict(config)
        entries.append(
            {
                **{name: fields[name] for name in ("k_fraction", "fraction", "address")},
                **bounds,
                "within_bounds": _within(bounds),
                "area_um2": area,
                "chosen": config == Log2Config(),
            }
        )
    return entries


def _widths(config: Log2Config) -> tuple[int, int, int]:
    return config.k_fraction, config.fraction, config.address
