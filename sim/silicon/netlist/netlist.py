"""Gate-level Verilog netlists, as synthesis writes them, flattened into nets and cell instances."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.syntax import CONSTANTS, Module, parse_modules

__all__ = ["HIGH", "LOW", "Instance", "Netlist", "read_netlist"]

LOW, HIGH = CONSTANTS["1'b0"], CONSTANTS["1'b1"]  # the nets that never change
_MOST_INSTANCES = 10_000_000  # of a flat netlist: modules within modules multiply quickly
_MOST_DEPTH = 200  # modules within each other


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One cell: its path (``block/_123_``), the path of the module around it, nets by pin."""

    name: str
    module: str
    cell: str
    pins: dict[str, int]  # bits of a bus as ``A[3]``; pins left open are not in it


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A flat netlist. Nets are numbers; what the source calls them is in ``names``."""

    top: str
    net_count: int
    names: dict[str, int]  # net by path and bit, such as ``block/sum[3]``; several may be one net
    ports: dict[str, tuple[str, tuple[int, ...]]]  # direction and nets, highest bit first
    instances: list[Instance]


def read_netlist(files: Path | Sequence[Path], top: str, cells: Mapping[str, Cell]) -> Netlist:
    """Read a netlist of library cells, and flatten its modules.

    Args:
        files: Verilog or SystemVerilog, one file or several: modules, nets, ``assign`` between
            nets, instances with named pins.
        top: Name of the module to start at.
        cells: Cells of the library by name. A name in it is a cell, any other must be a module of
            the files.

    Raises:
        UserError: If a file cannot be read or is not a gate-level netlist, ``top`` is not in them,
            a cell, a pin or a width does not fit the library or the module, or a net has several
            drivers.
    """
    modules: dict[str, Module] = {}
    paths = [files] if isinstance(files, Path) else files
    for path in paths:
        text = read_input(path, "netlist", unzip=True).decode("latin-1")
        found = parse_modules(path, text.removeprefix("\xef\xbb\xbf"))
        if again := sorted(modules.keys() & found):
            raise UserError(f"{path}: module {again[0]!r} is in an earlier file, too")
        modules |= found
    source = ", ".join(map(str, paths))
    if top not in modules:
        known = ", ".join(modules) or "none"
        raise UserError(f"{source} has no module {top!r}; there are: {known}")
    if twice := [name for name, module in modules.items() if name in cells and module.items]:
        raise UserError(
            f"{source}: {twice[0]!r} is a module here and a cell of the library; accepted: one"
        )
    flat = _Flattener(source, modules, cells)
    ports = {
        name: (direction, tuple(flat.net(bit) for bit in modules[top].bits(name)))
        for name, direction in modules[top].ports.items()
    }
    flat.expand(modules[top], "", (top,))
    flat.check_drivers(ports)
    return flat.netlist(top, ports)


@dataclass
class _Flattener:
    source: str  # names of the files
    modules: dict[str, Module]
    cells: Mapping[str, Cell]
    names: dict[str, int] = field(default_factory=dict)
    parents: list[int] = field(default_factory=lambda: [*CONSTANTS.values()])
    instances: list[Instance] = field(default_factory=list)
    expanded: int = 0

    def net(self, name: str) -> int:
        """Return the number of a net by its full name, a new one where there is none."""
        if name in CONSTANTS:
            return CONSTANTS[name]
        number = self.names.get(name)
        if number is None:
            number = self.names[name] = len(self.parents)
            self.parents.append(number)
        return number

    def root(self, net: int) -> int:
        """Return the net that stands for all that ``assign`` has made one; constants come first."""
        while self.parents[net] != net:
            self.parents[net] = self.parents[self.parents[net]]
            net = self.parents[net]
        return net

    def join(self, one: int, other: int) -> None:
        """Join two nets, as an ``assign`` does."""
        low, high = sorted((self.root(one), self.root(other)))
        if (low, high) == (LOW, HIGH):
            raise UserError(f"{self.source}: a net is assigned both 0 and 1")
        self.parents[high] = low

    def expand(self, module: Module, prefix: str, around: tuple[str, ...]) -> None:
        """Add the content of a module, whose nets and instances get ``prefix``."""

        def named(bit: str) -> str:
            return bit if bit in CONSTANTS else prefix + bit

        for left, right in module.assigns:
            for one, other in zip(left, right, strict=True):
                self.join(self.net(named(one)), self.net(named(other)))
        self.expanded += len(module.items) + len(module.assigns)
        if self.expanded > _MOST_INSTANCES or len(self.parents) > 4 * _MOST_INSTANCES:
            raise UserError(f"{self.source}: more than {_MOST_INSTANCES:,} instances")
        for item in module.items:
            where = f"{self.source}: instance {prefix}{item.name}"
            if item.cell in self.cells:
                cell = self.cells[item.cell]
                pins = {
                    pin: self.net(named(bit))
                    for port, bits in item.pins.items()
                    for pin, bit in self._pins(cell, port, bits, where)
                }
                self.instances.append(
                    Instance(
                        name=prefix + item.name,
                        module=prefix.rstrip("/"),
                        cell=item.cell,
                        pins=pins,
                    )
                )
                continue
            inner = self.modules.get(item.cell)
            if inner is None:
                raise UserError(
                    f"{where}: {item.cell!r} is neither a cell of the library nor a module"
                )
            if item.cell in around:
                raise UserError(f"{where}: module {item.cell!r} contains itself")
            if len(around) >= _MOST_DEPTH:
                raise UserError(f"{where}: modules are nested more than {_MOST_DEPTH} deep")
            inside = f"{prefix}{item.name}/"
            for port, bits in item.pins.items():
                if port not in inner.ports:
                    raise UserError(f"{where}: module {item.cell!r} has no port {port!r}")
                own = inner.bits(port)
                if bits and len(bits) != len(own):
                    raise UserError(
                        f"{where}: port {port} of {item.cell} is {len(own)} wide, not {len(bits)}"
                    )
                for bit, outer in zip(own, bits, strict=False):  # or it is left open
                    self.join(self.net(inside + bit), self.net(named(outer)))
            self.expand(inner, inside, (*around, item.cell))

    @staticmethod
    def _pins(cell: Cell, port: str, bits: list[str], where: str) -> Iterator[tuple[str, str]]:
        """Yield the pins of a cell and the bits at them; supply pins are left out."""
        names = cell.buses.get(port) or ((port,) if port in cell.pins else ())
        if not names:
            if port in cell.supply_pins:
                return
            raise UserError(f"{where}: cell {cell.name} has no pin {port!r}")
        if bits and len(bits) != len(names):
            raise UserError(
                f"{where}: pin {port} of {cell.name} is {len(names)} wide, not {len(bits)}"
            )
        yield from zip(names, bits, strict=False)

    def check_drivers(self, ports: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        """Refuse a net with several drivers, unless all of them are three-state outputs.

        Drivers are the inputs of the top module, outputs of cells, and constants.
        """
        drivers: dict[int, str] = {LOW: "the constant 0", HIGH: "the constant 1"}
        shared: set[int] = set()  # nets that three-state outputs drive

        def drive(net: int, driver: str, three_state: bool = False) -> None:
            root = self.root(net)
            if root == CONSTANTS["1'bx"]:
                return
            known = drivers.setdefault(root, driver)
            if known is not driver and not (three_state and root in shared):
                named = (name for name, net in self.names.items() if self.root(net) == root)
                raise UserError(
                    f"{self.source}: net {next(named, '(a literal)')} is driven by {known} and by"
                    f" {driver}; accepted: one driver"
                )
            if three_state:
                shared.add(root)

        for name, (direction, nets) in ports.items():
            if direction == "input":
                for bit, net in enumerate(reversed(nets)):
                    drive(net, f"input {name}" + (f" bit {bit}" if len(nets) > 1 else ""))
        for instance in self.instances:
            pins = self.cells[instance.cell].pins
            for pin, net in instance.pins.items():
                if pins[pin].direction == "output":
                    three_state = pins[pin].three_state is not None
                    drive(net, f"{instance.name} ({pin})", three_state)

    def netlist(self, top: str, ports: dict[str, tuple[str, tuple[int, ...]]]) -> Netlist:
        """Return the result, with nets numbered by what they have become."""
        roots = [self.root(net) for net in range(len(self.parents))]
        order = {root: number for number, root in enumerate(dict.fromkeys(roots))}
        final = [order[root] for root in roots]
        for instance in self.instances:
            for pin, net in instance.pins.items():
                instance.pins[pin] = final[net]
        return Netlist(
            top=top,
            net_count=len(order),
            names={name: final[net] for name, net in self.names.items()},
            ports={
                name: (direction, tuple(final[net] for net in nets))
                for name, (direction, nets) in ports.items()
            },
            instances=self.instances,
        )
