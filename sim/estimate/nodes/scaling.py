"""Area, delay, energy, power of logic at another node, by Stillmaker and Baas (Integration 2017).

Area is the direct entry of their table of ratios. The others are ratios of their polynomials of the
supply voltage, as printed. Nodes between two of the tables are interpolated, the logarithm of the
quantity linear in that of the node; below 7 nm the last two nodes are extrapolated, down to 5 nm.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.nodes.tables import VARIANTS, Row, area_table, polynomial, rows

__all__ = [
    "LEAST_NM",
    "MOST_NM",
    "QUANTITIES",
    "Factor",
    "Technology",
    "fit_value",
    "scaling_factor",
    "technology",
]

QUANTITIES = ("area", "delay", "energy", "power")
LEAST_NM, MOST_NM = 5, 180
_METHODS = ("tabulated", "interpolated", "extrapolated")


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Where a circuit is made: a node, its kind of transistors, its supply."""

    name: str  # as it was asked for: a kit or a node
    node_nm: float
    variant: str  # "hp" or "lp"
    voltage_v: float
    voltage_from: str  # "given", "kit" or "nominal"

    def to_json(self) -> dict[str, Any]:
        """Field values by name."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What a quantity is multiplied by, and how that was found."""

    value: float
    method: str  # "tabulated", "interpolated" or "extrapolated"
    notes: tuple[str, ...] = ()


def technology(
    text: str, voltage_v: float | None = None, variant: str = "hp", option: str = "node"
) -> Technology:
    """A process kit at its own supply, or a node such as ``22nm`` or ``22`` at its nominal one.

    Args:
        text: Name of a kit, found on this machine or not, or a node in nm.
        voltage_v: Another supply.
        variant: High performance (hp) or low power (lp); the same from 180 to 65 nm.
        option: What the user calls this, for messages.

    Raises:
        UserError: If the name is no kit and no node, the node is outside of 5 to 180 nm, or the
            variant is unknown.
    """
    if variant not in VARIANTS:
        accepted = " or ".join(VARIANTS)
        raise UserError(f"the variant of {option} must be {accepted}, not {variant!r}")
    number = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:nm)?\s*", text, re.IGNORECASE)
    if number:
        node_nm, supply, origin = float(number[1]), None, "nominal"
    else:
        node_nm, supply = _kit(text, option)
        origin = "kit"
    if not LEAST_NM <= node_nm <= MOST_NM:
        raise UserError(
            f"{option} {text} is at {node_nm:g} nm; scaling covers {LEAST_NM} to {MOST_NM} nm"
        )
    if voltage_v is not None:
        supply, origin = voltage_v, "given"
    return Technology(
        name=text.strip(),
        node_nm=node_nm,
        variant=variant,
        voltage_v=_nominal_v(node_nm, variant) if supply is None else supply,
        voltage_from=origin,
    )


def _kit(name: str, option: str) -> tuple[float, float]:
    """Node and supply of a kit's default corner, found on this machine or not."""
    kits = _kits()
    if name not in kits:
        accepted = ", ".join(kits)
        raise UserError(f"{option} takes a node such as 22nm or a kit ({accepted}), not {name!r}")
    return kits[name]


@cache
def _kits() -> dict[str, tuple[float, float]]:
    from consilico.sim.silicon.kits.kit import describe_kits

    return {
        kit["pdk"]: (float(kit["node_nm"]), float(kit["voltage_v"]))
        for kit in describe_kits()
        if kit["default"] and kit["node_nm"] is not None
    }


def scaling_factor(quantity: str, source: Technology, target: Technology) -> Factor:
    """What a quantity at ``source`` is multiplied by at ``target``.

    Power is that of the paper's simulations, where an inverter switches about 5 times a nanosecond
    down to 32 nm and 7 times below. At a clock that is known, energy says more.

    Args:
        quantity: One of :data:`QUANTITIES`.
        source: Where the quantity is known.
        target: Where it is asked for.

    Raises:
        UserError: If a polynomial means nothing at a supply; the message says what is accepted.
    """
    if quantity == "area":
        return _area_factor(source.node_nm, target.node_nm)
    known, asked = (fit_value(quantity, place) for place in (source, target))
    return Factor(
        value=asked.value / known.value,
        method=_weakest([known.method, asked.method]),
        notes=tuple(dict.fromkeys(known.notes + asked.notes)),
    )


def fit_value(quantity: str, place: Technology) -> Factor:
    """The paper's delay, energy or power factor of one technology (its Equations 5 to 7).

    Raises:
        UserError: If the polynomial means nothing at this supply.
    """
    table = rows(place.variant)
    before, after, weight = _bracket([row.node_nm for row in table], place.node_nm)
    used = [table[before]] if before == after else [table[before], table[after]]
    notes = [_supply_note(row, place) for row in used]
    values = [polynomial(getattr(row, quantity), place.voltage_v) for row in used]
    return Factor(
        value=_between(values[0], values[-1], weight),
        method=_method(before, after, weight),
        notes=tuple(note for note in notes if note and quantity == "delay"),
    )


def _area_factor(source_nm: float, target_nm: float) -> Factor:
    nodes, ratios = area_table()
    if source_nm == target_nm:
        return Factor(value=1.0, method="tabulated")
    top, bottom, down = _bracket(nodes, source_nm)
    left, right, across = _bracket(nodes, target_nm)
    return Factor(
        value=_between(
            _between(ratios[top][left], ratios[top][right], across),
            _between(ratios[bottom][left], ratios[bottom][right], across),
            down,
        ),
        method=_weakest([_method(top, bottom, down), _method(left, right, across)]),
    )


def _nominal_v(node_nm: float, variant: str) -> float:
    """The supply is linear in the logarithm of the node."""
    table = rows(variant)
    before, after, weight = _bracket([row.node_nm for row in table], node_nm)
    low_v, high_v = table[before].nominal_v, table[after].nominal_v
    return round((1 - weight) * low_v + weight * high_v, 3)


def _supply_note(row: Row, place: Technology) -> str:
    """A note where the supply is past what the delay's polynomial can follow.

    Raises:
        UserError: If the supply is not accepted.
    """
    (low_v, high_v), volts = row.accepted_v, place.voltage_v
    if not low_v <= volts <= high_v:
        raise UserError(
            f"{place.name} at {volts:g} V: the polynomials of {row.name} are accepted from "
            f"{low_v:g} to {high_v:g} V"
        )
    if volts <= row.convex_v:
        return ""
    return (
        f"{volts:g} V is above {row.convex_v:.2f} V, where the delay polynomial of {row.name} "
        "stops being convex: taken as printed"
    )


def _bracket(nodes: Sequence[int], node_nm: float) -> tuple[int, int, float]:
    """Indices of the two nodes around one, and the second's weight: above 1 beyond the last.

    Args:
        nodes: Largest first.
        node_nm: Not above the first; a node of the list is its own two.
    """
    after = bisect_left(nodes, -node_nm, key=lambda node: -node)
    if after < len(nodes) and nodes[after] == node_nm:
        return after, after, 0.0
    after = min(after, len(nodes) - 1)
    step = math.log(nodes[after] / nodes[after - 1])
    return after - 1, after, math.log(node_nm / nodes[after - 1]) / step


def _between(first: float, second: float, weight: float) -> float:
    """Linear in the logarithm; the first itself where there is nothing between."""
    return first if first == second else first * (second / first) ** weight


def _method(before: int, after: int, weight: float) -> str:
    return "tabulated" if before == after else "interpolated" if weight <= 1 else "extrapolated"


def _weakest(methods: Sequence[str]) -> str:
    return max(methods, key=_METHODS.index)
