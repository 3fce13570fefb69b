"""Cost of a buffer: one function for flip-flops, latches and SRAM."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from consilico.golden.buffer import BufferConfig
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import ZERO, Interval, exactly
from consilico.sim.estimate.memories import macros
from consilico.sim.estimate.memories.calibration import (
    QUANTITIES,
    BufferCalibration,
    calibrated_kits,
    calibration,
)
from consilico.sim.estimate.memories.measure import measure_buffer
from consilico.sim.estimate.memories.sram_estimate import sram_figures
from consilico.sim.estimate.memories.technology import NODES_NM

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import KitCorner

__all__ = [
    "CLOCK_NS",
    "KINDS",
    "PORTS",
    "BufferCost",
    "BufferCosts",
    "CycleEnergy",
    "buffer_cost",
    "buffer_costs",
]

KINDS = ("flop", "latch", "sram")
PORTS = ("1rw", "1r1w")  # one access per cycle, or a read and a write
CLOCK_NS = 4.0  # where nobody says another
_MODEL = (
    "analytical SRAM model (CACTI's formulas and technology tables, our implementation); no memory"
    " compiler stands behind it"
)
_RANDOM_WORDS = "random words at random addresses, gate-level simulation without delays"


@dataclass(frozen=True, kw_only=True)
class CycleEnergy(Facts):
    """Energy of one clock cycle of a buffer by what it does, with what leaks in that cycle."""

    clock_ns: float
    meets_clock: bool  # whether the buffer is ready for an access in each such cycle
    leakage_pj: Interval  # the part that leaks, the same whatever the buffer does
    rest_pj: Interval | None  # no access; None where it is not modelled
    read_pj: Interval
    write_pj: Interval
    read_write_pj: Interval | None  # a read and a write; None where the memory has one port

    @classmethod
    def of(cls, figures: "_Figures", clock_ns: float, *, both: bool) -> "CycleEnergy":
        """Return the energies at a clock.

        Args:
            figures: Energies without leakage, and what leaks.
            clock_ns: Clock period.
            both: Whether a read and a write can share a cycle.
        """
        leakage = figures.leakage_w * clock_ns * 1e3  # W ns = nJ
        rest = figures.rest_pj
        return cls(
            clock_ns=clock_ns,
            meets_clock=figures.cycle_ns.value <= clock_ns,
            leakage_pj=leakage,
            rest_pj=None if rest is None else rest + leakage,
            read_pj=figures.read_pj + leakage,
            write_pj=figures.write_pj + leakage,
            read_write_pj=_both(figures) + leakage if both else None,
        )


def _both(figures: "_Figures") -> Interval:
    """Return the energy of a read and a write in one cycle, whose clock ticks once.

    What a cycle at rest takes is part of either, and so subtracted once. Neither bound is below
    that of one access alone.
    """
    read, write, rest = figures.read_pj, figures.write_pj, figures.rest_pj or ZERO
    return Interval(
        max(read.value, write.value, read.value + write.value - rest.value),
        max(read.low, write.low, read.low + write.low - rest.high),
        max(read.high, write.high, read.high + write.high - rest.low),
    )


@dataclass(frozen=True, kw_only=True)
class BufferCost(Facts):
    """Area, energies, leakage and times of one buffer.

    ``read_pj``, ``write_pj`` and ``rest_pj`` are what switching takes in a cycle with this access
    alone, random data, whatever the clock. ``per_cycle`` is what a cycle takes in all.
    """

    kind: str  # one of KINDS
    words: int
    bits: int  # of a word
    ports: str  # one of PORTS; flip-flops and latches always have a read and a write port
    pdk: str
    corner: str
    voltage_v: float
    node_nm: float | None  # None: not known
    area_um2: Interval  # cells or macro, without the space that placement leaves open
    read_pj: Interval
    write_pj: Interval
    rest_pj: Interval | None  # a cycle without an access; None for an SRAM: not modelled
    leakage_w: Interval
    per_cycle: CycleEnergy  # at the clock that was asked for, with leakage
    access_ns: Interval  # flip-flops and latches: the shortest clock period
    cycle_ns: Interval  # the shortest time between accesses
    basis: str  # "measured", "calibrated" or "estimated"
    source: str  # where the figures are from, in a sentence
    activity: str  # what the energies are measured or modelled on


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """Figures of a buffer apart from what was asked for: fields of :class:`BufferCost`."""

    area_um2: Interval
    read_pj: Interval
    write_pj: Interval
    rest_pj: Interval | None
    leakage_w: Interval
    access_ns: Interval
    cycle_ns: Interval
    basis: str
    source: str
    activity: str


@dataclass(frozen=True, kw_only=True)
class BufferCosts(Facts):
    """One buffer in every kind of memory that is known for its size."""

    words: int
    bits: int
    ports: str
    buffers: tuple[BufferCost, ...]
    refused: dict[str, str]  # kinds that are not known, and why


def buffer_cost(
    words: int,
    bits: int,
    kind: str,
    kit_name: str = "nangate45",
    ports: str = "1rw",
    *,
    clock_ns: float = CLOCK_NS,
    measure: bool = False,
) -> BufferCost:
    """Return what a buffer of one kind costs.

    Args:
        words: Number of words.
        bits: Bits of a word.
        kind: ``"flop"``, ``"latch"`` or ``"sram"``.
        kit_name: Process kit, or ``kit:corner``.
        ports: ``"1rw"`` or ``"1r1w"``.
        clock_ns: Clock period that the energies per cycle are given at.
        measure: Synthesize and simulate this very buffer (flip-flops and latches; seconds).

    Raises:
        UserError: If kind, ports or kit are unknown, the clock is no period, the size is beyond
            what is known, or with ``measure`` a kit or a tool is missing.
    """
    if not (math.isfinite(clock_ns) and clock_ns > 0):
        raise UserError(f"clock_ns must be above 0, not {clock_ns:g}")
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
    return BufferCost(
        kind=kind,
        words=words,
        bits=bits,
        ports=ports,
        pdk=place.pdk,
        corner=place.corner,
        voltage_v=place.voltage_v,
        node_nm=place.node_nm,
        per_cycle=CycleEnergy.of(found, clock_ns, both=kind != "sram" or ports == "1r1w"),
        **vars(found),
    )


def buffer_costs(
    words: int,
    bits: int,
    kit_name: str = "nangate45",
    ports: str = "1rw",
    *,
    clock_ns: float = CLOCK_NS,
) -> BufferCosts:
    """Return what a buffer costs in each kind that is known for its size.

    Raises:
        UserError: If it is known in no kind; the message says what each kind accepts.
    """
    buffers, refused = [], {}
    for kind in KINDS:
        try:
            buffers.append(buffer_cost(words, bits, kind, kit_name, ports, clock_ns=clock_ns))
        except UserError as error:
            refused[kind] = str(error)
    if not buffers:
        raise UserError("; ".join(dict.fromkeys(refused.values())))
    return BufferCosts(words=words, bits=bits, ports=ports, buffers=tuple(buffers), refused=refused)


@cache
def _place(kit_name: str) -> "KitCorner":
    """Return the description of a kit's corner, whether or not the kit is on this machine."""
    from consilico.sim.silicon.kits.kit import describe_kits, kit_names

    name, colon, corner = kit_name.partition(":")
    corners = [kit for kit in describe_kits() if kit.pdk == name]
    if not corners:
        raise UserError(f"unknown process kit {name!r}; there are: {', '.join(kit_names())}")
    for kit in corners:
        if kit.corner == corner if colon else kit.default:
            return kit
    there = ", ".join(kit.corner for kit in corners)
    raise UserError(f"process kit {name} has no corner {corner!r}; it has: {there}")


