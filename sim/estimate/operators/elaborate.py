"""Anyone's Verilog as operators: Yosys elaborates it, its cells are read."""

import json
import re
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits
from consilico.sim.estimate.operators.operator_cells import read_cells
from consilico.sim.estimate.operators.operator_netlist import OperatorNetlist
from consilico.sim.rtlsim.foreign.sources import Sources, module_names
from consilico.sim.silicon.synthesis.yosys import run_yosys

__all__ = ["read_operators"]

_LIMITS = Limits(wall_s=600, memory_bytes=4 << 30)  # anyone's Verilog
# Loops, functions, parameters and processes go; written memories become registers with their
# multiplexers, constant ones stay. ``x >= 0`` has to go before ``proc``, or the ``case`` that asks
# for it is no table.
_SCRIPT = """\
read_verilog -sv design.v
hierarchy -check -top \\{top}
opt_expr -fine t:$ge
opt_clean
proc
opt_clean
memory_collect
select -set written t:$mem_v2 r:WR_PORTS>0 %i
memory_map @written
setattr -mod -unset keep_hierarchy
setattr -unset keep_hierarchy
{keep}
flatten
{reduce}
setundef -zero
opt_clean
write_json out.json
"""
_KEEP = "setattr -mod -set keep_hierarchy 1 consilico_clock_gate"
# what people write: operators become as wide as their results are used
_REDUCE = "opt -full\nwreduce\nopt_clean"
# what a generator wrote: only what is there twice, or cannot be reached, goes
_AS_WRITTEN = "opt_expr\nopt_merge\nopt_muxtree\nopt_clean"
_ERROR = re.compile(r"(?:^yosys failed with status \d+: )?(?:([^\n]+):(\d+): )?ERROR: (.*)")


def read_operators(
    verilog: str | Sources, top: str, source: str = "the Verilog", *, as_written: bool = False
) -> OperatorNetlist:
    """Elaborate a design and return its operators, flat.

    Args:
        verilog: All modules: Verilog-2005 and what Yosys reads of SystemVerilog.
        top: Module to start at.
        source: What to call the text in messages.
        as_written: Keep operators as wide as they stand in the text, as the formulas of
            :mod:`consilico.hw.census` count them.

    Raises:
        UserError: If Yosys is not there or does not accept the text, or if the design holds what
            has no cost: a black box, a division by a variable.
    """
    if isinstance(verilog, str):
        verilog = Sources(verilog)
    modules = module_names(verilog.text)
    if top not in modules:
        known = ", ".join(modules) or "none"
        raise UserError(f"{source} has no module {top!r}; there are: {known}")
    script = _SCRIPT.format(
        top=top,
        keep=_KEEP if "consilico_clock_gate" in modules else "",
        reduce=_AS_WRITTEN if as_written else _REDUCE,
    )
    files: dict[str, str | Path] = {"design.v": verilog.text, "script.ys": script}
    try:
        written = run_yosys(files | verilog.beside, _LIMITS)["out.json"]
    except ToolError as error:
        found = _ERROR.search(str(error))
        if found is None:
            raise
        file, line, message = found.groups()
        where = f"{source if file == 'design.v' else file}:{line}" if file else source
        raise UserError(f"{where}: {message}") from error
    return read_cells(json.loads(written)["modules"][top.removeprefix("\\")], source)
