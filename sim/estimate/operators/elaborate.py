"""Anyone's Verilog in the few forms that our own has, by Yosys."""

import re
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits
from consilico.sim.estimate.operators.sources import Sources, module_names
from consilico.sim.silicon.synthesis.yosys import run_yosys

__all__ = ["elaborated"]

_LIMITS = Limits(wall_s=600, memory_bytes=4 << 30)  # anyone's Verilog
_SCRIPT = """\
read_verilog -sv design.v
hierarchy -check -top \\{top}
proc
opt_clean
memory_collect
select -set written t:$mem_v2 r:WR_PORTS>0 %i
memory_map @written
opt -full
wreduce
opt_clean
pmuxtree
setundef -zero
opt_clean
write_verilog -noattr -norename -simple-lhs out.v
"""
_ERROR = re.compile(r"(?:^yosys failed with status \d+: )?(?:([^\n]+):(\d+): )?ERROR: (.*)")


def elaborated(verilog: str | Sources, top: str, source: str = "the Verilog") -> str:
    """A design without parameters, loops, functions, processes: expressions and registers.

    Written memories become registers with their multiplexers; constant ones stay. What cannot
    change or is needed nowhere is gone, operators are as wide as their results are used.

    Args:
        verilog: All modules: Verilog-2005 and what Yosys reads of SystemVerilog.
        top: Module to start at.
        source: What to call the text in messages.

    Returns:
        Verilog-2005 that :func:`consilico.sim.estimate.operators.dataflow.read_dataflow` reads.

    Raises:
        UserError: If Yosys is not there or does not accept the text.
    """
    if isinstance(verilog, str):
        verilog = Sources(verilog)
    modules = module_names(verilog.text)
    if top not in modules:
        known = ", ".join(modules) or "none"
        raise UserError(f"{source} has no module {top!r}; there are: {known}")
    files: dict[str, str | Path] = {"design.v": verilog.text, "script.ys": _SCRIPT.format(top=top)}
    try:
        return run_yosys(files | verilog.beside, _LIMITS)["out.v"]
    except ToolError as error:
        found = _ERROR.search(str(error))
        if found is None:
            raise
        file, line, message = found.groups()
        where = f"{source if file == 'design.v' else file}:{line}" if file else source
        raise UserError(f"{where}: {message}") from error
