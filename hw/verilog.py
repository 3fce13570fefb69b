"""Verilog text of a component, the same bytes each time."""

from amaranth.back import verilog
from amaranth.lib.wiring import Component

from hw.cells import CELL_SOURCES

__all__ = ["convert"]


def convert(component: Component, name: str) -> str:
    """Verilog of a component and of the cells it instantiates.

    Args:
        component: What to convert; its interface becomes the ports.
        name: Name of the top module.
    """
    text: str = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    cells = [source for cell, source in CELL_SOURCES.items() if f"{cell} " in text]
    return "\n".join([text, *cells])
