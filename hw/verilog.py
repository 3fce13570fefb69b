"""Convert a component to Verilog text that is the same every time."""

import re

from amaranth.back import rtlil, verilog
from amaranth.lib.wiring import Component

from consilico.hw.cells import CELL_SOURCES, MEMORY_SOURCE

__all__ = ["convert", "with_lint_pragmas", "without_lint_pragmas"]

# What `verilator --lint-only -Wall` says of all Verilog that Amaranth and Yosys write, and why it
# is no fault. Other kinds of warnings stay switched on.
_NO_FAULT = {
    "DECLFILENAME": "a file holds a unit together with its parts",
    "WIDTHEXPAND": "operators have as many bits as their result; operands are extended",
    "WIDTHTRUNC": "bits beyond those of a result are dropped: modulo arithmetic",
    "UNSIGNED": "a comparison of an unsigned number with the least one, 0",
    "ASCRANGE": "a signal of no bits, which nothing reads, is declared [-1:0]",
    "UNUSEDSIGNAL": "fields of payloads have names of their own, for waveforms",
    "PROCASSINIT": "registers have initial values in addition to what reset does",
    "INITIALDLY": "starts combinational processes at time 0, once all processes wait",
    "CASEINCOMPLETE": "what a case assigns has a value before the case",
}
_LATCH = "/* verilator lint_{} LATCH */\n"
_PRAGMA = re.compile(r"^/\* verilator lint_(?:off|on) .*\n", re.M)

# As Amaranth's own conversion, and one signal for each expression that the generator wrote often:
# Amaranth makes a cell for each of its uses.
_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc -nomux -norom
memory_collect
opt_merge
attrmap -remove generator -remove top -remove amaranth.hierarchy -remove amaranth.decoding
attrmap -modattr -remove generator -remove top -remove amaranth.hierarchy -remove amaranth.decoding
write_verilog -norename
"""

# What is left of an expression that is written once now: another name for its signal.
_ALIAS = re.compile(r"^  assign (\\\$\d+ ) = (\\\$\d+ );\n", re.M)

# Yosys adds this register to every combinational process, so that each of them runs once at start
_STARTER = re.compile(r"^( *)reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.M)


def convert(component: Component, name: str) -> str:
    """Return the Verilog of a component, of its parts and of the cells that it instantiates.

    Parts are those of :mod:`consilico.hw.parts`, cells those of :mod:`consilico.hw.cells`.

    Args:
        component: The component; its interface becomes the ports.
        name: Name of the top module.
    """
    parts: dict[str, Component] = getattr(component, "parts", {})
    modules = [_module(component, name)]
    modules += [_module(part, module) for module, part in parts.items()]
    modules += [
        source
        for cell, source in {**CELL_SOURCES, "consilico_memory": MEMORY_SOURCE}.items()
        if any(f"{cell} " in module for module in modules)
    ]
    return "\n".join(modules)


def with_lint_pragmas(verilog: str) -> str:
    """Return Verilog from :func:`convert` with comments that keep Verilator's linter silent.

    Each kind of warning that is switched off says why. Latches are expected in the cells only.
    """
    lines = [f"/* verilator lint_off {kind} */ // {why}\n" for kind, why in _NO_FAULT.items()]
    for source in CELL_SOURCES.values():
        verilog = verilog.replace(source, _LATCH.format("off") + source + _LATCH.format("on"))
    return "".join(lines) + verilog


def without_lint_pragmas(verilog: str) -> str:
    """Return Verilog as it was before :func:`with_lint_pragmas`, the text that is measured."""
    return _PRAGMA.sub("", verilog)


def _module(component: Component, name: str) -> str:
    text: str = verilog.find_yosys(lambda version: version >= (0, 40)).run(
        ["-q", "-"],
        _SCRIPT.format(rtlil=rtlil.convert(component, name=name, emit_src=False)),
        ignore_warnings=True,
    )
    # A SystemVerilog simulator would initialize it before any process waits, and so trigger none.
    text = _STARTER.sub(r"\1reg \2;\n\1initial \2<= 1'h0;", text)
    return "endmodule".join(_without_aliases(module) for module in text.split("endmodule"))


def _without_aliases(module: str) -> str:
    """Return a module in which each signal of an expression has one name."""
    names: dict[str, str] = dict(_ALIAS.findall(module))
    for alias, name in names.items():
        while name in names:
            name = names[name]
        names[alias] = name
    module = _ALIAS.sub("", module)
    declared = re.compile(r"^  wire (?:\[\d+:0\] )?(\\\$\d+ );\n", re.M)
    module = declared.sub(lambda found: "" if found[1] in names else found[0], module)
    return re.sub(r"\\\$\d+ ", lambda found: names.get(found[0], found[0]), module)
