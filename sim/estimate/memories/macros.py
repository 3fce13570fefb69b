"""SRAM macros of ASAP7 that come with Hammer: outline, pin capacitance and timing.

Their authors call them dummies: blank outlines without layout, and the Liberty files carry neither
energy nor leakage. The package is found, never imported; its own dependencies are not needed.
"""

import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts

__all__ = ["HOW_TO_GET", "SOURCE", "HammerMacro", "MacroArray", "best_macro", "find_macros"]

HOW_TO_GET = (
    "pip install --no-deps hammer-vlsi==1.2.0 (only its files are read; with its dependencies it "
    "would replace numpy)"
)
SOURCE = "ASAP7 SRAM macros of hammer-vlsi: dummies without layout, as their authors say"
_FOLDER = "technology/asap7/sram_compiler/memories"
_NAME = re.compile(r"SRAM([12])RW(\d+)x(\d+)_lib")
_SHRINK = 4  # outlines are drawn so many times as wide and as high
_SLEW_S = 20e-12
_LOAD_F = 2.88e-15  # an inverter or two, and in all of their tables


@dataclass(frozen=True, kw_only=True)
class HammerMacro:
    """One macro of the package and its files."""

    words: int
    bits: int
    ports: str  # "1rw" or "2rw"
    liberty: tuple[Path, ...]  # one file per corner
    lef: Path


@dataclass(frozen=True, kw_only=True)
class MacroArray(Facts):
    """Macros of one kind, next to each other, that together hold a buffer."""

    macro: str  # name of the kind
    count: int
    area_um2: float  # of all outlines
    access_ns: dict[str, float]  # clock to output, by corner
    input_f: float  # capacitance of an input


def find_macros() -> list[HammerMacro]:
    """Return the macros of the installed package; none where it is not installed."""
    spec = importlib.util.find_spec("hammer")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root) / _FOLDER
        found = []
        for library in sorted(folder.glob("lib/*_lib")):
            name = _NAME.fullmatch(library.name)
            if name is not None:
                lef = folder / "lef" / f"{library.name.removesuffix('_lib')}_x4.lef"
                files = tuple(sorted(library.glob("*.lib")))
                words, bits, ports = int(name[2]), int(name[3]), f"{name[1]}rw"
                found.append(
                    HammerMacro(words=words, bits=bits, ports=ports, liberty=files, lef=lef)
                )
        if found:
            return found
    return []


def best_macro(words: int, bits: int, ports: str) -> MacroArray | None:
    """Return the macros of one kind that hold a buffer in the least area.

    Args:
        words: Words wanted.
        bits: Bits of a word.
        ports: ``"1rw"``; ``"1r1w"`` takes macros with two ports.

    Returns:
        None where the package is not installed, or has no macro with such ports.

    Raises:
        UserError: If a file of the package is damaged.
    """
    wanted = "1rw" if ports == "1rw" else "2rw"
    choices = []
    for macro in find_macros():
        if macro.ports == wanted:
            count = -(-words // macro.words) * -(-bits // macro.bits)
            choices.append((count * _outline_um2(macro.lef), count, macro))
    if not choices:
        return None
    area, count, macro = min(choices, key=lambda choice: choice[:2])
    corners = {path.stem.partition("_PVT_")[2]: _timing(path) for path in macro.liberty}
    return MacroArray(
        macro=f"SRAM{macro.ports.upper()}{macro.words}x{macro.bits}",
        count=count,
        area_um2=area,
        access_ns={corner: access_ns for corner, (access_ns, _) in corners.items()},
        input_f=next(input_f for _, input_f in corners.values()),
    )


@cache
def _outline_um2(lef: Path) -> float:
    """Return the area of a macro, whose outline is drawn four times as wide and as high."""
    try:
        size = re.search(r"^\s*SIZE\s+([\d.]+)\s+BY\s+([\d.]+)", lef.read_text(), re.M)
    except OSError as error:
        raise UserError(f"cannot read {lef}: {error.strerror}") from error
    if size is None:
        raise UserError(f"{lef}: no SIZE of the macro")
    return float(size[1]) * float(size[2]) / _SHRINK**2


@cache
def _timing(path: Path) -> tuple[float, float]:
    """Return the delay in ns from clock to output at a small load, and an input's capacitance."""
    from consilico.sim.silicon.liberty.read import read_liberty

    library = read_liberty((path,))
    (cell,) = library.cells.values()
    delays = [
        float(table.lookup(np.array([_SLEW_S]), np.array([_LOAD_F]))[0])
        for pin in cell.pins.values()
        if pin.direction == "output"
        for arc in pin.timing
        for table in (arc.cell_rise, arc.cell_fall)
        if table is not None
    ]
    inputs = [pin.capacitance_f for pin in cell.pins.values() if pin.direction == "input"]
    if not delays or not inputs:
        raise UserError(f"{path}: no delay from the clock to an output")
    return max(delays) * 1e9, max(inputs)
