"""Power by the user's own OpenSTA, where it is recent enough to be believed."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from consilico.sim.base.errors import ToolError

__all__ = ["NOT_MEASURED", "opensta_power"]

NOT_MEASURED = "not measured: needs OpenSTA 2.5 or newer"
_FIRST = (2, 5)  # older ones have no read_vcd, and print powers several times too great
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
    """Internal, switching, leakage and total power in W at the recorded clock.

    Returns:
        :data:`NOT_MEASURED` where there is no OpenSTA, or only an older one.

    Raises:
        ToolError: If OpenSTA fails.
    """
    sta = shutil.which("sta")
    if sta is None:
        return NOT_MEASURED
    asked = subprocess.run([sta, "-version"], capture_output=True, text=True, timeout=60)
    found = re.match(r"\s*(\d+)\.(\d+)", asked.stdout)
    if found is None or (int(found[1]), int(found[2])) < _FIRST:
        return NOT_MEASURED
    script = _SCRIPT.format(
        liberty="\n".join(f"read_liberty {{{path}}}" for path in liberty),
        netlist=netlist, top=top, period_ns=period_ns, scope=scope, activity=activity,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="consilico-sta-") as name:
        path = Path(name, "power.tcl")
        path.write_text(script)
        run = subprocess.run(
            [sta, "-no_splash", "-exit", str(path)], capture_output=True, text=True
        )
    text = run.stdout + run.stderr
    if "Error" in text or "{" not in run.stdout:
        line = next((line for line in text.splitlines() if "Error" in line), "no power reported")
        raise ToolError(f"OpenSTA failed on {top}: {line}")
    total = json.loads(run.stdout[run.stdout.index("{") :])["Total"]
    return {
        f"{part}_w": float(total[part]) for part in ("internal", "switching", "leakage", "total")
    }
