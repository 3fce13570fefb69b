"""Power of a gate-level netlist from a simulation's switching activity and Liberty tables.

Ideal clock, ideal wires: the load of a net is that of its pins. The method is described in
:mod:`sim.silicon.power_cells`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import UserError
from sim.silicon.activity import Activity, read_activity
from sim.silicon.delay import Clocking, clock_network, slews
from sim.silicon.liberty import read_liberty
from sim.silicon.netlist import Netlist, read_netlist
from sim.silicon.power_cells import group_power
from sim.silicon.power_design import Bits, Design, Group, Traffic, arrange, traffic

__all__ = ["InstancePower", "Power", "PowerReport", "analyse"]

CLASSES = ("sequential", "combinational", "clock", "macro", "pad")


@dataclass(frozen=True)
class Power:
    """Power in watts, by cause."""

    internal_w: float = 0.0
    switching_w: float = 0.0
    leakage_w: float = 0.0

    @property
    def total_w(self) -> float:
        """Sum of the three."""
        return self.internal_w + self.switching_w + self.leakage_w

    def __add__(self, other: "Power") -> "Power":
        return Power(
            self.internal_w + other.internal_w,
            self.switching_w + other.switching_w,
            self.leakage_w + other.leakage_w,
        )

    def to_json(self) -> dict[str, float]:
        """The three and their sum."""
        return {
            "internal_w": self.internal_w,
            "switching_w": self.switching_w,
            "leakage_w": self.leakage_w,
            "total_w": self.total_w,
        }


@dataclass(frozen=True, kw_only=True)
class InstancePower:
    """Power of one cell instance."""

    name: str
    module: str  # path of the module around it, empty for the top
    cell: str
    kind: str  # one of sequential, combinational, clock, macro, pad
    power: Power


@dataclass(frozen=True, kw_only=True)
class PowerReport:
    """Power of a netlist.

    Pins are those of the cells and the bits of the top module's ports. A pin is annotated if the
    activity holds its net, or it is constant, or it is in the clock. The others take part with
    density 0 and duty 0.5: their dynamic power is left out, not guessed.
    """

    total: Power
    by_class: dict[str, Power]
    by_module: dict[str, Power]  # by path, what is inside included; the top by its name
    instances: list[InstancePower]
    annotated_pins: int
    unannotated_pins: int
    source: str  # "vcd" or "saif"
    duration_s: float
    toggles: float  # of all nets of the netlist, over the duration
    period_s: float

    def to_json(self) -> dict[str, Any]:
        """Everything but the single instances."""
        return self.total.to_json() | {
            "annotated_pins": self.annotated_pins,
            "unannotated_pins": self.unannotated_pins,
            "by_class": {name: power.to_json() for name, power in self.by_class.items()},
            "by_module": {name: power.to_json() for name, power in self.by_module.items()},
            "activity": {
                "source": self.source,
                "duration_s": self.duration_s,
                "cycles": self.duration_s / self.period_s,
                "toggles": self.toggles,
            },
            "clock_period_s": self.period_s,
            "wires": "ideal",
        }


def analyse(
    netlist: Path,
    top: str,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    clock: str,
    period_ns: float,
) -> PowerReport:
    """Power of a netlist.

    Args:
        netlist: Gate-level Verilog.
        top: Its top module.
        liberty: Liberty files of its cells.
        activity: VCD or SAIF of a simulation of the netlist.
        scope: Path of the top module's instance in it, such as ``tb/dut``.
        clock: Clock port. It and what it reaches through buffers and inverters toggles twice a
            period, whatever the activity says; gated clocks toggle as simulated.
        period_ns: Clock period in nanoseconds.

    Raises:
        UserError: If a file cannot be read or is damaged, the netlist has no such top module, cell
            or clock port, or the activity has no such scope.
    """
    if not 0 < period_ns < float("inf"):
        raise UserError(f"the clock period must be above 0 ns, not {period_ns}")
    library = read_liberty(liberty)
    flat = read_netlist(netlist, top, library.cells)
    design = arrange(flat, library.cells)
    clocking = clock_network(design, _clock_net(flat, clock))
    measured = read_activity(activity, scope)
    seen = _with_clock(traffic(design, measured), clocking, period_ns * 1e-9)
    slew = slews(design, clocking)
    instances: list[InstancePower | None] = [None] * len(flat.instances)
    for group in design.groups:
        power = group_power(design, group, seen, slew)
        kinds = _kinds(group, clocking.network)
        columns = zip(
            group.instances.tolist(),
            kinds,
            power.internal_w.tolist(),
            power.switching_w.tolist(),
            power.leakage_w.tolist(),
            strict=True,
        )
        for index, kind, internal, switching, leakage in columns:
            instance = flat.instances[index]
            instances[index] = InstancePower(
                name=instance.name,
                module=instance.module,
                cell=instance.cell,
                kind=kind,
                power=Power(internal, switching, leakage),
            )
    return _report([item for item in instances if item], design, seen, measured, period_ns * 1e-9)


def _clock_net(netlist: Netlist, clock: str) -> int:
    inputs = [name for name, (direction, _) in netlist.ports.items() if direction != "output"]
    if clock not in inputs or len(netlist.ports[clock][1]) != 1:
        raise UserError(
            f"module {netlist.top!r} has no clock port {clock!r}; its inputs are: "
            + (", ".join(inputs) or "none")
        )
    return netlist.ports[clock][1][0]


def _with_clock(seen: Traffic, clocking: Clocking, period_s: float) -> Traffic:
    """The free-running clock as defined, not as recorded."""
    return Traffic(
        np.where(clocking.free, 2 / period_s, seen.density),
        np.where(clocking.free, 0.5, seen.duty),
        seen.known | clocking.free,
    )


def _kinds(group: Group, network: Bits) -> list[str]:
    """Class of each instance of a group."""
    cell = group.cell
    if cell.macro or cell.pad:
        return ["macro" if cell.macro else "pad"] * len(group.instances)
    outputs = [name for name, pin in cell.pins.items() if pin.direction in ("output", "inout")]
    clocked = np.full(len(group.instances), bool(outputs))
    for name in outputs:
        clocked &= network[group.nets[name]]
    other = "sequential" if cell.sequential else "combinational"
    return ["clock" if is_clock else other for is_clock in clocked.tolist()]


def _report(
    instances: list[InstancePower],
    design: Design,
    seen: Traffic,
    measured: Activity,
    period_s: float,
) -> PowerReport:
    netlist = design.netlist
    total = Power()
    by_class = {name: Power() for name in CLASSES}
    by_module: dict[str, Power] = {netlist.top: Power()}
    for item in instances:
        total += item.power
        by_class[item.kind] += item.power
        by_module[netlist.top] += item.power
        parts = item.module.split("/") if item.module else []
        for depth in range(len(parts)):
            path = "/".join(parts[: depth + 1])
            by_module[path] = by_module.get(path, Power()) + item.power
    known = [seen.known[list(nets)] for _, nets in netlist.ports.values()]
    for group in design.groups:
        for name, pin in group.cell.pins.items():
            if pin.direction != "internal":
                known.append(seen.known[group.nets[name]])
    annotated = sum(int(flags.sum()) for flags in known)
    return PowerReport(
        total=total,
        by_class=by_class,
        by_module=by_module,
        instances=instances,
        annotated_pins=annotated,
        unannotated_pins=sum(map(len, known)) - annotated,
        source=measured.source,
        duration_s=measured.duration_s,
        toggles=float(seen.density.sum() * measured.duration_s),
        period_s=period_s,
    )
