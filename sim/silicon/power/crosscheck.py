"""Power by the user's own OpenSTA, where it is recent enough to be believed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import Limits, run_tool, tool_version, work_folder

__all__ = ["NOT_MEASURED", "opensta_power"]

NOT_MEASURED = "not measured: needs OpenSTA 2.5 or newer"
_FIRST = (2, 5)  # older ones have no read_vcd, and print powers several times too great
_LIMITS = Limits(wall_s=1800, cpu_s=900, memory_bytes=8 << 30)  # it keeps the whole activity
_SCRIPT = """
{liberty}
read_verilog {{{netlist}}}
link_design {{{top}}}
set period [expr {{{period_ns} * 1e-9 / [sta::unit_scale time]}}]
create_clock -name clk -period $period [get_ports clk]
read_vcd -scope {{{scope}}} {{{activity}}}
report_power -format json
"""


def opensta_power(
    netlist: Path,
    top: str,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    period_ns: float,
) -> dict[str, float] | str:
    """Return internal, switching, leakage and total power in W at the recorded clock.

    Returns:
        :data:`NOT_MEASURED` where there is no OpenSTA, or only an older one.

    Raises:
        ToolError: If OpenSTA fails.
    """
    sta = shutil.which("sta")
    if sta is None:
        return NOT_MEASURED
    version = tool_version("OpenSTA", [sta, "-version"], r"(\d+\.\d+)")
    if tuple(int(part) for part in version.split(".")) < _FIRST:
        return NOT_MEASURED
    script = _SCRIPT.format(
        liberty="\n".join(f"read_liberty {{{path.absolute()}}}" for path in liberty),
        netlist=netlist.absolute(), top=top, period_ns=period_ns, scope=scope,
        activity=activity.absolute(),
    )  # fmt: skip
    with work_folder("sta") as folder:
        path = folder / "power.tcl"
        path.write_text(script)
        run = run_tool("OpenSTA", [sta, "-no_splash", "-exit", path], _LIMITS, folder=folder)
    run.check()
    text = run.stdout + run.stderr
    if "Error" in text or "{" not in run.stdout:
        line = next((line for line in text.splitlines() if "Error" in line), "no power reported")
        raise ToolError(f"OpenSTA failed on {top}: {line}")
    total = json.loads(run.stdout[run.stdout.index("{") :])["Total"]
    return {
        f"{part}_w": float(total[part]) for part in ("internal", "switching", "leakage", "total")
    }
