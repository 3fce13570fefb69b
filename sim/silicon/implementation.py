"""Facts about an implementation: costs of a unit in a process kit, and what they hold for."""

from dataclasses import dataclass
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds
from consilico.sim.silicon.layout.closure import Closure
from consilico.sim.silicon.layout.layout import ClockTreeFacts, HoldFacts
from consilico.sim.silicon.layout.limits import OverLimit
from consilico.sim.silicon.openroad import RouterCheck
from consilico.sim.silicon.power.report import Power
from consilico.sim.silicon.synthesis.equivalence import EquivalenceProof
from consilico.sim.silicon.synthesis.outside_memories import OutsideMemory

__all__ = [
    "RUNGS",
    "EquivalenceCheck",
    "GateLevelCheck",
    "Implementation",
    "Rung",
    "TrafficActivity",
    "rung_words",
]

RUNGS = ("cells", "wires", "clock", "layout")  # each with what those before it have
_WORDS = {
    "cells": "mapped cells, ideal wires and clock, no glitches",
    "wires": "placed, with wires; ideal clock, no glitches",
    "clock": "placed, with wires and clock tree; no glitches",
    "layout": "placed, with wires, clock tree and glitches",
}


def rung_words(*rungs: str) -> str:
    """Return what figures of some rungs hold for, in the same words everywhere."""
    return "; ".join(f"{rung}: {_WORDS[rung]}" for rung in RUNGS if rung in rungs)


@dataclass(frozen=True, kw_only=True)
class TrafficActivity(Facts):
    """The traffic that power was measured on."""

    source: str  # one of the unit's sources of traffic
    cycles: int  # recorded
    results: int  # delivered in them, all lanes counted
    operations: int  # done in them
    toggles: float  # of all nets of the netlist
    masked: int  # results that the traffic marks as masked
    # standard error of the power as a fraction of it, from the spread over 16 parts of the
    # recording; None: too short to tell
    sampling_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateLevelCheck(Facts):
    """The comparison of the netlist's results with the golden model's."""

    checked: int  # results
    mismatches: int
    power_up: str  # what registers hold before the reset: "unknown" or "random"


@dataclass(frozen=True, kw_only=True)
class EquivalenceCheck(Facts):
    """Evidence that the netlist does what its RTL says: a simulation, and perhaps a proof."""

    method: str  # "proof", or "simulation" where there is no proof or it proved nothing
    proof: EquivalenceProof | None  # None: not attempted
    results_compared: int  # by simulation, in any case


@dataclass(frozen=True, kw_only=True)
class Rung(Facts):
    """Costs of a unit up to one step of its way from cells to a layout."""

    rung: str  # one of RUNGS
    area_um2: float  # of the cells
    core_um2: float | None  # of the rows that the cells are placed in; None: not placed
    path_ns: float  # shortest clock period at which no path fails
    energy_pj: float  # per result, leakage included
    leakage_w: float


@dataclass(frozen=True, kw_only=True)
class Implementation(Facts):
    """Costs of a unit in a process kit, up to the last rung of its ladder.

    Powers hold for the clock period ``clock_ns``.
    """

    unit: str
    config: dict[str, Any]  # field values by name
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # what mapping aimed for and what power is given at
    area_um2: float  # of the flat netlist
    area_by_class_um2: dict[str, float]  # flip-flops, latches, clock gates, combinational
    area_by_module_um2: dict[str, float]  # of a mapping that keeps modules, by path
    area_by_purpose_um2: dict[str, float]  # of the same: registers, memories, multipliers, rest
    area_of_modules_kept_um2: float  # of the same, in all
    cells: int
    cells_by_type: dict[str, int]
    path_ns: float  # shortest clock period at which no path fails
    path_cells: tuple[str, ...]  # cells along the worst path, from its start
    meets_clock: bool
    power: Power
    power_by_class_w: dict[str, float]  # sequential, combinational, clock, macro, pad
    annotated_pins: int  # pins whose activity is known
    unannotated_pins: int  # pins whose dynamic power is left out
    energy_pj: float  # per result, leakage included
    operation: str  # the unit's operation, such as "MAC"
    energy_per_operation_pj: float
    activity: TrafficActivity
    gate_level: GateLevelCheck
    equivalence: EquivalenceCheck
    cross_check: dict[str, float] | str  # power by the user's OpenSTA in W, or why there is none
    assumptions: dict[str, str]  # about clock, wires and glitches
    notes: tuple[str, ...]  # what the kit's user should know
    tools: dict[str, str | None]  # versions by name
    verilog_sha256: str
    rung: str = "cells"  # that path, power and energies are of
    ladder: tuple[Rung, ...] = ()  # from cells up to it
    wirelength_um: float | None = None  # None: not placed
    utilisation: float | None = None  # area of the cells over that of the core
    over_limit: tuple[OverLimit, ...] | None = (
        None  # pins over a limit of the library, after repair
    )
    closure: Closure | None = None  # what was changed after placement; None: not placed
    clock_tree: ClockTreeFacts | None = None  # None: the clock is ideal
    hold: HoldFacts | None = None  # None: not checked, for want of a clock tree
    router: RouterCheck | None = None  # where a router was asked for
    rtl: str | None = None  # where anyone's design was implemented as the unit: its files
    top: str | None = None  # and their top module
    front_ends: FrontEnds | None = None  # and whether a simulator understands them likewise
    memories: tuple[OutsideMemory, ...] = ()  # outside: no figure here has them

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; those that do not apply are left out."""
        left = {
            name
            for name in ("router", "rtl", "top", "front_ends", "memories")
            if not getattr(self, name)
        }
        return {name: item for name, item in super().to_json().items() if name not in left}
