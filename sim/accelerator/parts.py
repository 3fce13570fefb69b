"""The catalogue's units that an accelerator is made of, each in a configuration, with its price.

Measured: a table that is checked in. Or what an analytical model says of the same configurations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from consilico.sim.accelerator.measure import UNITS, measured_table
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly

__all__ = [
    "PRICES",
    "Estimate",
    "Kit",
    "Part",
    "estimated_parts",
    "measured_parts",
    "priced_parts",
]

PRICES = ("best", "measured", "calibrated")

Estimate = Callable[[Any, Any, Any], Mapping[str, Any]]
"""Unit, configuration and kit to figures, see :func:`estimated_parts`."""


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Where the parts are made and how they were run."""

    name: str
    corner: str
    voltage_v: float
    node_nm: float
    clock_ns: float  # that the parts are priced at
    activity: str
    dated: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A unit of the catalogue in one configuration."""

    unit: str
    config: Mapping[str, Any]
    area_um2: Interval
    path_ns: Interval
    energy_pj: Interval  # of an operation of the unit, leakage left out
    leakage_w: Interval
    operations_a_cycle: float
    registers: float  # part of the energy in registers and clock
    basis: str  # measured, calibrated or estimated


def measured_parts(pdk: str) -> tuple[Kit, list[Part]]:
    """Those of the checked-in table.

    Raises:
        UserError: If the kit has not been measured.
    """
    table = measured_table()
    if pdk not in table:
        raise UserError(
            f"no unit is measured in process kit {pdk!r} yet; measured: {', '.join(table)}. "
            f"`python -m consilico.sim.accelerator.measure --pdk {pdk}` measures them"
        )
    entry = table[pdk]
    kit = Kit(
        name=pdk, corner=entry["corner"], voltage_v=entry["voltage_v"], node_nm=entry["node_nm"],
        clock_ns=entry["clock_ns"], dated=entry["measured_at"],
        activity="a language model and its training, gate-level simulation",
    )  # fmt: skip
    return kit, [_measured(row) for row in entry["rows"]]


def _measured(row: dict[str, Any]) -> Part:
    power, by_class = row["power_w"], row["power_by_class_w"]
    dynamic = 1 - row["leakage_w"] / power
    return Part(
        unit=row["unit"],
        config=row["config"],
        area_um2=exactly(row["area_um2"]),
        path_ns=exactly(row["path_ns"]),
        energy_pj=exactly(row["energy_pj"] * dynamic),
        leakage_w=exactly(row["leakage_w"]),
        operations_a_cycle=row["operations_a_cycle"],
        registers=(by_class["sequential"] + by_class["clock"]) / power,
        basis="measured",
    )


def estimated_parts(estimate: Estimate, pdk: str) -> tuple[Kit, list[Part]]:
    """Those that an analytical model gives for the same units and configurations.

    What no model gives, operations a cycle and the part of the energy in registers, is that of the
    units as measured in the first kit of the table.

    Args:
        estimate: :func:`estimate.estimate`, or another with its signature.
        pdk: Kit, handed to it.

    Raises:
        UserError: If the kit is not calibrated.
    """
    from consilico.sim.silicon.kits.kit import describe_kits
    from consilico.sim.units.catalogue import configure, find_unit

    table = measured_table()
    _, like = measured_parts(next(iter(table)))
    known = {(part.unit, _key(part.config)): part for part in like}
    parts = []
    for name, settings in UNITS:
        unit = find_unit(name)
        config = configure(unit, list(settings))
        found = estimate(unit, config, pdk)
        base = known[name, _key(config.to_json())]
        still_w = found["leakage_w"]["value"]
        still_pj = still_w * found["clock_ns"] * 1e3 / base.operations_a_cycle
        ends = found["energy_per_operation_pj"]
        energy = {end: max(ends[end] - still_pj, 0.0) for end in ("value", "low", "high")}
        parts.append(
            Part(
                unit=name,
                config=config.to_json(),
                area_um2=Interval.of(found["area_um2"]),
                path_ns=Interval.of(found["path_ns"]),
                energy_pj=Interval.of(energy),
                leakage_w=Interval.of(found["leakage_w"]),
                operations_a_cycle=base.operations_a_cycle,
                registers=base.registers,
                basis=str(found["basis"]),
            )
        )
    nodes = {kit["pdk"]: kit["node_nm"] for kit in describe_kits()}
    kit = Kit(
        name=pdk, corner=found["corner"], voltage_v=found["voltage_v"], node_nm=nodes[pdk],
        clock_ns=found["clock_ns"], activity="statistics of a language model and its training",
        dated=found["calibration"]["date"],
    )  # fmt: skip
    return kit, parts


def priced_parts(pdk: str, prices: str) -> tuple[Kit, list[Part]]:
    """Those measured in the kit, or those of the analytical model.

    Args:
        pdk: Process kit.
        prices: ``measured``, ``calibrated``, or ``best``: measured where they are.

    Raises:
        UserError: If there are none such, or ``prices`` is none of the three.
    """
    if prices not in PRICES:
        raise UserError(f"prices must be one of {', '.join(PRICES)}, not {prices!r}")
    if prices == "measured" or (prices == "best" and pdk in measured_table()):
        return measured_parts(pdk)
    from consilico.sim.estimate.operators.estimate import estimate

    return estimated_parts(estimate, pdk)


def _key(config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(config.items()))
