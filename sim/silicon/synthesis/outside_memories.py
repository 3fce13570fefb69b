"""Leave a unit's memories outside of what is mapped, as where a memory compiler makes them.

Standard cells make no memory that anyone would build: 4,096 words of flip-flops are no figure for
a memory. So memories become ports of the logic around them. What a memory itself takes is not
measured here; :mod:`consilico.sim.estimate.memories` estimates it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consilico.hw.cells import CELL_SOURCES, MEMORY_SOURCE
from consilico.sim.base.code import code_digest
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.results import digest
from consilico.sim.silicon.synthesis.techmap import without_cells
from consilico.sim.silicon.synthesis.yosys import run_yosys, yosys_version

__all__ = ["LogicAlone", "OutsideMemory", "has_memories", "logic_alone"]

_MODULE = "consilico_memory"
_SCRIPT = f"""
read_verilog -lib cells.v
read_verilog -sv rtl.v
hierarchy -check -top {{top}}
proc
flatten
write_json before.json
expose -evert t:*{_MODULE}*
delete -output w:*.clk
hierarchy -top {{top}}
opt_clean
rename {{top}} {{top}}_logic
write_json after.json
write_verilog -noattr logic.v
"""


@dataclass(frozen=True, kw_only=True)
class OutsideMemory(Facts):
    """A memory with a write port and a read port, whose word comes a cycle after its address."""

    instance: str  # where the unit has it
    words: int
    bits: int  # per word


@dataclass(frozen=True, kw_only=True)
class LogicAlone(Facts):
    """A unit without its memories: a module whose ports are the unit's and those of memories."""

    top: str  # name of the module
    text: str  # its Verilog, with the modules of :mod:`consilico.hw.cells` that it uses
    memories: tuple[OutsideMemory, ...]
    ports: dict[str, str]  # declarations of the unit's own ports by name, such as "input [9:0]"

    def with_memories(self, netlist: str, unit: str) -> str:
        """Return a module with the unit's ports, which has the netlist as its instance ``core``.

        Args:
            netlist: What became of :attr:`text`, with a module of the same name and ports.
            unit: Name of the module.
        """
        declared = "".join(f"  {said} {name};\n" for name, said in self.ports.items())
        joined = [f".{name}({name})" for name in self.ports]
        memories = ""
        for index, memory in enumerate(self.memories):
            address = max(1, (memory.words - 1).bit_length())
            widths = {
                "write": 1, "write_address": address, "d": memory.bits, "read": 1,
                "read_address": address, "q": memory.bits,
            }  # fmt: skip
            names = {port: f"{_port(index)}_{port}" for port in widths}
            memories += "".join(
                f"  wire [{w - 1}:0] {names[port]};\n" for port, w in widths.items()
            )
            given = ", ".join(f".{port}({name})" for port, name in names.items())
            memories += (
                f"  {_MODULE} #(.WIDTH({memory.bits}), .WORDS({memory.words}), .ADDRESS({address}))"
                f" memory{index} (.clk(clk), {given});\n"
            )
            joined += [f".{name}({name})" for name in names.values()]
        return (
            f"{netlist}\nmodule {unit} ({', '.join(self.ports)});\n{declared}{memories}"
            f"  {self.top} core ({', '.join(joined)});\nendmodule\n{_LATE_MEMORY}"
        )


# its words come when inputs do, after the clock's edge: LATER is a definition of the bench
_LATE_MEMORY = """\
`ifdef LATER
`define WORD_LATER `LATER
`else
`define WORD_LATER
`endif
""" + MEMORY_SOURCE.replace("q <= ", "q <= `WORD_LATER ")


def has_memories(verilog: str) -> bool:
    """Tell whether Verilog of a unit has a memory that a memory compiler would make."""
    return f"module {_MODULE} " in verilog


def logic_alone(verilog: str, top: str) -> LogicAlone:
    """Return a unit's Verilog without its memories.

    Args:
        verilog: The unit's, for which :func:`has_memories` holds.
        top: Its top module.

    Raises:
        UserError: If Yosys is missing.
        ToolError: If it fails.
    """
    files = {
        "rtl.v": without_cells(verilog).replace(
            f"module {_MODULE} ", f"(* keep_hierarchy *) module {_MODULE} "
        ),
        "cells.v": "\n".join(CELL_SOURCES.values()),
        "script.ys": _SCRIPT.format(top=top),
    }
    key = digest(files, yosys_version(), code_digest(__name__))
    return cached_facts(LogicAlone, "logic", key, lambda: _made(files, top))


def _made(files: Mapping[str, str], top: str) -> LogicAlone:
    made = run_yosys(files)
    before = json.loads(made["before.json"])["modules"]
    cells = {
        name: before[cell["type"]]["memories"]["words"]
        for name, cell in before[top]["cells"].items()
        if _MODULE in cell["type"]
    }
    text = made["logic.v"]
    for index, name in enumerate(cells):  # \buffer.memory.q becomes memory0_q
        text = re.sub(rf"\\{re.escape(name)}\.(\w+) ", rf"{_port(index)}_\1 ", text)
    text += "".join(source for cell, source in CELL_SOURCES.items() if f"{cell} " in text)
    logic = f"{top}_logic"
    ports = json.loads(made["after.json"])["modules"][logic]["ports"]
    return LogicAlone(
        top=logic,
        text=text,
        memories=tuple(
            OutsideMemory(instance=name, words=words["size"], bits=words["width"])
            for name, words in cells.items()
        ),
        ports={
            name: _declaration(port)
            for name, port in ports.items()
            if not any(name.startswith(f"{cell}.") for cell in cells)
        },
    )


def _port(index: int) -> str:
    return f"memory{index}"


def _declaration(port: Mapping[str, Any]) -> str:
    width = len(port["bits"])
    return f"{port['direction']} [{width - 1}:0]" if width > 1 else str(port["direction"])
