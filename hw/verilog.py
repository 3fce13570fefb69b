"""Convert a component to Verilog text that is the same every time."""

import re

from amaranth.back import verilog
from amaranth.lib.wiring import Component

from consilico.hw.cells import CELL_SOURCES

__all__ = ["convert"]

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
        for cell, source in CELL_SOURCES.items()
        if any(f"{cell} " in module for module in modules)
    ]
    return "\n".join(modules)


def _module(component: Component, name: str) -> str:
    text: str = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    # A SystemVerilog simulator would initialize it before any process waits, and so trigger none.
    return _STARTER.sub(r"\1reg \2;\n\1initial \2<= 1'h0;", text)
