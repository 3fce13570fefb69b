"""Area, delay, energy and power of logic at another technology node (Stillmaker and Baas 2017).

Source: A. Stillmaker, B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration 58 (2017). The tables, transcribed, are in
``scaling.toml``.

Area is the direct entry of their table of ratios. Delay, energy and power are ratios of their
polynomials of the supply voltage (Equations 5 to 7), as printed. A node between two of the tables
is interpolated: the logarithm of the quantity is linear in the logarithm of the node. Below 7 nm
the last two nodes are extrapolated, down to 5 nm.
"""

import math
import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts

__all__ = [
    "LEAST_NM",
    "MOST_NM",
    "QUANTITIES",
    "VARIANTS",
    "NodeFit",
    "ScalingFactor",
    "Technology",
    "area_table",
    "fit_value",
    "node_fits",
    "scaling_data",
    "scaling_factor",
    "sources",
    "technology",
]

QUANTITIES = ("area", "delay", "energy", "power")
VARIANTS = ("hp", "lp")  # high performance and low power transistors
LEAST_NM, MOST_NM = 5, 180
_METHODS = ("tabulated", "interpolated", "extrapolated")  # the surest first
_SUPPLIES = (0.5, 1.5)  # lowest and highest supply accepted, relative to a node's nominal one
_TURNED = 0.7  # of the delay where a polynomial stops being convex: below, it means nothing


# The published tables


@dataclass(frozen=True, kw_only=True)
class NodeFit:
    """The published polynomials of one node; coefficients are in order of falling power."""

    node_nm: int
    variants: tuple[str, ...]  # the kinds of transistors that they hold for
    nominal_v: float  # nominal supply
    delay: tuple[float, ...]  # cubic in the supply
    energy: tuple[float, ...]
    power: tuple[float, ...]

    @property
    def name(self) -> str:
        """Return the node's name for messages, such as ``22 nm HP``."""
        kind = "" if len(self.variants) > 1 else f" {self.variants[0].upper()}"
        return f"{self.node_nm} nm{kind}"

    @property
    def convex_v(self) -> float:
        """Return the supply up to which the delay falls ever more slowly, as in transistors."""
        cubic, square, linear, _ = self.delay
        return -square / (3 * cubic) if cubic else -linear / (2 * square)

    @property
    def accepted_v(self) -> tuple[float, float]:
        """Return the lowest and the highest supply accepted, the latter in steps of 10 mV.

        The delay polynomials turn down somewhere above the nominal supply, where transistors do
        not. Supplies at which the delay is below 0.7 of that at :attr:`convex_v` are refused.
        """
        low, high = (round(share * self.nominal_v, 3) for share in _SUPPLIES)
        least = _TURNED * _polynomial(self.delay, self.convex_v)
        steps = range(math.ceil(100 * self.convex_v), math.floor(100 * high + 1e-9) + 1)
        turned = (step / 100 for step in steps if _polynomial(self.delay, step / 100) < least)
        return low, min(high, round(next(turned, math.inf) - 0.01, 2))


