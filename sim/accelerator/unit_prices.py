"""Prices of the catalogue's units that an accelerator is made of, in one process kit.

They come from a table of measurements that is checked in, or from the analytical model for the
same units and configurations. The table is of mapped cells; where the kit was laid out, its factors
carry them to the layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from consilico.sim.accelerator.measure import UNITS, MeasuredCost, measured_table
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly

__all__ = [
    "PRICES",
    "PriceList",
    "PricedKit",
    "UnitPrice",
    "estimated_prices",
    "measured_prices",
    "price_list",
]

PRICES = ("best", "measured", "calibrated")


@dataclass(frozen=True, kw_only=True)
class PricedKit:
    """The kit that units are priced in, and how they were run for it."""

    name: str
    corner: str
    voltage_v: float
    node_nm: float
    clock_ns: float  # that the units are priced at
    activity: str
    dated: str
    rung: str = "cells"  # that units are priced on: "cells" or "layout"

    def to_json(self) -> dict[str, Any]:
        """Return the price as JSON-ready data, under the keys that commands print."""
        return {
            "pdk": self.name,
            "corner": self.corner,
            "voltage_v": self.voltage_v,
            "node_nm": self.node_nm,
            "priced_at_clock_ns": self.clock_ns,
            "activity": self.activity,
            "dated": self.dated,
            "rung": self.rung,
        }


@dataclass(frozen=True, kw_only=True)
class UnitPrice:
    """Price of a unit of the catalogue in one configuration."""

    unit: str
    config: Mapping[str, Any]
    area_um2: Interval
    path_ns: Interval
    energy_pj: Interval  # of an operation of the unit, leakage left out
    leakage_w: Interval
    operations_per_cycle: float
    registers: float  # part of the energy in registers and clock
    basis: str  # measured, calibrated or estimated
    how: str  # the price comes about, in words


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """Prices of the units in :data:`consilico.sim.accelerator.measure.UNITS`."""

    kit: PricedKit
    units: tuple[UnitPrice, ...]


def measured_prices(pdk: str, rung: str | None = None) -> PriceList:
    """Return the prices of the checked-in table.

    Args:
        pdk: The kit.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Raises:
        UserError: If the kit has not been measured, or not been laid out where that is asked for.
    """
    from consilico.sim.estimate.operators.estimate import chosen_rung

    table = measured_table()
    if pdk not in table:
        raise UserError(
            f"no unit is measured in process kit {pdk!r} yet; measured: {', '.join(table)}. "
            f"`python -m consilico.sim.accelerator.measure --pdk {pdk}` measures them"
        )
    entry = table[pdk]
    kit = PricedKit(
        name=pdk, corner=entry.corner, voltage_v=entry.voltage_v, node_nm=entry.node_nm,
        clock_ns=entry.clock_ns, dated=entry.measured_at,
        activity="a language model and its training, gate-level simulation",
    )  # fmt: skip
    units = tuple(map(_measured, entry.rows))
    layout, _ = chosen_rung(pdk, rung)
    if layout is None:
        return PriceList(kit=kit, units=units)
    laid_out = (_at_layout(price, row, pdk) for price, row in zip(units, entry.rows, strict=True))
    return PriceList(kit=replace(kit, rung="layout"), units=tuple(laid_out))


def _at_layout(price: UnitPrice, row: MeasuredCost, pdk: str) -> UnitPrice:
    """Return the price on the layout of a unit whose mapped cells were measured."""
    from consilico.sim.estimate.operators.estimate import layout_factors
    from consilico.sim.units.catalogue import find_unit

    unit = find_unit(row.unit)
    times = layout_factors(unit, unit.config(**row.config), pdk, row.source)
    return replace(
        price,
        area_um2=price.area_um2 * times["area_um2"],
        path_ns=price.path_ns * times["path_ns"],
        energy_pj=price.energy_pj * times["energy_pj"],
        leakage_w=price.leakage_w * times["leakage_w"],
        basis="calibrated",
        how="measured at cells, times factors to the layout",
    )


def _measured(row: MeasuredCost) -> UnitPrice:
    """Return the price that a row of the measured table gives."""
    dynamic = 1 - row.leakage_w / row.power_w
    by_class = row.power_by_class_w
    return UnitPrice(
        unit=row.unit,
        config=row.config,
        area_um2=exactly(row.area_um2),
        path_ns=exactly(row.path_ns),
        energy_pj=exactly(row.energy_pj * dynamic),
        leakage_w=exactly(row.leakage_w),
        operations_per_cycle=row.operations_per_cycle,
        registers=(by_class["sequential"] + by_class["clock"]) / row.power_w,
        basis="measured",
        how="measured",
    )


def estimated_prices(pdk: str, rung: str | None = None) -> PriceList:
    """Return the prices that the analytical model gives for the same units and configurations.

    What no model gives, operations per cycle and the part of the energy in registers, is that of
    the units as measured in the first kit of the table.

    Args:
        pdk: The kit.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Raises:
        UserError: If the kit is not calibrated, or not laid out where that is asked for.
    """
    from consilico.sim.estimate.operators.estimate import estimate
    from consilico.sim.silicon.kits.kit import describe_kits
    from consilico.sim.units.catalogue import configure, find_unit

    like = measured_prices(next(iter(measured_table())), "cells")
    known = {(price.unit, _key(price.config)): price for price in like.units}
    prices = []
    for name, settings in UNITS:
        unit = find_unit(name)
        config = configure(unit, list(settings))
        found = estimate(unit, config, pdk, rung=rung)
        base = known[name, _key(config.to_json())]
        still_pj = found.leakage_w.value * found.clock_ns * 1e3 / base.operations_per_cycle
        whole = found.energy_per_operation_pj
        moving = (max(end - still_pj, 0.0) for end in (whole.value, whole.low, whole.high))
        prices.append(
            UnitPrice(
                unit=name,
                config=config.to_json(),
                area_um2=found.area_um2,
                path_ns=found.path_ns,
                energy_pj=Interval(*moving),
                leakage_w=found.leakage_w,
                operations_per_cycle=base.operations_per_cycle,
                registers=base.registers,
                basis=found.basis,
                how=found.basis,
            )
        )
    nodes = {kit.pdk: kit.node_nm for kit in describe_kits() if kit.node_nm is not None}
    kit = PricedKit(
        name=pdk, corner=found.corner, voltage_v=found.voltage_v, node_nm=nodes[pdk],
        clock_ns=found.clock_ns, activity="statistics of a language model and its training",
        dated=found.calibration.date, rung=found.rung,
    )  # fmt: skip
    return PriceList(kit=kit, units=tuple(prices))


def price_list(pdk: str, prices: str, rung: str | None = None) -> PriceList:
    """Return the prices measured in a kit, or those of the analytical model.

    Args:
        pdk: Process kit.
        prices: ``measured``, ``calibrated``, or ``best``: measured where they are.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Raises:
        UserError: If there are none such, or ``prices`` is none of the three.
    """
    if prices not in PRICES:
        raise UserError(f"prices must be one of {', '.join(PRICES)}, not {prices!r}")
    if prices == "measured" or (prices == "best" and pdk in measured_table()):
        return measured_prices(pdk, rung)
    return estimated_prices(pdk, rung)


def _key(config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a configuration in a form that a dictionary takes as a key."""
    return tuple(sorted(config.items()))
