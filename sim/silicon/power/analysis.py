"""Power of a gate-level netlist from Liberty tables and the switching activity of a simulation.

The clock is ideal unless the netlist holds its tree, and so are the wires unless their capacitances
are given: the load of a net is that of its pins and of its wire. The steps: the netlist becomes
arrays (:mod:`.arrays`), each net finds its signal in the recording, slews run through the netlist
(:mod:`.slews`), and each cell's energies follow (:mod:`.cells`, where the method is described).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.power.arrays import (
    Bits,
    CellGroup,
    NetActivity,
    NetlistArrays,
    Nets,
    Reals,
    arrange,
    match,
    net_activity,
)
from consilico.sim.silicon.power.cells import GroupPower, follow, group_power
from consilico.sim.silicon.power.clock_tree import ClockTreeOptions, estimate_clock_tree
from consilico.sim.silicon.power.report import InstancePower, Power, PowerReport, power_profile
from consilico.sim.silicon.power.slews import Clocking, clock_network, clock_pins, slews
from consilico.sim.silicon.timing.clock_times import check_ns

__all__ = ["analyze_power"]


def analyze_power(
    netlist: Path | Sequence[Path],
    top: str,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    clock: str,
    period_ns: float,
    *,
    window_ns: float | None = None,
    clock_tree: ClockTreeOptions | None = None,
    wires_f: Mapping[str, float] | None = None,
    propagated: bool = False,
) -> PowerReport:
    """Return the power of a netlist.

    Args:
        netlist: Gate-level Verilog or SystemVerilog, one file or several.
        top: Its top module.
        liberty: Liberty files of its cells.
        activity: VCD, FST or SAIF of a simulation of the netlist.
        scope: Path of the top module's instance in it, such as ``tb/dut``.
        clock: Clock port. It and the nets that it reaches through buffers and inverters toggle
            twice per period, whatever was recorded; gated clocks toggle as simulated.
        period_ns: Clock period in nanoseconds.
        window_ns: Width in nanoseconds of the windows of a power profile; no profile if None.
        clock_tree: Assumptions for an estimate of the clock tree; no estimate if None.
        wires_f: Capacitance in F of the wires by name of the net, as
            :func:`consilico.sim.silicon.layout.spef.read_spef` gives it; None: ideal wires. A net
            that is not in it has an ideal wire.
        propagated: Whether the netlist holds its clock's tree: edges of the clock are then as steep
            as its buffers make them; else they are ideal.

    Raises:
        UserError: If a file cannot be read or is damaged, the netlist has no such top module, cell
            or clock port, or the activity has no such scope.
    """
    check_ns("period_ns", period_ns)
    if window_ns is not None:
        check_ns("window_ns", window_ns)
    period_s = period_ns * 1e-9
    library = read_liberty(liberty)
    flat = read_netlist(netlist, top, library.cells)
    arrays = arrange(flat, library.cells, wires_f)
    clock_net = _clock_net(flat, clock)
    clocking = clock_network(arrays, clock_net)
    _check_clock(arrays, clocking, clock)
    rows: list[Nets] = []

    def select(signals: dict[str, int]) -> Nets:
        rows.append(match(arrays, signals))
        return rows[0][rows[0] >= 0]

    measured = read_activity(
        activity, scope, select, window_s=None if window_ns is None else window_ns * 1e-9
    )
    # a SAIF file is read as a whole: it calls no `select`
    row, inverse = follow(arrays, rows[0] if rows else match(arrays, measured.signals))
    recorded = net_activity(measured, row, inverse)
    seen = _with_clock(recorded, clocking, period_s)
    slew = slews(arrays, clocking.propagated if propagated else clocking)
    powers = [group_power(arrays, group, seen, slew) for group in arrays.groups]
    profile = None
    if window_ns is not None:
        energy = _toggle_energy(arrays, powers)
        free = clocking.free
        steady = sum(float(power.leakage_w.sum()) for power in powers)
        steady += float((energy[free] * seen.density[free]).sum())
        profile = power_profile(measured, row, energy, free, steady)
    tree = None
    if clock_tree is not None:
        tree = estimate_clock_tree(arrays, clock_net, library.cells, period_s, clock_tree)
    annotated, pins = _annotation(arrays, seen)
    clock_density = float(recorded.density[clock_net])
    return PowerReport.of(
        flat.top,
        _instances(arrays, clocking, powers),
        annotated_pins=annotated,
        unannotated_pins=pins - annotated,
        source=measured.source,
        duration_s=measured.duration_s,
        toggles=float(seen.density.sum() * measured.duration_s),
        period_s=period_s,
        recorded_period_s=2 / clock_density if clock_density else None,
        wires="ideal" if wires_f is None else "given",
        profile=profile,
        clock_tree=tree,
    )


def _clock_net(netlist: Netlist, clock: str) -> int:
    """Return the net of the clock port."""
    inputs = [name for name, (direction, _) in netlist.ports.items() if direction != "output"]
    if clock not in inputs or len(netlist.ports[clock][1]) != 1:
        raise UserError(
            f"module {netlist.top!r} has no clock port {clock!r}; its inputs are: "
            + (", ".join(inputs) or "none")
        )
    return netlist.ports[clock][1][0]


def _check_clock(arrays: NetlistArrays, clocking: Clocking, clock: str) -> None:
    """Check that the clock reaches a register, if there are any.

    Raises:
        UserError: If it reaches none.
    """
    ends = clock_pins(arrays)
    if not len(ends) or clocking.network[ends].any():
        return
    ports = arrays.netlist.ports
    found = [name for name, (_, nets) in ports.items() if np.isin(list(nets), ends).any()]
    raise UserError(
        f"port {clock!r} of {arrays.netlist.top!r} clocks no register; "
        f"registers' clock pins are on: {', '.join(found) or 'no port'}"
    )


def _with_clock(seen: NetActivity, clocking: Clocking, period_s: float) -> NetActivity:
    """Return the activity with the free-running clock as defined, not as recorded."""
    return NetActivity(
        np.where(clocking.free, 2 / period_s, seen.density),
        np.where(clocking.free, 0.5, seen.duty),
        seen.known | clocking.free,
    )


def _kinds(group: CellGroup, network: Bits) -> list[str]:
    """Return the class of each instance of a group."""
    cell = group.cell
    if cell.macro or cell.pad:
        return ["macro" if cell.macro else "pad"] * len(group.instances)
    outputs = [name for name, pin in cell.pins.items() if pin.direction in ("output", "inout")]
    clocked = np.full(len(group.instances), bool(outputs))
    for name in outputs:
        clocked &= network[group.nets[name]]
    other = "sequential" if cell.sequential else "combinational"
    return ["clock" if is_clock else other for is_clock in clocked.tolist()]


def _instances(
    arrays: NetlistArrays, clocking: Clocking, powers: Sequence[GroupPower]
) -> Iterator[InstancePower]:
    """Yield the power of each instance, in the order of the netlist."""
    found: dict[int, InstancePower] = {}
    for group, power in zip(arrays.groups, powers, strict=True):
        columns = zip(
            group.instances.tolist(),
            _kinds(group, clocking.network),
            power.internal_w.tolist(),
            power.switching_w.tolist(),
            power.leakage_w.tolist(),
            strict=True,
        )
        for index, kind, internal, switching, leakage in columns:
            instance = arrays.netlist.instances[index]
            found[index] = InstancePower(
                name=instance.name,
                module=instance.module,
                cell=instance.cell,
                kind=kind,
                power=Power(internal, switching, leakage),
            )
    return (found[index] for index in range(len(arrays.netlist.instances)))


def _toggle_energy(arrays: NetlistArrays, powers: Sequence[GroupPower]) -> Reals:
    """Return the energy of a toggle of each net in J, shape ``(nets,)``."""
    energy = np.zeros(arrays.net_count)
    for group, power in zip(arrays.groups, powers, strict=True):
        for name, joules in power.toggle_energy_j.items():
            np.add.at(energy, group.nets[name], joules)
    return energy


def _annotation(arrays: NetlistArrays, seen: NetActivity) -> tuple[int, int]:
    """Count the pins whose activity is known, and all pins (bits of the ports included)."""
    known = [seen.known[list(nets)] for _, nets in arrays.netlist.ports.values()]
    for group in arrays.groups:
        for name, pin in group.cell.pins.items():
            if pin.direction != "internal":
                known.append(seen.known[group.nets[name]])
    return sum(int(flags.sum()) for flags in known), sum(map(len, known))
