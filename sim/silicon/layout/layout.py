"""A mapped netlist laid out: placed, connected by wires, and made to keep its library's limits."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.def_file import read_def
from consilico.sim.silicon.layout.lef import read_lef
from consilico.sim.silicon.layout.limits import OverLimit
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement, placeable
from consilico.sim.silicon.layout.repair import repair
from consilico.sim.silicon.layout.spef import write_spef
from consilico.sim.silicon.layout.wires import NetWire, route
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist

__all__ = ["Layout", "check_layout", "lay_out", "within_limits"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """A placed netlist and the wires of its nets; the clock port's net has none yet."""

    placement: Placement
    wires: tuple[NetWire, ...]
    over_limit: tuple[OverLimit, ...] = ()  # pins that a repair had to leave so

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
        """Length of all wires."""
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
        design = self.placement.design
        netlist, spef = folder / "netlist.v", folder / "wires.spef"
        netlist.write_text(write_netlist(design.netlist, self.names))
        spef.write_text(write_spef(design, self.wires, self.names))
        return netlist, spef


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
) -> Layout:
    """Place a mapped netlist and connect it.

    Args:
        netlist: Structural Verilog.
        top: Its module.
        kit: Process kit of its cells.
        clock: Name of the clock port, whose net pulls no cell; a netlist may have none.
        options: How to place.
        placed: DEF file of a placement that was made elsewhere, which is taken as it is; None: the
            cells are placed here.

    Raises:
        UserError: If the kit does not say what a layout needs, a cell has no size, an option is
            not accepted, a file cannot be read, or its placement is not one on the kit's rows.
    """
    check_layout(kit)
    assert kit.rows is not None
    assert kit.wires is not None
    cells = read_liberty((kit.mapping_liberty,)).cells
    flat = read_netlist(netlist, top, cells)
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
    return Layout(placement=placement, wires=route(placement, kit.wires))


def within_limits(layout: Layout, kit: Kit) -> Layout:
    """Return a layout whose nets keep the limits of the library, as far as it can be made.

    Args:
        layout: Its clock, if no tree was built, is ideal.
        kit: Its process kit.

    Raises:
        UserError: If what is added does not fit onto the core.
    """
    assert kit.wires is not None
    found = repair(layout.placement, read_liberty((kit.mapping_liberty,)), kit.wires)
    return Layout(placement=found.placement, wires=found.wires, over_limit=found.over_limit)
