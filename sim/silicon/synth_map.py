"""One mapping of a design: Yosys and ABC with one recipe, arithmetic and clock gates by our own."""

import copy
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.silicon.pdk import Kit
from sim.silicon.synth_datapath import lower
from sim.silicon.synth_gating import GATE_MODULE, gate_clocks
from sim.silicon.synth_netlist import CellNetlist
from sim.silicon.synth_recipes import FRONT, MAP, ONE_HOT, Recipe

__all__ = ["map_cells", "read_words", "yosys_version"]

_MUX = {  # techmap of a one-hot multiplexer
    8: ("S", "T", "U"),
    16: ("S", "T", "U", "V"),
}


def _program() -> str:
    program = shutil.which("yosys")
    if program is None:
        raise UserError("yosys is not installed; get it with: apt-get install yosys")
    return program


@cache
def yosys_version() -> str:
    """Version of the user's Yosys.

    Raises:
        UserError: If it is not installed.
    """
    run = subprocess.run([_program(), "-V"], capture_output=True, text=True, check=False)
    return run.stdout.split()[1] if len(run.stdout.split()) > 1 else "unknown"


def _yosys(script: str, folder: Path, limit_s: float, top: str) -> None:
    (folder / "run.ys").write_text(script)
    try:
        run = subprocess.run(
            [_program(), "-q", "run.ys"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"yosys took more than {limit_s:g} s on {top}") from error
    if run.returncode:
        message = [line for line in run.stderr.splitlines() if "ERROR" in line]
        raise RuntimeError(f"yosys failed on {top}: {(message or ['no message'])[0]}")


def read_words(verilog: str, top: str, limit_s: float) -> dict[str, Any]:
    """The module ``top`` of a Verilog text, flat, as Yosys JSON of registers and word operators.

    Raises:
        UserError: If yosys is not installed.
        RuntimeError: If yosys refuses the text or takes too long.
    """
    # Clock gates stay whole: flattened, their latch would lose its meaning to the mapper.
    blackbox = f"blackbox {GATE_MODULE}" if f"module {GATE_MODULE}" in verilog else ""
    with tempfile.TemporaryDirectory(prefix="consilico-words-") as name:
        folder = Path(name)
        (folder / "rtl.v").write_text(verilog)
        _yosys(FRONT.format(top=top, blackbox=blackbox), folder, limit_s, top)
        module = _module((folder / "words.json").read_text(), top)
    # Names that Yosys made up would clash with those that it makes up in the next run.
    module["cells"] = {f"word{index}": item for index, item in enumerate(module["cells"].values())}
    module["netnames"] = {
        name: item for name, item in module["netnames"].items() if not item["hide_name"]
    }
    return module


def _module(text: str, top: str) -> dict[str, Any]:
    module: dict[str, Any] = json.loads(text)["modules"][top]
    return module


def map_cells(
    words: dict[str, Any], top: str, kit: Kit, recipe: Recipe, target_ns: float, limit_s: float
) -> CellNetlist:
    """Map what :func:`read_words` gave to the cells of a kit.

    Raises:
        RuntimeError: If yosys fails or takes too long, or cells are left that the kit has not.
    """
    module = copy.deepcopy(words)
    gate_clocks(module, kit.roles.get("clock_gate"))
    lower(module, recipe.datapath, kit.roles.get("full_adder"))
    high, low = (
        f"{kit.roles[role].cell} {kit.roles[role].pins['output']}"
        for role in ("tie_high", "tie_low")
    )
    one_hot = ONE_HOT if recipe.one_hot else ""
    script = MAP.format(
        multiplexers=one_hot, target_ps=round(500 * target_ns), high=high, low=low
    )
    driver = kit.roles["driver"].cell
    with tempfile.TemporaryDirectory(prefix="consilico-map-") as name:
        folder = Path(name)
        (folder / "words.json").write_text(json.dumps({"modules": {top: module}}))
        (folder / "cells.lib").symlink_to(kit.mapping_liberty)
        (folder / "abc.constr").write_text(f"set_driving_cell {driver}\nset_load {kit.load_ff}\n")
        (folder / "abc.script").write_text(recipe.abc_script)
        (folder / "latches.v").write_text(_latches(kit))
        (folder / "one_hot.v").write_text("".join(map(_one_hot, _MUX)))
        _yosys(script, folder, limit_s, top)
        mapped = _module((folder / "mapped.json").read_text(), top)
    return CellNetlist(mapped, top)


def _latches(kit: Kit) -> str:
    """Techmap of Yosys' latches to those of a kit."""
    text = ""
    for sign, level in (("P", "high"), ("N", "low")):
        role = kit.roles[f"latch_{level}"]
        pins = role.pins
        text += (
            f"module \\$_DLATCH_{sign}_ (input E, input D, output Q);\n"
            f"  {role.cell} _TECHMAP_REPLACE_ "
            f"(.{pins['enable']}(E), .{pins['data']}(D), .{pins['output']}(Q));\n"
            "endmodule\n"
        )
    return text


def _one_hot(ways: int) -> str:
    """Techmap of a multiplexer to a decoder, shared by all bits, and an AND-OR tree."""
    data = [chr(ord("A") + index) for index in range(ways)]
    select = _MUX[ways]
    half = len(select) // 2

    def decode(names: tuple[str, ...], code: int) -> str:
        return " & ".join(name if code >> bit & 1 else f"~{name}" for bit, name in enumerate(names))

    lines = [
        f"  wire l{code} = {decode(select[:half], code)};" for code in range(1 << half)
    ] + [
        f"  wire h{code} = {decode(select[half:], code)};"
        for code in range(1 << (len(select) - half))
    ]
    mask = (1 << half) - 1
    terms = [
        f"({name} & (l{code & mask} & h{code >> half}))" for code, name in enumerate(data)
    ]
    while len(terms) > 1:
        terms = [f"({a} | {b})" for a, b in zip(terms[::2], terms[1::2], strict=True)]
    ports = ", ".join([*data, *select])
    return (
        f"module \\$_MUX{ways}_ (input {ports}, output Y);\n"
        + "\n".join(lines)
        + f"\n  assign Y = {terms[0]};\nendmodule\n"
    )
