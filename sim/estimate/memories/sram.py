"""Analytical model of an SRAM macro, in the spirit of CACTI: our own code, public constants.

A macro is a grid of subarrays of 6T cells, at most two next to each other, as memory compilers
build them. One row of subarrays serves an access: decoders raise a wordline in each, bitlines move
by a small swing, sense amplifiers read what column multiplexers choose, wires carry it out. All
ways to cut the words into subarrays ("organizations") are computed at once, as arrays of shape
``(organizations,)``; the one with the least product of area, energy of a read and access time is
taken.

Sources: Wilton and Jouppi, JSSC 31(5), 1996; CACTI 5.1 (HPL-2008-20) for cell, bitlines, drains; a
replica bitline times the sense amplifiers (Amrutur and Horowitz, JSSC 33(8), 1998); logical effort
(Sutherland, Sproull and Harris, 1999) for chains of gates; repeaters: H. B. Bakoglu, *Circuits,
Interconnections, and Packaging for VLSI*, 1990. Sizes of transistors are in ``technology.toml``.
Registers at inputs and outputs and dummy cells around each subarray are included; redundancy, error
correction, self-test, power switches and gate leakage are not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.estimate.memories.technology import SramTechnology, circuit, features

__all__ = ["SramMacro", "sram_macro"]

Reals = NDArray[np.float64]
_ROWS = (8, 16, 32, 64, 128, 256, 512)
_MUX = (1, 2, 4, 8, 16)
_ACROSS = (1, 2)
_MOST_COLUMNS = 1024
_TOGGLE = 0.25  # of C V^2: a random bit toggles every other time, and takes half of C V^2 then
_FINGER = 4  # features from one finger of a folded transistor to the next
_DEVICE_ROWS = 6  # of column circuits, a gap between n and p transistors each


@dataclass(frozen=True, kw_only=True)
class SramMacro:
    """Cost of one macro and how it is cut into subarrays."""

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


def sram_macro(words: int, bits: int, tech: SramTechnology, ports: str = "1rw") -> SramMacro:
    """Return the best macro of a size.

    Args:
        words: Number of words.
        bits: Bits of a word.
        tech: Process and supply.
        ports: ``"1rw"`` for one access per cycle, or ``"1r1w"`` for a read next to a write: a
            second wordline, pair of bitlines, decoder and column circuit.

    Raises:
        ValueError: If no organization fits.
    """
    cut = _organizations(words, bits)
    found = _evaluate(words, bits, tech, 1 if ports == "1rw" else 2, cut)
    best = int(np.argmin(found["area_um2"] * found["read_pj"] * found["access_ns"]))
    chosen: dict[str, Any] = {name: float(values[best]) for name, values in found.items()}
    return SramMacro(**chosen, **{name: int(values[best]) for name, values in cut.items()})


def _organizations(words: int, bits: int) -> dict[str, NDArray[np.int64]]:
    """Return all ways to cut the words into subarrays, an array per dimension."""
    rows, mux, across = (axis.ravel() for axis in np.meshgrid(_ROWS, _MUX, _ACROSS, indexing="ij"))
    columns = -(-bits // across) * mux
    down = -(-words // (rows * mux))
    fits = (across <= bits) & (columns <= _MOST_COLUMNS)
    fits &= (rows * mux < 2 * words) | ((rows == _ROWS[0]) & (mux == 1))
    if not fits.any():
        raise ValueError(f"no organization of {words} words of {bits} bits")
    cut = {"rows": rows, "columns": columns, "mux": mux, "across": across, "down": down}
    return {name: values[fits].astype(np.int64) for name, values in cut.items()}


def _evaluate(
    words: int, bits: int, tech: SramTechnology, ports: int, cut: dict[str, NDArray[np.int64]]
) -> dict[str, Reals]:
    """Return area, energies, times and leakage of every organization."""
    size, constants = features(), circuit()
    f, volts = tech.feature_um, tech.voltage_v
    rows, columns, mux, across, down = (
        cut[name].astype(np.float64) for name in ("rows", "columns", "mux", "across", "down")
    )
    address_bits = float(np.log2(words))
    one = _cell(tech, ports)
    pair = _bitlines(tech, one, rows, mux)
    row = _rows_of(tech, one, rows, columns)

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
    path = _wires(tech, (tall + wide) / 2)

    # energies, as capacitance charged to the supply, and as partial swings of bitlines
    switch_f = (
        2 / mux * tech.gate_f(size["column_mux"] * f) + one.width_um * tech.semi_global_f_per_um
    )
    control_f = tech.gate_f(pair.control_um) + one.width_um * tech.semi_global_f_per_um
    subarray_f = row.word_f + 2 * row.predecode_f + columns * control_f + pair.line_f  # replica
    subarray_f += np.where(mux > 1, columns * switch_f, 0.0)
    register_f = (
        constants["register_gates"] * _least_f(tech) * (1 + tech.drain_f(1.0) / tech.gate_f(1.0))
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


# Parts of a macro


@dataclass(frozen=True, kw_only=True)
class _BitCell:
    """A 6T cell; each port beyond the first adds two wires in both directions."""

    width_um: float
    height_um: float  # along the bitlines
    access_um: float  # width of the transistor
    pull_down_um: float
    pull_up_um: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bitlines:
    """A pair of bitlines and the circuits of its column."""

    line_f: Reals  # one of the pair
    load_f: Reals  # of the circuits on it
    sense_f: float  # inside the sense amplifier
    swing_v: float
    delay_s: Reals  # from the wordline to a swing that is sensed
    restore_s: Reals  # after a write
    control_um: float  # width of gates that precharge a pair
    width_um: Reals  # of all transistors of a column
    height_um: Reals  # of its circuits


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Decoder, drivers and wordlines of a subarray."""

    predecode_f: Reals  # charged when a line of one of its two predecoders goes up
    word_f: Reals  # charged with a wordline, its driver included
    driver_s: Reals
    delay_s: Reals
    width_um: Reals  # of all transistors of a row
    strip_um: Reals  # width of the decoder
    line_strip_um: Reals  # width of the predecoded lines


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wires:
    """A wire with repeaters from a macro's edge to its subarrays."""

    charge_f: Reals
    delay_s: Reals


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chain:
    """Inverters of growing size that drive a load."""

    delay_s: Reals
    charge_f: Reals  # load included
    width_um: Reals  # of n transistors


