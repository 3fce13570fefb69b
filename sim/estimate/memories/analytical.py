"""Figures of an SRAM by the analytical model, with an error bar, and the published ones beside."""

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories.inverters import kit_inverter
from consilico.sim.estimate.memories.sram import Macro, sram_macro
from consilico.sim.estimate.memories.technology import NODES_NM, Technology, kinds_at, technology
from consilico.sim.estimate.nodes.scaling import scaling_factor
from consilico.sim.estimate.nodes.scaling import technology as scaling_technology

__all__ = ["QUANTITIES", "SIZES", "checks", "error_factors", "sram_figures"]

QUANTITIES = {  # of a macro: how each one scales between nodes
    "area_um2": "area",
    "read_pj": "energy",
    "write_pj": "energy",
    "leakage_w": "",
    "access_ns": "delay",
    "cycle_ns": "delay",
}
SIZES = {"words": (16, 262144), "bits": (4, 512), "total": (512, 2**24)}
_SCALED_FROM_V = 0.9  # supply at the smallest node of the tables: that of its hp transistors


def sram_figures(
    words: int, bits: int, node_nm: float, voltage_v: float, pdk: str | None, ports: str = "1rw"
) -> dict[str, dict[str, float]]:
    """``value``, ``low`` and ``high`` of each quantity.

    The value is that of transistors for low operating power (above 90 nm of the only ones known),
    its leakage that of the kit's own inverters where these are known. The bar spans all
    kinds of transistors, and the largest errors of the value against published figures.

    Args:
        words: Number of words.
        bits: Bits of a word.
        node_nm: Node; below the tables' smallest one figures are scaled.
        voltage_v: Supply.
        pdk: Kit whose transistors leak, None for those of the tables.
        ports: ``"1rw"`` or ``"1r1w"``.

    Raises:
        UserError: If the model does not hold for the size, the node or the supply.
    """
    plain = _plain(words, bits, node_nm, voltage_v, pdk, ports)
    factors = error_factors()
    return {
        name: {
            "value": figure["value"],
            "low": min(figure["low"], figure["value"] * factors[name][0]),
            "high": max(figure["high"], figure["value"] * factors[name][1]),
        }
        for name, figure in plain.items()
    }


@cache
def checks() -> tuple[dict[str, Any], ...]:
    """Published figures beside the model's: ``quantity``, ``published``, ``model``, ``ratio``."""
    text = Path(__file__).with_name("checks.toml").read_text()
    rows = []
    for check in tomllib.loads(text)["check"]:
        size = check["words"], check["bits"], check["node_nm"], check["voltage_v"]
        figures = _plain(*size, check.get("pdk"), "1rw")
        for quantity in QUANTITIES:
            if quantity in check:
                model = figures[quantity]["value"]
                rows.append(
                    {
                        **{name: check[name] for name in ("name", "kind", "source", "words")},
                        **{name: check[name] for name in ("bits", "node_nm", "voltage_v")},
                        "quantity": quantity,
                        "published": check[quantity],
                        "model": model,
                        "ratio": check[quantity] / model,
                    }
                )
    return tuple(rows)


@cache
def error_factors() -> dict[str, tuple[float, float]]:
    """By quantity, what the model is multiplied by at most to reach a published figure.

    Writes take those of reads, cycle times those of access times, for too few are published.
    """
    alike = {"write_pj": "read_pj", "cycle_ns": "access_ns"}
    factors = {}
    for quantity in QUANTITIES:
        taken = {quantity, alike.get(quantity, quantity)}
        ratios = [row["ratio"] for row in checks() if row["quantity"] in taken]
        factors[quantity] = (min(1.0, *ratios), max(1.0, *ratios))
    return factors


@cache
def _plain(
    words: int, bits: int, node_nm: float, voltage_v: float, pdk: str | None, ports: str
) -> dict[str, dict[str, float]]:
    """The figures, with the span of the kinds of transistors alone."""
    _check_size(words, bits)
    below = node_nm < NODES_NM[0]
    model_nm, model_v = (NODES_NM[0], _SCALED_FROM_V) if below else (node_nm, voltage_v)
    kinds = kinds_at(model_nm)
    devices = {kind: technology(model_nm, model_v, kind) for kind in kinds}
    macros = {kind: sram_macro(words, bits, device, ports) for kind, device in devices.items()}
    chosen = "lop" if "lop" in kinds else kinds[0]
    figures = {}
    for name in QUANTITIES:
        values = [getattr(macro, name) for macro in macros.values()]
        figures[name] = {
            "value": getattr(macros[chosen], name), "low": min(values), "high": max(values),
        }  # fmt: skip
    if below:
        figures = _scaled(figures, node_nm, voltage_v)
    leaking = _kit_leakage(macros[chosen], devices[chosen], pdk, below)
    if leaking is not None:
        leak = figures["leakage_w"]
        figures["leakage_w"] = {
            "value": leaking,
            "low": min(leaking, leak["low"]) if not below else leaking,
            "high": max(leaking, leak["high"]) if not below else leaking,
        }
    elif below:
        raise UserError(
            f"the leakage of an SRAM at {node_nm:g} nm follows from a kit's inverter,"
            f" and none is known of {pdk or 'this node'}"
        )
    else:
        leak = figures["leakage_w"]
        leak["value"] = math.sqrt(leak["low"] * leak["high"])
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


def _scaled(
    figures: dict[str, dict[str, float]], node_nm: float, voltage_v: float
) -> dict[str, dict[str, float]]:
    """Figures at the smallest node of the tables brought to a smaller one."""
    source = scaling_technology(f"{NODES_NM[0]:g}nm", _SCALED_FROM_V)
    target = scaling_technology(f"{node_nm:g}nm", voltage_v)
    scaled = {}
    for name, figure in figures.items():
        rule = QUANTITIES[name]
        factor = scaling_factor(rule, source, target).value if rule else 1.0
        scaled[name] = {bound: value * factor for bound, value in figure.items()}
    return scaled


def _kit_leakage(macro: Macro, tech: Technology, pdk: str | None, scaled: bool) -> float | None:
    """Leakage of a macro whose transistors leak as the kit's smallest inverter does.

    The inverter's width follows from its input capacitance; below the tables, where transistors
    come as fins, a cell has as many that are off as the inverter (one fin each against three,
    ASAP7: Clark et al., Microelectronics Journal 53, 2016).
    """
    inverter = kit_inverter(pdk) if pdk else None
    if inverter is None:
        return None
    cells_w = macro.cells_off_um * tech.off_a_per_um * tech.voltage_v
    others = macro.leakage_w / cells_w  # with what leaks beside the cells
    if scaled:
        cells = macro.rows * macro.columns * macro.across * macro.down
        return float(cells * inverter["leakage_w"] * others)
    off_um = inverter["input_f"] / tech.gate_f_per_um / 2
    return float(macro.cells_off_um / off_um * inverter["leakage_w"] * others)
