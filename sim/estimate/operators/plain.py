"""Calibration designs: ordinary Verilog, as people write it, for estimates of Verilog not ours."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilico.sim.estimate.operators.rtl_reader import Design as Read

__all__ = ["DESIGNS", "PLAIN", "TOP", "Design", "read"]

PLAIN = "plain Verilog"  # stands for a unit: all designs share a factor
TOP = "operator_between_registers"
_FOLDER = Path(__file__).parent / "designs"
_OPERANDS = {  # widths of a, b and c
    "alu": (16, 16, 3),
    "arbiter": (8,),
    "average": (10,),
    "clock": (2,),
    "cordic": (16, 16, 16),
    "crc": (8,),
    "decode": (32, 32),
    "divide": (16, 16, 1),
    "fifo": (8, 2),
    "fir": (12,),
    "mac": (8, 8, 1),
    "matrix": (32, 16),
    "normalise": (24,),
    "popcount": (32,),
    "registers": (16, 13),
    "rotate": (32, 5, 5),
    "scramble": (8,),
    "sine": (8, 8),
    "sort": (32,),
    "uart": (8, 1),
}


@dataclass(frozen=True)
class Design:
    """One design, between operands that come from outside."""

    name: str
    operands: tuple[int, ...]  # widths

    @property
    def verilog(self) -> str:
        """Its text; the top module is :data:`TOP`."""
        text = (_FOLDER / f"{self.name}.v").read_text()
        return text.replace("module sample", f"module {TOP}")


DESIGNS = tuple(Design(name, operands) for name, operands in _OPERANDS.items())


@cache
def read(name: str) -> "Read":
    """A design as it is read for an estimate."""
    from consilico.sim.estimate.operators.dataflow import read_dataflow
    from consilico.sim.estimate.operators.elaborate import elaborated
    from consilico.sim.estimate.operators.rtl_reader import read_design

    (design,) = (item for item in DESIGNS if item.name == name)
    return read_design(read_dataflow(elaborated(design.verilog, TOP, name), TOP, name))
