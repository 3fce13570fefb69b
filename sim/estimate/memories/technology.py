"""Transistors and wires that the SRAM model is built from, at any node and supply.

Tables of CACTI 7 (ITRS 2007) in ``technology.toml`` are interpolated between nodes. What the
transistors of a process kit really leak is read off the kit's smallest inverter and kept in
``inverters.json``: checked in for all kits, so that the SRAM model needs no kit, and written by
:mod:`consilico.sim.estimate.memories.calibration` for the kits that are on the machine.
"""

import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic

__all__ = [
    "KINDS",
    "NODES_NM",
    "KitInverter",
    "SramTechnology",
    "circuit",
    "features",
    "kinds_at",
    "kit_inverter",
    "smallest_inverter",
    "sram_technology",
    "write_inverters",
]

KINDS = ("hp", "lop", "lstp")  # high performance, low operating power, low standby power
NODES_NM = (32.0, 180.0)  # ends of the tables
_INVERTERS = Path(__file__).with_name("inverters.json")
_VACUUM_F_PER_UM = 8.854e-18


@dataclass(frozen=True, kw_only=True)
class SramTechnology:
    """Parameters of a process that the SRAM model needs; widths and lengths are in um."""

    node_nm: float
    kind: str  # of the transistors, one of KINDS
    voltage_v: float  # supply
    feature_um: float
    n_ohm_um: float  # on-resistance of an n transistor times its width, at the supply
    n_to_p: float  # width of a p transistor divided by that of an n transistor that drives alike
    gate_f_per_um: float  # per um of width, fringe included
    overlap_f_per_um: float  # of a drain to its gate, fringe included
    junction_f_per_um2: float  # of a drain's area
    sidewall_f_per_um: float  # of a drain's perimeter
    off_a_per_um: float  # current of a transistor that is off, per um of width
    sense_s: float  # delay of a sense amplifier
    sense_j: float  # energy of a sense amplifier per use, at the supply
    local_f_per_um: float  # of wires within a subarray
    local_ohm_per_um: float
    semi_global_f_per_um: float  # of wires between subarrays
    semi_global_ohm_per_um: float

    def gate_f(self, width_um: float) -> float:
        """Return the capacitance of a gate of that width, in F."""
        return self.gate_f_per_um * width_um

    def drain_f(self, width_um: float) -> float:
        """Return the capacitance in F of a contacted drain (CACTI 7, ``drain_C_``, unfolded)."""
        length = 3 * self.feature_um  # contact and the space on both of its sides
        return (
            self.junction_f_per_um2 * width_um * length
            + self.sidewall_f_per_um * (width_um + 2 * length)
            + 2 * self.overlap_f_per_um * width_um
        )


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("technology.toml").read_text())


def features() -> dict[str, float]:
    """Return the sizes of transistors and wire pitches, in feature sizes, by name."""
    sizes: dict[str, float] = _data()["features"]
    return sizes


def circuit() -> dict[str, float]:
    """Return the constants of the circuits, by name."""
    constants: dict[str, float] = _data()["circuit"]
    return constants


def kinds_at(node_nm: float) -> tuple[str, ...]:
    """Return the kinds of transistors that the tables have on both sides of a node."""
    below, above, _ = _around(node_nm)
    return tuple(kind for kind in KINDS if kind in below and kind in above)


def sram_technology(node_nm: float, voltage_v: float, kind: str) -> SramTechnology:
    """Return the technology at a node and a supply.

    The tables are interpolated linearly in the node, the off current in its logarithm. The drive
    current follows the supply by the alpha-power law (Sakurai and Newton, JSSC 25(2), 1990).

    Args:
        node_nm: Node, within ``NODES_NM``.
        voltage_v: Supply.
        kind: One of :func:`kinds_at`.

    Raises:
        UserError: If the node is outside the tables, or the supply is not above the threshold.
    """
    below, above, weight = _around(node_nm)

    def between(low: float, high: float) -> float:
        return (1 - weight) * low + weight * high

    low, high = below[kind], above[kind]
    device = {name: between(low[name], high[name]) for name in low}
    device["off_a_per_um"] = math.exp(
        between(math.log(low["off_a_per_um"]), math.log(high["off_a_per_um"]))
    )
    wire = {name: between(below["wire"][name], above["wire"][name]) for name in below["wire"]}
    shared = {
        name: between(below[name], above[name])
        for name in ("sense_s", "sense_j", "junction_f_per_um2", "sidewall_f_per_um")
    }
    nominal, threshold = device["voltage_v"], device["threshold_v"]
    if not threshold + 0.05 <= voltage_v <= 2 * nominal:
        raise UserError(
            f"a supply of {voltage_v:g} V is outside {threshold + 0.05:.2f} to {2 * nominal:.2f} V "
            f"of the SRAM model at {node_nm:g} nm"
        )
    constants = circuit()
    drive = ((voltage_v - threshold) / (nominal - threshold)) ** constants["alpha"]
    resistance = device["resistance_factor"] * voltage_v / (device["on_a_per_um"] * drive)
    feature = node_nm / 1000
    overlap = constants["overlap"] * device["gate_f_per_um"]
    local = _wire(wire, features()["local_pitch"] * feature)
    semi_global = _wire(wire, features()["semi_global_pitch"] * feature)
    return SramTechnology(
        node_nm=node_nm,
        kind=kind,
        voltage_v=voltage_v,
        feature_um=feature,
        n_ohm_um=resistance,
        n_to_p=device["n_to_p"],
        gate_f_per_um=device["gate_f_per_um"] + overlap + 3 * device["fringe_f_per_um"],
        overlap_f_per_um=overlap + device["fringe_f_per_um"],
        junction_f_per_um2=shared["junction_f_per_um2"],
        sidewall_f_per_um=shared["sidewall_f_per_um"],
        off_a_per_um=device["off_a_per_um"],
        sense_s=shared["sense_s"],
        sense_j=shared["sense_j"] * (voltage_v / nominal) ** 2,
        local_f_per_um=local[0],
        local_ohm_per_um=local[1],
        semi_global_f_per_um=semi_global[0],
        semi_global_ohm_per_um=semi_global[1],
    )