def _cell(tech: SramTechnology, ports: int) -> _BitCell:
    """Return the cell with that many ports."""
    size, f = features(), tech.feature_um
    more = 2 * size["local_pitch"] * f * (ports - 1)
    width = float(np.sqrt(size["cell_area"] / size["cell_aspect"])) * f
    return _BitCell(
        width_um=width + more,
        height_um=width * size["cell_aspect"] + more,
        access_um=size["access"] * f,
        pull_down_um=size["pull_down"] * f,
        pull_up_um=size["pull_up"] * f,
    )


def _least_f(tech: SramTechnology) -> float:
    """Return the input capacitance of the smallest inverter, in F."""
    return tech.gate_f(features()["least_width"] * tech.feature_um * (1 + tech.n_to_p))


def _bitlines(tech: SramTechnology, of: _BitCell, rows: Reals, mux: Reals) -> _Bitlines:
    """Return the bitlines of subarrays by their rows and by the columns per sense amplifier."""
    size, constants, f, volts = features(), circuit(), tech.feature_um, tech.voltage_v
    precharge, equalise = (size[name] * tech.n_to_p * f for name in ("precharge", "equalise"))
    switch = size["column_mux"] * f
    muxed = mux > 1
    all_rows = rows + constants["edge_rows"]
    line_f = all_rows * (of.height_um * tech.local_f_per_um + tech.drain_f(of.access_um) / 2)
    line_ohm = all_rows * of.height_um * tech.local_ohm_per_um
    load_f = np.where(muxed, 2 * tech.drain_f(switch), 0.0)
    load_f += tech.drain_f(precharge) + tech.drain_f(equalise)
    inner = ("isolation", "sense_n", "sense_p")
    sense_f = tech.gate_f((size["sense_n"] + size["sense_p"]) * f)
    sense_f += sum(tech.drain_f(size[name] * f) for name in inner)
    swing = max(constants["sense_v"], 0.05 * volts)
    cell_ohm = tech.n_ohm_um * (1 / of.access_um + 1 / of.pull_down_um)
    tau = cell_ohm * (line_f + load_f + sense_f) + line_ohm * (line_f / 2 + sense_f)
    tau = tau + np.where(muxed, tech.n_ohm_um / switch, 0.0) * sense_f

    amplifier = 2 * sum(size[name] for name in inner) + size["sense_enable"]
    # two drivers strong enough to pull a cell over, two switches as wide (CACTI 7, mat.cc)
    writer = 4 / (1 / of.pull_up_um - 0.5 / of.access_um)
    width = 2 * precharge + equalise + np.where(muxed, 2 * switch, 0.0)
    width = width + (amplifier * f + writer) / mux
    height = width * _FINGER * f / of.width_um + _DEVICE_ROWS * size["gap"] * f
    return _Bitlines(
        line_f=line_f,
        load_f=load_f,
        sense_f=sense_f,
        swing_v=swing,
        delay_s=tau * np.log(volts / (volts - swing)),
        restore_s=2.2 * tech.n_ohm_um * tech.n_to_p / precharge * (line_f + load_f),
        control_um=2 * precharge + equalise,
        width_um=width,
        height_um=height + np.where(muxed, mux * size["semi_global_pitch"] * f, 0.0),
    )


