"""Analytical model of an SRAM macro, in the spirit of CACTI: our own code, public constants.

A macro is a grid of subarrays of 6T cells, at most two side by side, as memory compilers build
them. One row of subarrays serves an access: decoders raise a wordline in each, bitlines move by a
small swing, sense amplifiers read what column multiplexers choose, wires carry it out. All ways to
cut the words into subarrays are computed at once; the one with the least product of area, energy
of a read and access time is taken.

Sources: Wilton and Jouppi, JSSC 31(5), 1996; HPL-2008-20 (CACTI 5.1); a replica bitline times the
sense amplifiers (Amrutur and Horowitz, JSSC 33(8), 1998). Registers at inputs and outputs and
dummy cells around each subarray are included; redundancy, error correction, self-test, power
switches and gate leakage are not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.estimate.memories.sram_parts import bitlines, cell, least_f, rows_of, wires
from consilico.sim.estimate.memories.technology import Technology, circuit, features

__all__ = ["Macro", "sram_macro"]

Reals = NDArray[np.float64]
_ROWS = (8, 16, 32, 64, 128, 256, 512)
_MUX = (1, 2, 4, 8, 16)
_ACROSS = (1, 2)
_MOST_COLUMNS = 1024
_TOGGLE = 0.25  # of C V^2: a random bit toggles every other time, and takes half of C V^2 then


@dataclass(frozen=True, kw_only=True)
class Macro:
    """One macro and how it is cut."""

    area_um2: float
    read_pj: float
    write_pj: float
    leakage_w: float
    access_ns: float
    cycle_ns: float
    rows: int  # of a subarray
    columns: int
    mux: int  # columns that share a sense amplifier
    across: int  # subarrays that serve one access
    down: int  # rows of subarrays
    cell_share: float  # of the area
    cells_off_um: float  # width of the cells' transistors that are off, in all


def sram_macro(words: int, bits: int, tech: Technology, ports: str = "1rw") -> Macro:
    """The best macro of that size.

    Args:
        words: Number of words.
        bits: Bits of a word.
        tech: Process and supply.
        ports: ``"1rw"``, or ``"1r1w"``: a second wordline, pair of bitlines, decoder and column
            circuit, for a read beside a write.

    Raises:
        ValueError: If no organisation fits.
    """
    cut = _organisations(words, bits)
    found = _evaluate(words, bits, tech, 1 if ports == "1rw" else 2, cut)
    best = int(np.argmin(found["area_um2"] * found["read_pj"] * found["access_ns"]))
    chosen: dict[str, Any] = {name: float(values[best]) for name, values in found.items()}
    return Macro(**chosen, **{name: int(values[best]) for name, values in cut.items()})


def _organisations(words: int, bits: int) -> dict[str, NDArray[np.int64]]:
    """All ways to cut the words into subarrays."""
    rows, mux, across = (axis.ravel() for axis in np.meshgrid(_ROWS, _MUX, _ACROSS, indexing="ij"))
    columns = -(-bits // across) * mux
    down = -(-words // (rows * mux))
    fits = (across <= bits) & (columns <= _MOST_COLUMNS)
    fits &= (rows * mux < 2 * words) | ((rows == _ROWS[0]) & (mux == 1))
    if not fits.any():
        raise ValueError(f"no organisation of {words} words of {bits} bits")
    cut = {"rows": rows, "columns": columns, "mux": mux, "across": across, "down": down}
    return {name: values[fits].astype(np.int64) for name, values in cut.items()}


def _evaluate(
    words: int, bits: int, tech: Technology, ports: int, cut: dict[str, NDArray[np.int64]]
) -> dict[str, Reals]:
    """Area, energies, times and leakage of every organisation, shape ``(organisations,)``."""
    size, constants = features(), circuit()
    f, volts = tech.feature_um, tech.voltage_v
    rows, columns, mux, across, down = (
        cut[name].astype(np.float64) for name in ("rows", "columns", "mux", "across", "down")
    )
    address_bits = float(np.log2(words))
    one = cell(tech, ports)
    pair = bitlines(tech, one, rows, mux)
    row = rows_of(tech, one, rows, columns)

    # area
    stitches = np.ceil(columns / 16) * size["stitch"] * f
    tall = (rows + constants["edge_rows"]) * one.height_um + ports * pair.height_um
    wide = (columns + constants["edge_columns"]) * one.width_um + stitches
    wide = across * (wide + ports * row.strip_um) + ports * row.line_strip_um
    tracks = (2 * bits + address_bits) * size["semi_global_pitch"] * f
    wide += np.where(down * across > 1, tracks, 0.0)
    tall *= down
    registers = ports * (address_bits + bits) + bits
    area = tall * wide * constants["layout_overhead"] + registers * size["register_area"] * f**2
    path = wires(tech, (tall + wide) / 2)

    # energies, as capacitance charged to the supply, and as partial swings of bitlines
    switch_f = (
        2 / mux * tech.gate_f(size["column_mux"] * f) + one.width_um * tech.semi_global_f_per_um
    )
    control_f = tech.gate_f(pair.control_um) + one.width_um * tech.semi_global_f_per_um
    subarray_f = row.word_f + 2 * row.predecode_f + columns * control_f + pair.line_f  # replica
    subarray_f += np.where(mux > 1, columns * switch_f, 0.0)
    register_f = (
        constants["register_gates"] * least_f(tech) * (1 + tech.drain_f(1.0) / tech.gate_f(1.0))
    )
    shared_f = across * subarray_f + (address_bits + bits) * (register_f + _TOGGLE * path.charge_f)
    full_f = pair.line_f + pair.load_f
    swing_j = 2 * pair.swing_v * volts
    read = shared_f * volts**2 + across * columns * full_f * swing_j
    read += bits * (tech.sense_j + pair.sense_f * swing_j)
    write = (shared_f + bits * full_f) * volts**2
    write += np.maximum(across * columns - bits, 0.0) * full_f * swing_j

    # times
    access = 2 * path.delay_s + row.delay_s + pair.delay_s + tech.sense_s
    cycle = row.driver_s + pair.delay_s + tech.sense_s + pair.restore_s

    # leakage: in a cell one transistor of each sort is off, elsewhere half of all
    off_um = one.pull_down_um + one.access_um * ports + one.pull_up_um
    cells_off = across * columns * rows * down * off_um
    others = ports * across * down * (columns * pair.width_um + rows * row.width_um)
    leakage = (cells_off + others / 2) * tech.off_a_per_um * volts
    return {
        "area_um2": area,
        "read_pj": read * 1e12,
        "write_pj": write * 1e12,
        "leakage_w": leakage,
        "access_ns": access * 1e9,
        "cycle_ns": np.maximum(cycle, access) * 1e9,
        "cell_share": words * bits * one.width_um * one.height_um / area,
        "cells_off_um": cells_off,
    }
