"""What a buffer costs: one function for flip-flops, latches and SRAM."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from consilico.golden.buffer import BufferConfig
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories import macros
from consilico.sim.estimate.memories.analytical import sram_figures
from consilico.sim.estimate.memories.calibrate import Calibration, calibrated_kits, calibration
from consilico.sim.estimate.memories.fit import QUANTITIES
from consilico.sim.estimate.memories.technology import NODES_NM

__all__ = ["KINDS", "PORTS", "buffer_cost", "buffer_costs"]

KINDS = ("flop", "latch", "sram")
PORTS = ("1rw", "1r1w")  # one access a cycle, or a read and a write
_MODEL = (
    "analytical SRAM model (CACTI's formulas and technology tables, our implementation); no memory"
    " compiler stands behind it"
)


def buffer_cost(
    words: int,
    bits: int,
    kind: str,
    kit_name: str = "nangate45",
    ports: str = "1rw",
    *,
    measure: bool = False,
) -> dict[str, Any]:
    """Area, energies, leakage and times of a buffer.

    An energy is that of a cycle with this access alone, random data, without leakage. Buffers of
    flip-flops and latches always have a read and a write port.

    Args:
        words: Number of words.
        bits: Bits of a word.
        kind: ``"flop"``, ``"latch"`` or ``"sram"``.
        kit_name: Process kit, or ``kit:corner``.
        ports: ``"1rw"`` or ``"1r1w"``.
        measure: Synthesize and simulate this very buffer (flip-flops and latches; seconds).

    Returns:
        ``area_um2``, ``read_pj``, ``write_pj``, ``rest_pj`` (a cycle without access; None for an
        SRAM: not modelled), ``leakage_w``, ``access_ns`` and ``cycle_ns``, each with ``value``,
        ``low`` and ``high``; ``basis`` (measured, calibrated or estimated), ``source``, and what
        was asked for.

    Raises:
        UserError: If kind, ports or kit are unknown, the size is beyond what is known, or with
            ``measure`` a kit or a tool is missing.
    """
    for name, value, accepted in (("kind", kind, KINDS), ("ports", ports, PORTS)):
        if value not in accepted:
            raise UserError(f"{name} must be one of {', '.join(accepted)}, not {value!r}")
    place = _place(kit_name)
    if kind == "sram":
        if measure:
            raise UserError("an SRAM cannot be measured: no kit here has a memory compiler")
        found = _sram(words, bits, place, ports)
    elif measure:
        found = _measured(words, bits, kind, kit_name)
    else:
        found = _calibrated(words, bits, kind, place)
    asked = {"kind": kind, "words": words, "bits": bits, "ports": ports}
    kit = {name: place[name] for name in ("pdk", "corner", "voltage_v", "node_nm")}
    return {**asked, **kit, **found}


def buffer_costs(
    words: int, bits: int, kit_name: str = "nangate45", ports: str = "1rw"
) -> dict[str, Any]:
    """All kinds of one buffer: ``buffers``, those that are known, and ``refused``, why not."""
    buffers, refused = [], {}
    for kind in KINDS:
        try:
            buffers.append(buffer_cost(words, bits, kind, kit_name, ports))
        except UserError as error:
            refused[kind] = str(error)
    if not buffers:
        raise UserError("; ".join(dict.fromkeys(refused.values())))
    return {"words": words, "bits": bits, "ports": ports, "buffers": buffers, "refused": refused}


@cache
def _place(kit_name: str) -> dict[str, Any]:
    """Corner, supply and node of a kit, found on this machine or not."""
    from consilico.sim.silicon.kits.kit import describe_kits, kit_names

    name, colon, corner = kit_name.partition(":")
    corners = [kit for kit in describe_kits() if kit["pdk"] == name]
    if not corners:
        raise UserError(f"unknown process kit {name!r}; there are: {', '.join(kit_names())}")
    for kit in corners:
        if kit["corner"] == corner if colon else kit["default"]:
            return kit
    there = ", ".join(kit["corner"] for kit in corners)
    raise UserError(f"process kit {name} has no corner {corner!r}; it has: {there}")


def _calibrated(words: int, bits: int, kind: str, place: dict[str, Any]) -> dict[str, Any]:
    pdk = place["pdk"]
    table = calibration(pdk)
    if table is None or not place["default"]:
        raise UserError(
            f"{kind} buffers are not calibrated for {pdk}, corner {place['corner']}; they are for "
            f"{', '.join(calibrated_kits())} (default corners), or are measured with --measure"
        )
    point = table.measured(kind, words, bits)
    if point is not None:
        values = {name: float(point[name]) for name in QUANTITIES}
        exact = {name: (value, value, value) for name, value in values.items()}
        return _figures(exact, "measured", table)
    for name, given, known in (("words", words, table.words), ("bits", bits, table.bits)):
        if not known[0] <= given <= known[-1]:
            raise UserError(
                f"{name} of a {kind} buffer must be {known[0]} to {known[-1]}, which is what is "
                f"calibrated, not {given:,}; --measure synthesizes other sizes"
            )
    bounds: dict[str, tuple[float, float, float]] = {}
    for name, formula in table.formulas[kind].items():
        value = float(formula(words, bits))
        bounds[name] = (value, value * (1 - formula.error), value * (1 + formula.error))
    return _figures(bounds, "calibrated", table)


def _figures(
    bounds: Mapping[str, tuple[float, float, float]], basis: str, table: Calibration
) -> dict[str, Any]:
    about = table.table
    fitted = "" if basis == "measured" else ", closed formula fitted to measured buffers"
    return {
        **{
            name: dict(zip(("value", "low", "high"), values, strict=True))
            for name, values in {**bounds, "cycle_ns": bounds["access_ns"]}.items()
        },
        "basis": basis,
        "source": f"synthesis and gate-level simulation in {about['pdk']} ({about['corner']}, "
        f"{about['date']}){fitted}",
        "activity": about["activity"],
    }


def _measured(words: int, bits: int, kind: str, kit_name: str) -> dict[str, Any]:
    from consilico.sim.estimate.memories.measure import measure

    try:
        config = BufferConfig(words=words, bits=bits, storage=kind)
    except ValueError as error:
        raise UserError(str(error)) from error
    found = measure(config, kit_name)
    values = {name: found[name] for name in QUANTITIES} | {"cycle_ns": found["access_ns"]}
    return {
        **{name: {"value": v, "low": v, "high": v} for name, v in values.items()},
        "basis": "measured",
        "source": f"synthesis and gate-level simulation in {kit_name}, now",
        "activity": "random words at random addresses, gate-level simulation without delays",
    }


def _sram(words: int, bits: int, place: dict[str, Any], ports: str) -> dict[str, Any]:
    node_nm = place["node_nm"]
    pdk = place["pdk"]
    figures: dict[str, Any] = dict(
        sram_figures(words, bits, node_nm, place["voltage_v"], pdk, ports)
    )
    source = _MODEL
    if node_nm < NODES_NM[0]:
        source += (
            f"; computed at {NODES_NM[0]:g} nm and scaled to {node_nm:g} nm by Stillmaker and Baas"
            " (Integration 2017)"
        )
    if pdk == "asap7":
        found = macros.best_macro(words, bits, ports)
        if found is None:
            source += f". There are ASAP7 macros: {macros.HOW_TO_GET}"
        else:
            area, times = found["area_um2"], sorted(found["access_ns"].values())
            figures["area_um2"] = {"value": area, "low": area, "high": area}
            figures["access_ns"] = {
                "value": sum(times) / len(times), "low": times[0], "high": times[-1],
            }  # fmt: skip
            figures["cycle_ns"] = {
                bound: max(value, figures["access_ns"][bound])
                for bound, value in figures["cycle_ns"].items()
            }
            corners = ", ".join(sorted(found["access_ns"]))
            source = (
                f"area (outline) and access time (mean of corners {corners}): {found['count']} x "
                f"{found['macro']} of the {macros.SOURCE}. Energy, leakage, cycle time: {source}"
            )
    return {
        **figures,
        "rest_pj": None,
        "basis": "estimated",
        "source": source,
        "activity": "random data, every other bit toggles",
    }
