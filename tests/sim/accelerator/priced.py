"""Priced units of a kit that does not exist: round numbers."""

from typing import Any

from consilico.sim.accelerator.measure import UNITS
from consilico.sim.accelerator.unit_prices import PricedKit, PriceList, UnitPrice
from consilico.sim.base.interval import Interval, exactly

KIT = PricedKit(
    name="nangate45", corner="corner", voltage_v=1.1, node_nm=45.0, clock_ns=2.0, activity="none",
    dated="today",
)  # fmt: skip


def price(unit: str, settings: tuple[str, ...]) -> UnitPrice:
    config: dict[str, Any] = dict(text.split("=") for text in settings)
    if unit == "matmul/systolic":
        config.setdefault("w", "int8")
    size = int(config.get("rows", 1))
    cell = 1.0 if config.get("w") != "int4" else 0.5
    # 1 pJ and 100 um2 per cell, a tenth of both for each row and column
    edge = cell * (1 + 0.1 * 2 / size) if "rows" in config else 2.0
    return UnitPrice(
        unit=unit, config=config, area_um2=exactly(100 * edge * size**2), path_ns=exactly(1.5),
        energy_pj=exactly(edge), leakage_w=exactly(1e-6 * edge * size**2),
        operations_per_cycle=float(size**2), registers=0.25, basis="measured",
        how="measured",
    )  # fmt: skip


UNIT_PRICES = PriceList(kit=KIT, units=tuple(price(unit, settings) for unit, settings in UNITS))
INTERVAL = Interval(1.0, 0.5, 2.0)
