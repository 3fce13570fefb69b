"""Transistors and wires at a node and a supply, from ``technology.toml``."""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError

__all__ = ["KINDS", "NODES_NM", "Technology", "circuit", "features", "kinds_at", "technology"]

KINDS = ("hp", "lop", "lstp")  # high performance, low operating power, low standby power
NODES_NM = (32.0, 180.0)  # ends of the tables
_VACUUM_F_PER_UM = 8.854e-18


@dataclass(frozen=True, kw_only=True)
class Technology:
    """What the SRAM model needs of a process; widths and lengths in um."""

    node_nm: float
    kind: str
    voltage_v: float
    feature_um: float
    n_ohm_um: float  # on-resistance of an n transistor times its width, at the supply
    n_to_p: float  # of the widths that drive alike
    gate_f_per_um: float
    overlap_f_per_um: float  # of a drain to its gate, fringe included
    junction_f_per_um2: float
    sidewall_f_per_um: float
    off_a_per_um: float
    sense_s: float
    sense_j: float  # at the supply
    local_f_per_um: float  # of wires
    local_ohm_per_um: float
    semi_global_f_per_um: float
    semi_global_ohm_per_um: float

    def gate_f(self, width_um: float) -> float:
        """Capacitance of a gate of that width."""
        return self.gate_f_per_um * width_um

    def drain_f(self, width_um: float) -> float:
        """Capacitance of a drain with a contact (CACTI 7, ``drain_C_``, not folded)."""
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
    """Sizes in feature sizes, by name."""
    sizes: dict[str, float] = _data()["features"]
    return sizes


def circuit() -> dict[str, float]:
    """Constants of the circuits, by name."""
    constants: dict[str, float] = _data()["circuit"]
    return constants


def kinds_at(node_nm: float) -> tuple[str, ...]:
    """Kinds of transistors that the tables have around a node."""
    below, above, _ = _around(node_nm)
    return tuple(kind for kind in KINDS if kind in below and kind in above)


def technology(node_nm: float, voltage_v: float, kind: str) -> Technology:
    """Interpolate the tables: linear in the node, the off current in its logarithm.

    Args:
        node_nm: Within ``NODES_NM``.
        voltage_v: Supply; drive follows the alpha-power law.
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
    return Technology(
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
    """The tables below and above a node, and the weight of the upper one."""
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
    """Capacitance and resistance of a um of wire, half the pitch wide.

    Plates to neighbours and layers, and fringe (HPL-2008-20, section on wire modelling).
    """
    width = pitch_um / 2
    thickness = wire["aspect"] * width
    side = wire["miller"] * wire["horizontal_k"] * thickness / (pitch_um - width)
    plane = wire["vertical_k"] * width / wire["dielectric_um"]
    capacitance = 2 * _VACUUM_F_PER_UM * (side + plane) + circuit()["fringe_f_per_um"]
    metal = (thickness - wire["barrier_um"]) * (width - 2 * wire["barrier_um"])
    return capacitance, wire["resistivity_ohm_um"] / metal
