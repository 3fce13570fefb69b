"""Which cell of a library serves which purpose, and how its pins are called."""

from collections.abc import Mapping
from dataclasses import dataclass

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.library import Cell

__all__ = ["OPTIONAL", "PURPOSES", "Role", "check_roles"]

PURPOSES = {  # what each cell of a kit is for, and the pins that a kit names in it
    "driver": set[str](),
    "tie_high": {"output"},
    "tie_low": {"output"},
    "full_adder": {"a", "b", "c", "carry", "sum"},
    "latch_high": {"enable", "data", "output"},
    "latch_low": {"enable", "data", "output"},
    "clock_gate": {"clock", "enable", "output"},
    "flop": {"clock", "data", "output"},
}
OPTIONAL = {"tie_high", "tie_low", "full_adder", "clock_gate", "flop"}


@dataclass(frozen=True, kw_only=True)
class Role:
    """The cell that a kit uses for one purpose, and how its pins are called.

    ``pins`` maps the purpose of a pin to its name. ``inverted`` names the purposes whose pin
    carries the complement, ``low`` and ``high`` the further input pins, which are tied.
    """

    cell: str
    pins: Mapping[str, str]
    inverted: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()

    def ports(self, **signals: str) -> str:
        """Port connections of an instance in Verilog; a complemented input gets its complement."""
        connected = [
            f".{self.pins[purpose]}({'~' if purpose in self.inverted else ''}{signal})"
            for purpose, signal in signals.items()
        ]
        tied = [
            f".{pin}(1'b{value})"
            for value, pins in enumerate((self.low, self.high))
            for pin in pins
        ]
        return ", ".join([*connected, *tied])


def check_roles(name: str, roles: Mapping[str, Role], cells: Mapping[str, Cell]) -> None:
    """Check that the library has the cells and pins that a kit names.

    Args:
        name: Of the kit, for messages.
        roles: By purpose.
        cells: The library's.

    Raises:
        UserError: If a cell is not there, or a pin is not there or has the wrong direction.
    """
    for purpose, role in roles.items():
        who = f"process kit {name}: {purpose} names the cell {role.cell}"
        if role.cell not in cells:
            raise UserError(f"{who}, which its Liberty files do not have")
        pins = cells[role.cell].pins
        outputs = [role.pins[pin] for pin in ("output", "carry", "sum") if pin in role.pins]
        for pin in (*role.pins.values(), *role.low, *role.high):
            kind = "output" if pin in outputs else "input"
            if pin not in pins or pins[pin].direction != kind:
                having = ", ".join(key for key, value in pins.items() if value.direction == kind)
                raise UserError(f"{who} with the {kind} pin {pin}; its {kind}s are: {having}")
