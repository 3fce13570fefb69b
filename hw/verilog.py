"""Verilog text of a component, the same bytes each time."""

import re

from amaranth.back import verilog
from amaranth.lib.wiring import Component

from consilico.hw.cells import CELL_SOURCES

__all__ = ["convert"]

# Yosys puts this register into every combinational process, so that each runs once at the start
_STARTER = re.compile(r"^( *)reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.M)


def convert(component: Component, name: str) -> str:
    """Verilog of a component, of its parts (:mod:`hw.parts`) and of the cells it instantiates.

    Args:
        component: What to convert; its interface becomes the ports.
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
    # SystemVerilog initializes it before any process waits, which starts none
    return _STARTER.sub(r"\1reg \2;\n\1initial \2<= 1'h0;", text)