def _polynomial(coefficients: Sequence[float], volts: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * volts + coefficient
    return value


@cache
def node_fits(variant: str) -> tuple[NodeFit, ...]:
    """Return the polynomials of the ``hp`` or ``lp`` transistors, the largest node first.

    From 180 to 65 nm both variants have the same.
    """
    chosen = [
        NodeFit(
            node_nm=fit["node_nm"],
            variants=tuple(fit["variants"]),
            nominal_v=fit["nominal_v"],
            **{name: tuple(fit[name]) for name in ("delay", "energy", "power")},
        )
        for fit in scaling_data()["fit"]
        if variant in fit["variants"]
    ]
    return tuple(sorted(chosen, key=lambda fit: -fit.node_nm))


def area_table() -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """Return the nodes in nm, largest first, and the ratios of areas.

    Entry ``[i][j]`` is the area at node ``j`` divided by the area at node ``i``.
    """
    table = scaling_data()["area"]
    return tuple(table["nodes_nm"]), tuple(tuple(row) for row in table["rows"])


def sources() -> list[str]:
    """Return the citation of the tables, and what is doubtful about them."""
    source = scaling_data()["source"]
    return [source["citation"], f"doubtful: {source['doubtful']}"]


@cache
def scaling_data() -> dict[str, Any]:
    """Return the content of ``scaling.toml``."""
    return tomllib.loads(Path(__file__).with_name("scaling.toml").read_text())


# Technologies, and the factors between two of them


@dataclass(frozen=True, kw_only=True)
class Technology(Facts):
    """Technology that a circuit is made in: the node, the kind of transistors and the supply."""

    name: str  # as the user wrote it: a kit or a node
    node_nm: float
    variant: str  # one of VARIANTS
    voltage_v: float
    voltage_from: str  # where the supply is from: "given", "kit" or "nominal"


@dataclass(frozen=True, kw_only=True)
class ScalingFactor:
    """The number that a quantity is multiplied by, and how it was found."""

    value: float
    method: str  # "tabulated", "interpolated" or "extrapolated"
    notes: tuple[str, ...] = ()  # sentences that a reader of the figure should know


def technology(
    text: str, voltage_v: float | None = None, variant: str = "hp", option: str = "node"
) -> Technology:
    """Return a process kit at its own supply, or a node at its nominal supply.

    Args:
        text: Name of a kit, which need not be on this machine, or a node such as ``22nm`` or
            ``22``.
        voltage_v: Supply to use instead.
        variant: High performance (``hp``) or low power (``lp``); the same from 180 to 65 nm.
        option: What the user calls this argument, for error messages.

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
    """Return the node in nm and the supply of a kit's default corner."""
    kits = _kits()
    if name not in kits:
        accepted = ", ".join(kits)
        raise UserError(f"{option} takes a node such as 22nm or a kit ({accepted}), not {name!r}")
    return kits[name]


@cache
def _kits() -> dict[str, tuple[float, float]]:
    from consilico.sim.silicon.kits.kit import describe_kits

    return {
        kit.pdk: (float(kit.node_nm), float(kit.voltage_v))
        for kit in describe_kits()
        if kit.default and kit.node_nm is not None
    }


def scaling_factor(quantity: str, source: Technology, target: Technology) -> ScalingFactor:
    """Return what a quantity at ``source`` has to be multiplied by to hold at ``target``.

    Power means that of the paper's simulations, where an inverter switches about 5 times per
    nanosecond down to 32 nm and 7 times below. At a known clock, energy says more.

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
    return ScalingFactor(
        value=asked.value / known.value,
        method=_weakest([known.method, asked.method]),
        notes=tuple(dict.fromkeys(known.notes + asked.notes)),
    )


def fit_value(quantity: str, place: Technology) -> ScalingFactor:
    """Return the paper's delay, energy or power factor of a technology (Equations 5 to 7).

    Raises:
        UserError: If the polynomial means nothing at this supply.
    """
    fits = node_fits(place.variant)
    before, after, weight = _bracket([fit.node_nm for fit in fits], place.node_nm)
    used = [fits[before]] if before == after else [fits[before], fits[after]]
    notes = [_supply_note(fit, place) for fit in used]
    values = [_polynomial(getattr(fit, quantity), place.voltage_v) for fit in used]
    return ScalingFactor(
        value=_between(values[0], values[-1], weight),
        method=_method(before, after, weight),
        notes=tuple(note for note in notes if note and quantity == "delay"),
    )


def _area_factor(source_nm: float, target_nm: float) -> ScalingFactor:
    nodes, ratios = area_table()
    if source_nm == target_nm:
        return ScalingFactor(value=1.0, method="tabulated")
    top, bottom, down = _bracket(nodes, source_nm)
    left, right, across = _bracket(nodes, target_nm)
    return ScalingFactor(
        value=_between(
            _between(ratios[top][left], ratios[top][right], across),
            _between(ratios[bottom][left], ratios[bottom][right], across),
            down,
        ),
        method=_weakest([_method(top, bottom, down), _method(left, right, across)]),
    )


def _nominal_v(node_nm: float, variant: str) -> float:
    """Return the nominal supply, between two nodes linear in the logarithm of the node."""
    fits = node_fits(variant)
    before, after, weight = _bracket([fit.node_nm for fit in fits], node_nm)
    low_v, high_v = fits[before].nominal_v, fits[after].nominal_v
    return round((1 - weight) * low_v + weight * high_v, 3)


def _supply_note(fit: NodeFit, place: Technology) -> str:
    """Return a note if the supply is past what the delay polynomial can follow, or ``""``.

    Raises:
        UserError: If the supply is not accepted.
    """
    (low_v, high_v), volts = fit.accepted_v, place.voltage_v
    if not low_v <= volts <= high_v:
        raise UserError(
            f"{place.name} at {volts:g} V: the polynomials of {fit.name} are accepted from "
            f"{low_v:g} to {high_v:g} V"
        )
    if volts <= fit.convex_v:
        return ""
    return (
        f"{volts:g} V is above {fit.convex_v:.2f} V, where the delay polynomial of {fit.name} "
        "stops being convex: taken as printed"
    )


def _bracket(nodes: Sequence[int], node_nm: float) -> tuple[int, int, float]:
    """Return the indices of the two nodes around a node, and the weight of the second.

    Args:
        nodes: Nodes in nm, the largest first.
        node_nm: The node, not above the first. For a node of the list both indices are its own;
            for one below the last the weight is above 1.
    """
    after = bisect_left(nodes, -node_nm, key=lambda node: -node)
    if after < len(nodes) and nodes[after] == node_nm:
        return after, after, 0.0
    after = min(after, len(nodes) - 1)
    step = math.log(nodes[after] / nodes[after - 1])
    return after - 1, after, math.log(node_nm / nodes[after - 1]) / step


def _between(first: float, second: float, weight: float) -> float:
    """Interpolate the logarithm linearly; equal values give exactly that value."""
    return first if first == second else first * (second / first) ** weight


def _method(before: int, after: int, weight: float) -> str:
    return "tabulated" if before == after else "interpolated" if weight <= 1 else "extrapolated"


def _weakest(methods: Sequence[str]) -> str:
    return max(methods, key=_METHODS.index)