def _around(node_nm: float) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Return the tables below and above a node, and the weight of the upper one."""
    tables = sorted(_data()["node"], key=lambda table: table["nm"])
    if not NODES_NM[0] <= node_nm <= NODES_NM[1]:
        raise UserError(
            f"the SRAM model holds from {NODES_NM[0]:g} to {NODES_NM[1]:g} nm, not at {node_nm:g}"
        )
    for below, above in pairwise(tables):
        if below["nm"] == node_nm:
            return below, below, 0.0
        if node_nm <= above["nm"]:
            if above["nm"] == node_nm:
                return above, above, 0.0
            return below, above, (node_nm - below["nm"]) / (above["nm"] - below["nm"])
    raise AssertionError("the node lies within the tables")


def _wire(wire: dict[str, float], pitch_um: float) -> tuple[float, float]:
    """Return capacitance in F and resistance in ohm of a um of wire, half the pitch wide.

    Plates to neighbours and layers, and fringe (HPL-2008-20, section on wire modelling).
    """
    width = pitch_um / 2
    thickness = wire["aspect"] * width
    side = wire["miller"] * wire["horizontal_k"] * thickness / (pitch_um - width)
    plane = wire["vertical_k"] * width / wire["dielectric_um"]
    capacitance = 2 * _VACUUM_F_PER_UM * (side + plane) + circuit()["fringe_f_per_um"]
    metal = (thickness - wire["barrier_um"]) * (width - 2 * wire["barrier_um"])
    return capacitance, wire["resistivity_ohm_um"] / metal


@dataclass(frozen=True, kw_only=True)
class KitInverter(Facts):
    """The smallest inverter of a process kit: a measure of what the kit's transistors leak."""

    cell: str
    leakage_w: float  # mean of its states
    input_f: float  # capacitance of its input
    corner: str = ""  # of the kit


def kit_inverter(pdk: str) -> KitInverter | None:
    """Return the inverter of a kit, or None if it is not known."""
    return _known_inverters().get(pdk)


@cache
def _known_inverters() -> dict[str, KitInverter]:
    known = json.loads(_INVERTERS.read_text()) if _INVERTERS.exists() else {}
    return {pdk: KitInverter.from_json(inverter) for pdk, inverter in known.items()}


def write_inverters() -> None:
    """Read the inverters of the kits on this machine; those of other kits stay as they are."""
    from consilico.sim.silicon.kits.kit import find_kit, kit_names

    found = dict(_known_inverters())
    for pdk in kit_names():
        try:
            kit = find_kit(pdk)
        except UserError:
            continue  # not on this machine
        found[pdk] = replace(smallest_inverter(kit.liberty), corner=kit.corner)
    order = ("corner", "cell", "leakage_w", "input_f")
    rows = {pdk: {name: getattr(found[pdk], name) for name in order} for pdk in sorted(found)}
    write_atomic(_INVERTERS, json.dumps(rows, indent=1) + "\n")


def smallest_inverter(liberty: Sequence[Path]) -> KitInverter:
    """Return the smallest inverter of a library that states a leakage power.

    Raises:
        UserError: If there is none.
    """
    from consilico.sim.silicon.liberty.boolean import parse_function
    from consilico.sim.silicon.liberty.read import read_liberty

    found: list[tuple[float, KitInverter]] = []
    for name, cell in read_liberty(liberty).cells.items():
        inputs = [pin for pin in cell.pins.values() if pin.direction == "input"]
        outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
        if len(inputs) != 1 or len(outputs) != 1 or cell.sequential or not outputs[0].function:
            continue
        function = parse_function(outputs[0].function)
        if function.sense(inputs[0].name) != "negative_unate":
            continue
        states = [leak.value_w for leak in cell.leakage if leak.value_w > 0]
        leakage_w = sum(states) / len(states) if states else cell.leakage_w
        if leakage_w:
            inverter = KitInverter(cell=name, leakage_w=leakage_w, input_f=inputs[0].capacitance_f)
            found.append((cell.area_um2, inverter))
    if not found:
        raise UserError(f"{liberty[0]} has no inverter with a leakage power")
    return min(found, key=lambda item: (item[0], item[1].cell))[1]