def _calibrated(words: int, bits: int, kind: str, place: "KitCorner") -> _Figures:
    """Return a flip-flop or latch buffer's figures from the kit's table and its formulas."""
    pdk = place.pdk
    known = calibration(pdk)
    if known is None or not place.default:
        raise UserError(
            f"{kind} buffers are not calibrated for {pdk}, corner {place.corner}; they are for "
            f"{', '.join(calibrated_kits())} (default corners), or are measured with --measure"
        )
    point = known.measured(kind, words, bits)
    if point is not None:
        exact = {name: exactly(getattr(point, name)) for name in QUANTITIES}
        return _cell_figures(exact, "measured", known)
    for name, given, range_ in (("words", words, known.words), ("bits", bits, known.bits)):
        if not range_[0] <= given <= range_[-1]:
            raise UserError(
                f"{name} of a {kind} buffer must be {range_[0]} to {range_[-1]}, which is what is "
                f"calibrated, not {given:,}; --measure synthesizes other sizes"
            )
    figures = {}
    for name, formula in known.formulas[kind].items():
        value = float(formula(words, bits))
        figures[name] = Interval(value, value * (1 - formula.error), value * (1 + formula.error))
    return _cell_figures(figures, "calibrated", known)


def _cell_figures(
    figures: Mapping[str, Interval], basis: str, known: BufferCalibration
) -> _Figures:
    """Return figures of the calibration with their basis; a cycle takes as long as an access."""
    about = known.table
    fitted = "" if basis == "measured" else ", closed formula fitted to measured buffers"
    return _Figures(
        **figures,
        cycle_ns=figures["access_ns"],
        basis=basis,
        source=f"synthesis and gate-level simulation in {about.pdk} ({about.corner}, "
        f"{about.date}){fitted}",
        activity=about.activity,
    )


