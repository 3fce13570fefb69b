"""A figure scaled to another node, with its error bar: what ``consilico scale`` prints."""

from typing import Any

from consilico.sim.estimate.nodes.error import error_bar
from consilico.sim.estimate.nodes.scaling import Technology, scaling_factor
from consilico.sim.estimate.nodes.tables import sources

__all__ = ["scaled"]


def scaled(source: Technology, target: Technology, given: dict[str, float]) -> dict[str, Any]:
    """Scale figures as the method has it; what our own units say of it stands beside.

    Args:
        source: Where the figures are known.
        target: Where they are asked for.
        given: Values by name: ``area_um2``, ``delay_ns``, ``energy_pj``, ``power_w``.

    Returns:
        ``from``, ``to``, ``basis``, ``notes``, ``sources``, and for each name ``given``, ``value``,
        ``factor``, ``method`` (tabulated, interpolated or extrapolated), and ``by_our_units``:
        ``low``, ``median`` and ``high`` by the error that our units have when they are scaled so,
        beside the ratios of :func:`error.error_bar`; None where that is not
        known. ``value`` need not lie between ``low`` and ``high``.

    Raises:
        UserError: If a polynomial means nothing at a supply.
    """
    notes: dict[str, None] = {}
    figures: dict[str, Any] = {}
    for name, value in given.items():
        quantity = name.split("_")[0]
        factor = scaling_factor(quantity, source, target)
        notes |= dict.fromkeys(factor.notes)
        bar = error_bar(quantity, source, target)
        predicted = value * factor.value
        figures[name] = {
            "given": value,
            "value": predicted,
            "factor": factor.value,
            "by_our_units": None
            if bar is None
            else {
                "low": predicted * bar.low_ratio,
                "median": predicted * bar.median_ratio,
                "high": predicted * bar.high_ratio,
                **bar.to_json(),
            },
            "method": factor.method,
        }
    return {
        "from": source.to_json(),
        "to": target.to_json(),
        **figures,
        "basis": "estimated",
        "notes": list(notes),
        "sources": sources(),
    }