def _rows_of(tech: SramTechnology, of: _BitCell, rows: Reals, columns: Reals) -> _Rows:
    """Return the row circuits: two predecoders, and a gate with inverters in each row."""
    size, constants, f = features(), circuit(), tech.feature_um
    first_f = _least_f(tech)
    all_columns = columns + constants["edge_columns"]
    word_f = all_columns * (
        2 * tech.gate_f(of.access_um) + of.width_um * tech.local_f_per_um
    )  # two access transistors a cell
    word_ohm = all_columns * of.width_um * tech.local_ohm_per_um
    half = np.ceil(np.log2(rows) / 2)
    lines = 2**half + rows / 2**half
    height = rows * of.height_um
    line_f = height * tech.semi_global_f_per_um + rows / 2**half * first_f
    predecode = _chain(tech, line_f * (half + 2) / 3)  # effort of a gate with so many inputs
    driver = _chain(tech, word_f * 4 / 3)
    delay = predecode.delay_s + driver.delay_s + 0.38 * word_f * word_ohm
    delay += 0.38 * height**2 * tech.semi_global_f_per_um * tech.semi_global_ohm_per_um
    least = size["least_width"] * f
    width = 2 * least * (2 + tech.n_to_p) + driver.width_um * (1 + tech.n_to_p)
    return _Rows(
        predecode_f=predecode.charge_f,
        word_f=driver.charge_f,
        driver_s=driver.delay_s,
        delay_s=delay,
        width_um=width,
        strip_um=width * _FINGER * f / of.height_um + size["gap"] * f,
        line_strip_um=lines * size["semi_global_pitch"] * f,
    )


def _wires(tech: SramTechnology, length_um: Reals) -> _Wires:
    """Return wires with repeaters for the least delay, which about double what is charged."""
    gate = tech.gate_f(1 + tech.n_to_p)
    own = _own(tech)
    per_um = 2 * np.sqrt(
        0.38 * 0.69 * 2 * (1 + own) * tech.n_ohm_um * gate
        * tech.semi_global_f_per_um * tech.semi_global_ohm_per_um
    )  # fmt: skip
    charge = length_um * tech.semi_global_f_per_um * (1 + np.sqrt((1 + own) / 2))
    return _Wires(charge_f=charge, delay_s=length_um * per_um)


def _own(tech: SramTechnology) -> float:
    """Return an inverter's output capacitance divided by its input capacitance."""
    return tech.drain_f(1.0) / tech.gate_f(1.0)


def _chain(tech: SramTechnology, load_f: Reals) -> _Chain:
    """Return inverters from the smallest to a load, each driving about four times itself."""
    effort = circuit()["effort"]
    path = np.maximum(load_f / _least_f(tech), 1.0)
    stages = np.maximum(np.round(np.log(path) / np.log(effort)), 1.0)
    growth = path ** (1 / stages)
    gate = tech.gate_f(1 + tech.n_to_p)
    own = _own(tech)
    delay = 0.69 * stages * (growth + own) * tech.n_ohm_um * gate
    # what is in front of the load: a geometric series, from the least inverter up
    inner = np.where(
        growth > 1, load_f * (1 - growth**-stages) / np.maximum(growth - 1, 1e-9), load_f * stages
    )
    return _Chain(delay_s=delay, charge_f=load_f + inner * (1 + own), width_um=inner / gate)
