"""Instantiate parts: components that occur many times in a unit and become one Verilog module.

Amaranth writes one module for every instance. A unit that names its parts in ``parts`` and
instantiates them with :func:`place` gets one module for all of them: the Verilog is short, and
quick to generate and to compile.
"""

from typing import Any, Protocol

from amaranth import ClockDomain, Instance, Module, Signal, Value
from amaranth.lib.wiring import Component, In

__all__ = ["Assembly", "part_clock", "place"]


class Assembly(Protocol):
    """A component that is made of parts."""

    parts: dict[str, Component]  # by name of their Verilog module


def place(m: Module, name: str, module: str, part: Component, **inputs: Any) -> dict[str, Value]:
    """Add an instance of a part.

    Args:
        m: The module that gets the instance.
        name: Name of the instance.
        module: Name of the part's Verilog module.
        part: The part; its members are plain signals.
        inputs: What the part's inputs are connected to, all of them.

    Returns:
        The part's outputs by name.

    Raises:
        TypeError: If an input is missing, or there is no such input.
    """
    members = part.signature.members
    wanted = {member for member in members if members[member].flow == In}
    if wanted != set(inputs):
        raise TypeError(f"{module} has inputs {sorted(wanted)}, not {sorted(inputs)}")
    outputs = {
        member: Signal(members[member].shape, name=f"{name}_{member}")
        for member in members
        if member not in wanted
    }
    m.submodules[name] = Instance(
        module,
        **{f"i_{member}": value for member, value in inputs.items()},
        **{f"o_{member}": value for member, value in outputs.items()},
    )
    return dict(outputs)


def part_clock(m: Module, domain: str, clock: Signal) -> None:
    """Give a part a clock domain without reset that one of its inputs drives."""
    made = ClockDomain(domain, reset_less=True, local=True)
    made.clk = clock
    m.domains += made
