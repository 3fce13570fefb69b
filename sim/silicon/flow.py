"""Steps of an implementation, from cells to a layout, and the tools that take them."""

from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input
from consilico.sim.base.results import digest
from consilico.sim.silicon.implementation import RUNGS
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.layout import check_layout
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.openroad import check_openroad
from consilico.sim.silicon.timing.sdc import Sdc

__all__ = ["Flow", "last_rung"]


def last_rung(kit: Kit) -> str:
    """Return how far a kit's netlists can go: to the layout, if it knows its rows and wires."""
    known = kit.rows is not None and kit.wires is not None
    return RUNGS[-1] if known else RUNGS[0]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Steps of an implementation, and the tools that take them.

    Raises:
        UserError: If there is no such rung or check, or a placement or a check is given for a flow
            without a layout.
    """

    rung: str = "cells"  # the last of the ladder, one of RUNGS
    placement: PlacementOptions | None = None  # None: as PlacementOptions has it
    placed: Path | None = None  # DEF file of a placement made elsewhere, in place of one of ours
    check_with: str | None = None  # "openroad": route with it, too, and compare
    sdc: Sdc | None = None  # somebody's constraints; None: inputs and outputs at the clock's edge

    def __post_init__(self) -> None:
        if self.rung not in RUNGS:
            raise UserError(f"rung must be one of {', '.join(RUNGS)}, not {self.rung!r}")
        if self.check_with not in (None, "openroad"):
            raise UserError(f"--check-with must be openroad, not {self.check_with!r}")
        if self.check_with is not None and not self.lays_out:
            raise UserError(
                f"--check-with {self.check_with} is for a layout, not for --rung {self.rung}"
            )
        if self.placement is not None and not self.lays_out:
            raise UserError(
                f"utilization, aspect and seed are for a layout, not for --rung {self.rung}"
            )
        if self.placed is not None and not self.lays_out:
            raise UserError(f"{self.placed} is for a layout, not for --rung {self.rung}")

    @property
    def lays_out(self) -> bool:
        """Return whether cells are placed."""
        return self.rung != RUNGS[0]

    def key(self, kit: Kit) -> str:
        """Return a digest of all that a result depends on of this flow, and of the kit's for it.

        Raises:
            UserError: If the kit does not say what a layout needs, a check cannot be made, or a
                file cannot be read.
        """
        sdc = None if self.sdc is None else self.sdc.text
        if not self.lays_out:
            return digest(self.rung, sdc)
        check_layout(kit)
        if self.check_with is not None:
            check_openroad(kit)
        placed = b"" if self.placed is None else read_input(self.placed, "DEF file", unzip=True)
        return digest(
            self.rung,
            sdc,
            repr(self.placement or PlacementOptions()),
            placed,
            kit.layout_sha256,
            self.check_with,
        )
