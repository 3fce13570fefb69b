"""Closure of a placement: its nets keep their limits and its paths the clock, on wires."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.silicon.kits.kitfile import Wires
from consilico.sim.silicon.layout.limits import OverLimit
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.repair import repair
from consilico.sim.silicon.layout.sizing import size
from consilico.sim.silicon.layout.wires import NetWire
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.timing.sdc import Sdc

__all__ = ["Closed", "Closure", "close"]


@dataclass(frozen=True, kw_only=True)
class Closure(Facts):
    """Changes by which a placement keeps its limits and its clock."""

    buffers: int  # added for limits
    repaired: int  # drivers that became stronger for limits
    stronger: int  # cells that became stronger for the clock
    weaker: int  # cells that became more frugal where there was slack
    slack_before_ns: float | None  # of the worst path on wires; None: there is no path
    slack_ns: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Closed:
    """Placement after closure, with the changes that closure made."""

    placement: Placement
    wires: tuple[NetWire, ...]
    over_limit: tuple[OverLimit, ...]  # what could not be repaired
    closure: Closure


def close(
    placement: Placement,
    library: Library,
    wires: Wires,
    clock: str,
    clock_ns: float,
    sdc: Sdc | None = None,
) -> Closed:
    """Return a placement whose nets keep the library's limits and whose paths meet the clock.

    Both as far as buffers and strengths of cells can make it; what stays over a limit is named, and
    the slack that is left is given.

    Args:
        placement: Legal. Clock nets that are left out of its design have an ideal clock.
        library: Its cells, of which mapping may choose.
        wires: What a micrometer has.
        clock: Name of the clock port.
        clock_ns: Its period.
        sdc: Somebody's constraints; None: inputs and outputs at the clock's edge.

    Raises:
        UserError: If OpenSTA is not installed, or what is added does not fit onto the core.
        ToolError: If OpenSTA fails.
    """
    first = repair(placement, library, wires)
    sized = size(first.placement, library, wires, clock, clock_ns, sdc)
    last = repair(sized.placement, library, wires)  # of what other strengths brought over a limit
    return Closed(
        placement=last.placement,
        wires=last.wires,
        over_limit=last.over_limit,
        closure=Closure(
            buffers=first.buffers + last.buffers,
            repaired=first.resized + last.resized,
            stronger=sized.stronger,
            weaker=sized.weaker,
            slack_before_ns=sized.slack_before_ns,
            slack_ns=sized.slack_ns,
        ),
    )
