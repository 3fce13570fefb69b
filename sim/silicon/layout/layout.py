"""A mapped netlist laid out: placed, connected by wires, and made to keep its library's limits."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.clock_tree import build_clock_tree
from consilico.sim.silicon.layout.closure import Closure, close
from consilico.sim.silicon.layout.def_file import read_def
from consilico.sim.silicon.layout.hold import close_hold
from consilico.sim.silicon.layout.lef import read_lef
from consilico.sim.silicon.layout.limits import OverLimit, find_loads, over_limits
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement, placeable
from consilico.sim.silicon.layout.spare_cells import without_spare_cells
from consilico.sim.silicon.layout.spef import write_wired
from consilico.sim.silicon.layout.wires import NetWire, route
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.netlist.write import PlainNames
from consilico.sim.silicon.timing.sdc import Sdc

__all__ = [
    "ClockTreeFacts",
    "HoldFacts",
    "PhysicalLayout",
    "check_layout",
    "clocked",
    "closed",
    "lay_out",
]


@dataclass(frozen=True, kw_only=True)
class ClockTreeFacts(Facts):
    """A clock tree, and when the clock arrives through it."""

    sinks: int  # clock pins of flip-flops and macros, enables of latches
    buffers: int
    levels: int  # cells between the port and a sink, at most: buffers, gates and logic
    wirelength_um: float  # of all nets that the clock passes
    insertion_delay_ns: float  # from the port to a flip-flop, in the mean
    skew_ns: float  # between the first flip-flop and the last


@dataclass(frozen=True, kw_only=True)
class HoldFacts(Facts):
    """Hold check: whether data changes too early for the clock that comes through its tree."""

    worst_slack_ns: float | None  # None: there is nothing to check
    violations: int  # pins that are left with data too early
    buffers: int  # that delay data


@dataclass(frozen=True, kw_only=True, eq=False)
class PhysicalLayout:
    """A placed netlist and its wires; without a tree the net of the clock port has none."""

    placement: Placement
    wires: tuple[NetWire, ...]
    over_limit: tuple[OverLimit, ...] = ()  # pins that a repair had to leave so
    closure: Closure | None = None  # what was changed for limits and paths; None: nothing yet
    clock: ClockTreeFacts | None = None  # None: the clock is ideal
    hold: HoldFacts | None = None  # None: not checked

    @cached_property
    def names(self) -> PlainNames:
        """Names under which other tools see nets and instances."""
        return PlainNames(self.placement.design.netlist)

    @property
    def utilization(self) -> float:
        """Area of the cells over that of the core."""
        return self.placement.design.area_um2 / self.placement.core.area_um2

    @property
    def wirelength_um(self) -> float:
        """Return the length of all wires, in um."""
        return sum(wire.length_um for wire in self.wires)

    def wire_capacitances_f(self) -> dict[str, float]:
        """Return the capacitance of each wire in F, by the plain name of its net."""
        return {self.names.of(wire.net): wire.capacitance_f for wire in self.wires}

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the netlist under its plain names, and the SPEF that goes with it.

        Args:
            folder: Where to.

        Returns:
            Paths of ``netlist.v`` and ``wires.spef``.
        """
        return write_wired(folder, self.placement.design, self.wires, self.names)


def check_layout(kit: Kit) -> None:
    """Refuse a kit that does not say what a layout needs.

    Raises:
        UserError: If the kit knows no rows, or no wires; the message says what to do.
    """
    for known, table in ((kit.rows, "rows"), (kit.wires, "wires")):
        if known is None:
            raise UserError(
                f"process kit {kit.name} has no [{table}], which a layout needs; accepted:"
                " --rung cells, or a kit file that has it"
            )


def lay_out(
    netlist: Path,
    top: str,
    kit: Kit,
    clock: str,
    options: PlacementOptions,
    placed: Path | None = None,
) -> PhysicalLayout:
    """Place a mapped netlist, less its spare cells (:mod:`.spare_cells`), and connect it.

    Args:
        netlist: Structural Verilog.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port, whose net pulls no cell; a netlist may have none.
        options: How to place.
        placed: DEF file of a placement that was made elsewhere, of these cells or of all that the
            netlist has, which is taken as it is; None: the cells are placed here.

    Raises:
        UserError: If the kit does not say what a layout needs, a cell has no size, an option is
            not accepted, a file cannot be read, or its placement is not one on the kit's rows.
    """
    check_layout(kit)
    assert kit.rows is not None
    assert kit.wires is not None
    cells = read_liberty((kit.mapping_liberty,)).cells
    flat = without_spare_cells(read_netlist(netlist, top, cells), cells)
    _, clock_nets = flat.ports.get(clock, ("input", ()))
    design = placeable(
        flat, cells, kit.rows.height_um, kit.rows.site_um, read_lef(kit.lef), clock_nets
    )
    if placed is None:
        placement = place(design, options)
    else:
        placement = read_def(placed, design, PlainNames(flat))
        if problems := placement.problems():
            raise UserError(f"{placed}: {problems[0]}; accepted: a legal placement on the rows")
    return PhysicalLayout(placement=placement, wires=route(placement, kit.wires))


def closed(
    layout: PhysicalLayout, kit: Kit, clock: str, clock_ns: float, sdc: Sdc | None = None
) -> PhysicalLayout:
    """Return a layout whose nets keep the library's limits and whose paths meet the clock.

    Args:
        layout: Placed, with an ideal clock.
        kit: Its process kit.
        clock: Name of the clock port.
        clock_ns: Its period.
        sdc: Somebody's constraints.

    Raises:
        UserError: If OpenSTA is not installed, or what is added does not fit onto the core.
        ToolError: If OpenSTA fails.
    """
    assert kit.wires is not None
    library = read_liberty((kit.mapping_liberty,))
    found = close(layout.placement, library, kit.wires, clock, clock_ns, sdc)
    return PhysicalLayout(
        placement=found.placement,
        wires=found.wires,
        over_limit=found.over_limit,
        closure=found.closure,
    )


def clocked(
    layout: PhysicalLayout, kit: Kit, clock: str, clock_ns: float, sdc: Sdc | None = None
) -> PhysicalLayout:
    """Return a layout with a clock tree, in which no data is too early for the clock.

    Args:
        layout: Closed, with an ideal clock.
        kit: Its process kit.
        clock: Name of the clock port.
        clock_ns: Its period.
        sdc: Somebody's constraints.

    Raises:
        UserError: If OpenSTA is not installed, the library has no buffers, or what is added does
            not fit onto the core.
        ToolError: If OpenSTA fails.
    """
    assert kit.wires is not None
    tree = build_clock_tree(layout.placement, clock, kit.wires.clock)
    found = close_hold(tree, kit, clock, clock_ns, sdc)
    placement, nets = found.tree.placement, found.tree.nets
    wires = route(placement, kit.wires, nets)
    library = read_liberty((kit.mapping_liberty,))
    return PhysicalLayout(
        placement=placement,
        wires=wires,
        over_limit=over_limits(find_loads(placement.design, wires, library)),
        closure=layout.closure,
        clock=ClockTreeFacts(
            sinks=tree.sinks,
            buffers=tree.buffers,
            levels=tree.levels,
            wirelength_um=sum(wire.length_um for wire in wires if wire.net in nets),
            insertion_delay_ns=found.arrival.insertion_delay_ns,
            skew_ns=found.arrival.skew_ns,
        ),
        hold=HoldFacts(
            worst_slack_ns=found.hold.worst_slack_ns,
            violations=len(found.hold.violations),
            buffers=found.buffers,
        ),
    )
