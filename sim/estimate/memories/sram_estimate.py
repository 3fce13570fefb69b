"""Figures of an SRAM by the analytical model, with an error bar from published SRAMs.

The bar spans all kinds of transistors that the tables have, and the largest errors of the model's
value against published figures (``checks.toml``). Nothing is tuned to these.
"""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.estimate.memories.sram import SramMacro, sram_macro
from consilico.sim.estimate.memories.technology import (
    NODES_NM,
    SramTechnology,
    kinds_at,
    kit_inverter,
    sram_technology,
)
from consilico.sim.estimate.nodes.scaling import scaling_factor, technology

__all__ = ["QUANTITIES", "SIZES", "PublishedCheck", "checks", "error_factors", "sram_figures"]

QUANTITIES = {  # of a macro: how each one scales between nodes ("": not at all)
    "area_um2": "area",
    "read_pj": "energy",
    "write_pj": "energy",
    "leakage_w": "",
    "access_ns": "delay",
    "cycle_ns": "delay",
}
SIZES = {"words": (16, 262144), "bits": (4, 512), "total": (512, 2**24)}
_SCALED_FROM_V = 0.9  # supply at the smallest node of the tables: that of its hp transistors


@dataclass(frozen=True, kw_only=True)
class PublishedCheck(Facts):
    """One published figure of an SRAM next to what the model says of it."""

    derived: ClassVar[tuple[str, ...]] = ("ratio",)

    name: str
    kind: str  # where it is from, such as "CACTI"
    source: str  # citation
    words: int
    bits: int
    node_nm: float
    voltage_v: float
    quantity: str  # one of QUANTITIES, which has the unit in its name
    published: float
    model: float

    @property
    def ratio(self) -> float:
        """Return published divided by model."""
        return self.published / self.model


def sram_figures(
    words: int, bits: int, node_nm: float, voltage_v: float, pdk: str | None, ports: str = "1rw"
) -> dict[str, Interval]:
    """Return each of :data:`QUANTITIES` with its error bar.

    The value is that of transistors for low operating power (above 90 nm, where the tables have
    only high performance, of those). Its leakage is that of the kit's own inverters where these
    are known.

    Args:
        words: Number of words.
        bits: Bits of a word.
        node_nm: Node; below the tables' smallest one figures are scaled.
        voltage_v: Supply.
        pdk: Kit whose transistors leak, or None for those of the tables.
        ports: ``"1rw"`` or ``"1r1w"``.

    Raises:
        UserError: If the model does not hold for the size, the node or the supply.
    """
    figures = _figures(words, bits, node_nm, voltage_v, pdk, ports)
    factors = error_factors()
    return {
        name: Interval(
            figure.value,
            min(figure.low, figure.value * factors[name][0]),
            max(figure.high, figure.value * factors[name][1]),
        )
        for name, figure in figures.items()
    }


@cache
def checks() -> tuple[PublishedCheck, ...]:
    """Return the published figures of ``checks.toml``, each with what the model says."""
    text = Path(__file__).with_name("checks.toml").read_text()
    found = []
    for check in tomllib.loads(text)["check"]:
        names = ("name", "kind", "source", "words", "bits", "node_nm", "voltage_v")
        head = {name: check[name] for name in names}
        size = check["words"], check["bits"], check["node_nm"], check["voltage_v"]
        figures = _figures(*size, check.get("pdk"), "1rw")
        found += [
            PublishedCheck(
                **head,
                quantity=quantity,
                published=check[quantity],
                model=figures[quantity].value,
            )
            for quantity in QUANTITIES
            if quantity in check
        ]
    return tuple(found)


@cache
def error_factors() -> dict[str, tuple[float, float]]:
    """Return by quantity the least and the greatest ratio of published figures to the model's.

    Both include 1. Writes take the factors of reads and cycle times those of access times, as too
    few are published.
    """
    alike = {"write_pj": "read_pj", "cycle_ns": "access_ns"}
    factors = {}
    for quantity in QUANTITIES:
        taken = {quantity, alike.get(quantity, quantity)}
        ratios = [check.ratio for check in checks() if check.quantity in taken]
        factors[quantity] = (min(1.0, *ratios), max(1.0, *ratios))
    return factors


