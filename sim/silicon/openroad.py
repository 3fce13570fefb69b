"""OpenROAD as a check: how long its routed wires are next to the trees that figures rest on.

OpenROAD is the user's own, found on PATH. It reads the placement as DEF, routes it globally and in
detail, and writes what it found as metrics (``-metrics``), which are all that is believed.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.layout.def_file import write_def
from consilico.sim.silicon.layout.layout import PhysicalLayout
from consilico.sim.silicon.layout.lef import routing_layers, site_name

__all__ = ["RouterCheck", "check_openroad", "route_with_openroad"]

_LIMITS = Limits(wall_s=7200, cpu_s=7200, memory_bytes=16 << 30)
_SCRIPT = """
{lef}
read_liberty {{{liberty}}}
read_def {{placed.def}}
global_route -guide_file route.guide -allow_congestion
detailed_route -output_drc drc.rpt
"""


@dataclass(frozen=True, kw_only=True)
class RouterCheck(Facts):
    """Lengths of the wires of one placement, estimated and routed."""

    derived: ClassVar[tuple[str, ...]] = ("routed_over_estimated",)

    tool: str
    estimated_um: float  # Steiner trees, which the figures rest on
    global_route_um: float
    detailed_route_um: float
    drc_errors: int  # that detailed routing left

    @property
    def routed_over_estimated(self) -> float:
        """Return the routed length over the estimated one."""
        return self.detailed_route_um / self.estimated_um


def check_openroad(kit: Kit) -> None:
    """Refuse a check that cannot be made, before any long work.

    Raises:
        UserError: If there is no OpenROAD on PATH, or the kit has not the LEF files that it needs.
    """
    if shutil.which("openroad") is None:
        raise UserError("--check-with openroad: there is no openroad on PATH")
    if len(routing_layers(kit.lef)) < 2:
        raise UserError(
            f"--check-with openroad: process kit {kit.name} has no LEF of its technology here"
        )


def route_with_openroad(layout: PhysicalLayout, kit: Kit) -> RouterCheck:
    """Route a placement with the user's OpenROAD, globally and in detail.

    Args:
        layout: Placed, with the wires that are compared.
        kit: Its process kit, with LEF files of technology and cells.

    Raises:
        UserError: If the check cannot be made.
        ToolError: If OpenROAD fails or does not give the metrics of its routing.
    """
    check_openroad(kit)
    with work_folder("openroad") as folder:
        placed = write_def(
            layout.placement, layout.names, site_name(kit.lef), routing_layers(kit.lef)
        )
        (folder / "placed.def").write_text(placed)
        lef = "\n".join(f"read_lef {{{path.absolute()}}}" for path in kit.lef)
        script = _SCRIPT.format(lef=lef, liberty=kit.mapping_liberty.absolute())
        (folder / "route.tcl").write_text(script)
        metrics = folder / "metrics.json"
        options: list[str | Path] = ["-no_init", "-no_splash", "-exit", "-metrics", metrics]
        run_tool("OpenROAD", ["openroad", *options, "route.tcl"], _LIMITS, folder=folder).check()
        found = _metrics(metrics)
    return RouterCheck(
        tool="openroad",
        estimated_um=layout.wirelength_um,
        global_route_um=_number(found, "global_route__wirelength"),
        detailed_route_um=_number(found, "route__wirelength"),
        drc_errors=int(_number(found, "route__drc_errors")),
    )


def _metrics(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ToolError(f"OpenROAD wrote no metrics: {error}") from error
    if not isinstance(found, dict):
        raise ToolError("OpenROAD wrote no metrics: they are no JSON object")
    return found


def _number(metrics: dict[str, object], name: str) -> float:
    value = metrics.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise ToolError(f"OpenROAD's metrics have no {name} that is a number: {value!r}")
    return float(value)
