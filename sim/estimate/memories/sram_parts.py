"""Parts of an SRAM macro: cell, bitlines with their circuits, rows with their decoder, wires.

Each is computed for many organisations at once, shape ``(organisations,)``. Formulas: CACTI
(HPL-2008-20) for cell, bitline and drains; logical effort (Sutherland, Sproull and Harris, 1999)
for chains of gates; Bakoglu (1990) for repeaters. Sizes of transistors: ``technology.toml``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.estimate.memories.technology import Technology, circuit, features

__all__ = ["Bitlines", "Cell", "Rows", "Wires", "bitlines", "cell", "least_f", "rows_of", "wires"]

Reals = NDArray[np.float64]
_FINGER = 4  # features from one finger of a folded transistor to the next
_DEVICE_ROWS = 6  # of column circuits, a gap between n and p transistors each


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A 6T cell; each port beyond the first adds two wires either way."""

    width_um: float
    height_um: float  # along the bitlines
    access_um: float  # width of the transistor
    pull_down_um: float
    pull_up_um: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bitlines:
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
class Rows:
    """Decoder, drivers and wordlines of a subarray."""

    predecode_f: Reals  # charged when a line of one of its two predecoders goes up
    word_f: Reals  # charged with a wordline, its driver included
    driver_s: Reals
    delay_s: Reals
    width_um: Reals  # of all transistors of a row
    strip_um: Reals  # width of the decoder
    line_strip_um: Reals  # width of the predecoded lines


@dataclass(frozen=True, kw_only=True, eq=False)
class Wires:
    """A wire with repeaters from a macro's edge to its subarrays."""

    charge_f: Reals
    delay_s: Reals


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chain:
    delay_s: Reals
    charge_f: Reals  # load included
    width_um: Reals  # of n transistors


def cell(tech: Technology, ports: int) -> Cell:
    """The cell with one port, or with two."""
    size, f = features(), tech.feature_um
    more = 2 * size["local_pitch"] * f * (ports - 1)
    width = float(np.sqrt(size["cell_area"] / size["cell_aspect"])) * f
    return Cell(
        width_um=width + more,
        height_um=width * size["cell_aspect"] + more,
        access_um=size["access"] * f,
        pull_down_um=size["pull_down"] * f,
        pull_up_um=size["pull_up"] * f,
    )


def least_f(tech: Technology) -> float:
    """Input capacitance of a least inverter."""
    return tech.gate_f(features()["least_width"] * tech.feature_um * (1 + tech.n_to_p))


def bitlines(tech: Technology, of: Cell, rows: Reals, mux: Reals) -> Bitlines:
    """Bitlines of subarrays with so many rows, so many columns to a sense amplifier."""
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
    return Bitlines(
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


def rows_of(tech: Technology, of: Cell, rows: Reals, columns: Reals) -> Rows:
    """Two predecoders, and a gate with a chain of inverters in each row."""
    size, constants, f = features(), circuit(), tech.feature_um
    first_f = least_f(tech)
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
    return Rows(
        predecode_f=predecode.charge_f,
        word_f=driver.charge_f,
        driver_s=driver.delay_s,
        delay_s=delay,
        width_um=width,
        strip_um=width * _FINGER * f / of.height_um + size["gap"] * f,
        line_strip_um=lines * size["semi_global_pitch"] * f,
    )


def wires(tech: Technology, length_um: Reals) -> Wires:
    """Wires with repeaters for the least delay, which about double what is charged."""
    gate = tech.gate_f(1 + tech.n_to_p)
    own = _own(tech)
    per_um = 2 * np.sqrt(
        0.38 * 0.69 * 2 * (1 + own) * tech.n_ohm_um * gate
        * tech.semi_global_f_per_um * tech.semi_global_ohm_per_um
    )  # fmt: skip
    charge = length_um * tech.semi_global_f_per_um * (1 + np.sqrt((1 + own) / 2))
    return Wires(charge_f=charge, delay_s=length_um * per_um)


def _own(tech: Technology) -> float:
    """Capacitance at an inverter's output, of that at its input."""
    return tech.drain_f(1.0) / tech.gate_f(1.0)


def _chain(tech: Technology, load_f: Reals) -> _Chain:
    """Inverters from a least one to a load, each driving about four times itself."""
    effort = circuit()["effort"]
    path = np.maximum(load_f / least_f(tech), 1.0)
    stages = np.maximum(np.round(np.log(path) / np.log(effort)), 1.0)
    growth = path ** (1 / stages)
    gate = tech.gate_f(1 + tech.n_to_p)
    own = _own(tech)
    delay = 0.69 * stages * (growth + own) * tech.n_ohm_um * gate
    # what stands before the load: a geometric series, from the least inverter up
    inner = np.where(
        growth > 1, load_f * (1 - growth**-stages) / np.maximum(growth - 1, 1e-9), load_f * stages
    )
    return _Chain(delay_s=delay, charge_f=load_f + inner * (1 + own), width_um=inner / gate)