@cache
def _figures(
    words: int, bits: int, node_nm: float, voltage_v: float, pdk: str | None, ports: str
) -> dict[str, Interval]:
    """Return the model's figures; their bars span the kinds of transistors and nothing else."""
    _check_size(words, bits)
    below = node_nm < NODES_NM[0]
    model_nm, model_v = (NODES_NM[0], _SCALED_FROM_V) if below else (node_nm, voltage_v)
    kinds = kinds_at(model_nm)
    devices = {kind: sram_technology(model_nm, model_v, kind) for kind in kinds}
    macros = {kind: sram_macro(words, bits, device, ports) for kind, device in devices.items()}
    chosen = "lop" if "lop" in kinds else kinds[0]
    figures = {}
    for name in QUANTITIES:
        values = [getattr(macro, name) for macro in macros.values()]
        figures[name] = Interval(getattr(macros[chosen], name), min(values), max(values))
    if below:
        figures = _scaled(figures, node_nm, voltage_v)
    leakage = figures["leakage_w"]
    leaking = _kit_leakage_w(macros[chosen], devices[chosen], pdk, below)
    if leaking is not None:
        low, high = (leaking, leaking) if below else (leakage.low, leakage.high)
        figures["leakage_w"] = Interval(leaking, min(leaking, low), max(leaking, high))
    elif below:
        raise UserError(
            f"the leakage of an SRAM at {node_nm:g} nm follows from a kit's inverter,"
            f" and none is known of {pdk or 'this node'}"
        )
    else:
        middle = math.sqrt(leakage.low * leakage.high)
        figures["leakage_w"] = Interval(middle, min(leakage.low, middle), max(leakage.high, middle))
    return figures


def _check_size(words: int, bits: int) -> None:
    for name, value in (("words", words), ("bits", bits)):
        low, high = SIZES[name]
        if not low <= value <= high:
            raise UserError(f"{name} of an SRAM must be {low} to {high:,}, not {value:,}")
    low, high = SIZES["total"]
    if not low <= words * bits <= high:
        raise UserError(
            f"an SRAM must hold {low:,} to {high:,} bits; {words:,} words of {bits} bits are "
            f"{words * bits:,}"
        )


def _scaled(figures: dict[str, Interval], node_nm: float, voltage_v: float) -> dict[str, Interval]:
    """Return figures at the smallest node of the tables brought to a smaller one."""
    source = technology(f"{NODES_NM[0]:g}nm", _SCALED_FROM_V)
    target = technology(f"{node_nm:g}nm", voltage_v)
    return {
        name: figure * (scaling_factor(rule, source, target).value if rule else 1.0)
        for (name, figure), rule in zip(figures.items(), QUANTITIES.values(), strict=True)
    }


def _kit_leakage_w(
    macro: SramMacro, tech: SramTechnology, pdk: str | None, scaled: bool
) -> float | None:
    """Return the leakage of a macro whose transistors leak as those of the kit's inverter do.

    The inverter's width follows from its input capacitance. Below the tables, where transistors
    come as fins, a cell has as many of them off as the inverter (one fin each against three, ASAP7:
    Clark et al., Microelectronics Journal 53, 2016). None if the kit's inverter is not known.
    """
    inverter = kit_inverter(pdk) if pdk else None
    if inverter is None:
        return None
    cells_w = macro.cells_off_um * tech.off_a_per_um * tech.voltage_v
    others = macro.leakage_w / cells_w  # with what leaks in addition to the cells
    if scaled:
        cells = macro.rows * macro.columns * macro.across * macro.down
        return float(cells * inverter.leakage_w * others)
    off_um = inverter.input_f / tech.gate_f_per_um / 2
    return float(macro.cells_off_um / off_um * inverter.leakage_w * others)