def _measured(words: int, bits: int, kind: str, kit_name: str) -> _Figures:
    """Return a flip-flop or latch buffer's figures, measured now."""
    try:
        config = BufferConfig(words=words, bits=bits, storage=kind)
    except ValueError as error:
        raise UserError(str(error)) from error
    found = measure_buffer(config, kit_name)
    figures = {name: exactly(getattr(found, name)) for name in QUANTITIES}
    return _Figures(
        **figures,
        cycle_ns=figures["access_ns"],
        basis="measured",
        source=f"synthesis and gate-level simulation in {kit_name}, now",
        activity=_RANDOM_WORDS,
    )


def _sram(words: int, bits: int, place: "KitCorner", ports: str) -> _Figures:
    """Return an SRAM's figures: the model's figures, for ASAP7 with the outline of real macros."""
    node_nm, pdk = place.node_nm, place.pdk
    if node_nm is None:
        raise UserError(f"the node of {pdk} is not known, and an SRAM's figures follow from it")
    figures = sram_figures(words, bits, node_nm, place.voltage_v, pdk, ports)
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
            figures |= _macro_figures(found, figures["cycle_ns"])
            corners = ", ".join(sorted(found.access_ns))
            source = (
                f"area (outline) and access time (mean of corners {corners}): {found.count} x "
                f"{found.macro} of the {macros.SOURCE}. Energy, leakage, cycle time: {source}"
            )
    return _Figures(
        **figures,
        rest_pj=None,
        basis="estimated",
        source=source,
        activity="random data, every other bit toggles",
    )


def _macro_figures(found: macros.MacroArray, cycle_ns: Interval) -> dict[str, Interval]:
    """Return area and times of real macros; a cycle takes at least as long as an access."""
    times = sorted(found.access_ns.values())
    access = Interval(sum(times) / len(times), times[0], times[-1])
    return {
        "area_um2": exactly(found.area_um2),
        "access_ns": access,
        "cycle_ns": Interval(
            max(cycle_ns.value, access.value),
            max(cycle_ns.low, access.low),
            max(cycle_ns.high, access.high),
        ),
    }
