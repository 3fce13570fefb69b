"""What SRAM costs: macros of one size side by side, as the buffer model prices them."""

from dataclasses import dataclass

from consilico.sim.base.interval import Interval

__all__ = ["MACRO_BITS", "MACRO_WORDS", "SramCost", "sram_cost"]

MACRO_WORDS, MACRO_BITS = 4096, 64  # 32 KiB; wires between macros are not counted


@dataclass(frozen=True, kw_only=True)
class SramCost:
    """Of all macros together; energies are of a bit."""

    area_um2: Interval
    read_pj: Interval
    write_pj: Interval
    leakage_w: Interval
    macros: int
    basis: str
    source: str


def sram_cost(size_bytes: int, kit: str) -> SramCost:
    """That of so many bytes, rounded up to whole macros.

    Raises:
        UserError: If the kit is unknown.
    """
    from consilico.sim.estimate.memories.cost import buffer_cost

    found = buffer_cost(MACRO_WORDS, MACRO_BITS, "sram", kit)
    macros = -(-size_bytes * 8 // (MACRO_WORDS * MACRO_BITS))
    return SramCost(
        area_um2=found.area_um2 * macros,
        read_pj=found.read_pj / MACRO_BITS,
        write_pj=found.write_pj / MACRO_BITS,
        leakage_w=found.leakage_w * macros,
        macros=macros,
        basis=found.basis,
        source=found.source,
    )
