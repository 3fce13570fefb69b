"""Cell models against their Liberty functions, on Icarus, for every cell of every library there."""

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.boolean import parse_function, verilog_expression
from consilico.sim.silicon.liberty.cellmodels import cell_model, cell_models
from consilico.sim.silicon.liberty.library import Cell, Library, Pin, Sequential
from consilico.sim.silicon.liberty.read import read_liberty

SHARED = Path(__file__).parents[5] / "shared" / "pdk"
LIBRARIES = {
    "sky130": "sky130A/libs.ref/sky130_fd_sc_hd/lib/*.lib*",
    "ihp": "ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/*.lib",
    "asap7": "OpenROAD-flow-scripts/flow/platforms/asap7/lib/NLDM/*.lib*",
}


def library(name: str) -> Library:
    """NanGate45 from its package, the others from the folder beside the repository."""
    if name == "nangate45":
        return read_liberty(find_kit(name).liberty)
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: the Liberty files of {name} are not here")
    return read_liberty(sorted(SHARED.glob(LIBRARIES[name])))


def simulate(tmp_path: Path, source: str) -> list[str]:
    """Lines that a Verilog text prints in Icarus."""
    (tmp_path / "t.v").write_text(source)
    subprocess.run(["iverilog", "-g2012", "-o", "t.vvp", "t.v"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def pins(cell: Cell, direction: str) -> list[str]:
    return [pin.name for pin in cell.pins.values() if pin.direction == direction]


def combinational(found: Library) -> list[Cell]:
    """Cells whose every output is a function of inputs."""
    return [
        cell
        for cell in found.cells.values()
        if not cell.sequential
        and not cell.clock_gate
        and not cell.macro
        and pins(cell, "output")
        and all(
            cell.pins[name].function is not None and cell.pins[name].three_state is None
            for name in pins(cell, "output")
        )
    ]


@pytest.mark.parametrize("name", ["nangate45", "sky130", "ihp", "asap7"])
def test_every_combinational_cell_has_its_truth_table(name: str, tmp_path: Path) -> None:
    found = library(name)
    cells = combinational(found)
    assert len(cells) > 40
    bench, expected = [], []
    for index, cell in enumerate(cells):
        inputs, outputs = pins(cell, "input"), pins(cell, "output")
        ports = [f".\\{pin} (i{index}[{n}])" for n, pin in enumerate(inputs)]
        ports += [f".\\{pin} (o{index}[{n}])" for n, pin in enumerate(outputs)]
        bench.append(
            f"reg [{max(len(inputs), 1) - 1}:0] i{index}; wire [{len(outputs) - 1}:0] o{index};"
            f" \\{cell.name} u{index} ({', '.join(ports)});"
            f" initial for (integer n = 0; n < {1 << len(inputs)}; n = n + 1)"
            f' begin i{index} = n; #1 $display("{index}:%0d:%b", n, o{index}); end'
        )
        for row in range(1 << len(inputs)):
            values = []
            for pin in reversed(outputs):
                function = parse_function(cell.pins[pin].function or "")
                place = sum(
                    (row >> inputs.index(variable) & 1) << bit
                    for bit, variable in enumerate(function.variables)
                )
                values.append(str(int(function.table[place])))
            expected.append(f"{index}:{row}:{''.join(values)}")
    models = cell_models(found.cells, [cell.name for cell in cells])
    lines = simulate(tmp_path, f"{models}\nmodule t;\n{chr(10).join(bench)}\nendmodule\n")
    assert sorted(lines) == sorted(expected)


def sequence(tmp_path: Path, found: Library, cell: str, ports: str, steps: str) -> list[str]:
    """Values of q after each step; d, c, r and s are registers."""
    model = cell_model(found.cells[cell])
    return simulate(
        tmp_path,
        f"{model}\nmodule t; reg d, c, r, s; wire q; {cell} u({ports});"
        f" initial begin {steps} end endmodule",
    )


SHOW = ' #1 $display("%b", q);'


def test_flip_flop_takes_data_at_the_edge_only(tmp_path: Path) -> None:
    steps = f"c = 0; d = 1; #1 c = 1;{SHOW} d = 0;{SHOW} c = 0;{SHOW} c = 1;{SHOW}"
    got = sequence(tmp_path, library("nangate45"), "DFF_X1", ".D(d), .CK(c), .Q(q)", steps)
    assert got == ["1", "1", "1", "0"]


def test_asynchronous_reset_needs_no_clock(tmp_path: Path) -> None:
    steps = f"r = 1; c = 0; d = 1; #1 c = 1;{SHOW} r = 0;{SHOW} r = 1;{SHOW} c = 0; #1 c = 1;{SHOW}"
    ports = ".D(d), .CK(c), .RN(r), .Q(q)"
    got = sequence(tmp_path, library("nangate45"), "DFFR_X1", ports, steps)
    assert got == ["1", "0", "0", "1"]


def test_latch_is_open_while_its_gate_is_high(tmp_path: Path) -> None:
    steps = f"c = 1; d = 1;{SHOW} d = 0;{SHOW} c = 0; #1 d = 1;{SHOW} c = 1;{SHOW}"
    got = sequence(tmp_path, library("nangate45"), "DLH_X1", ".D(d), .G(c), .Q(q)", steps)
    assert got == ["1", "0", "0", "1"]


def test_clock_gate_ignores_an_enable_that_comes_in_the_high_phase(tmp_path: Path) -> None:
    steps = (
        f"c = 0; d = 0; #1 c = 1;{SHOW} d = 1;{SHOW} c = 0;{SHOW} c = 1;{SHOW} d = 0;{SHOW}"
        f" c = 0;{SHOW} c = 1;{SHOW}"
    )
    got = sequence(tmp_path, library("nangate45"), "CLKGATE_X1", ".E(d), .CK(c), .GCK(q)", steps)
    assert got == ["0", "0", "0", "1", "1", "0", "0"]


@pytest.mark.parametrize(
    ("name", "cell", "ports"),
    [
        ("sky130", "sky130_fd_sc_hd__dlclkp_1", ".GATE(d), .CLK(c), .GCLK(q)"),
        ("ihp", "sg13g2_lgcp_1", ".GATE(d), .CLK(c), .GCLK(q)"),
        ("asap7", "ICGx1_ASAP7_75t_R", ".ENA(d), .SE(1'b0), .CLK(c), .GCLK(q)"),
    ],
)
def test_clock_gates_of_other_libraries(name: str, cell: str, ports: str, tmp_path: Path) -> None:
    steps = f"c = 0; d = 1; #1 c = 1;{SHOW} d = 0;{SHOW} c = 0;{SHOW} c = 1;{SHOW}"
    assert sequence(tmp_path, library(name), cell, ports, steps) == ["1", "1", "0", "0"]


@pytest.mark.parametrize("text", ["a^b*c+!d", "a b'+c^d", "!(a+b) c", "(a|b)&(c|!d)", "a*1+0"])
def test_expressions_keep_their_meaning_in_verilog(text: str, tmp_path: Path) -> None:
    function = parse_function(text)
    names = ", ".join(function.variables)
    rows = list(itertools.product((0, 1), repeat=len(function.variables)))
    body = "".join(
        "".join(f"{name}={bit};" for name, bit in zip(function.variables, row, strict=True))
        + f' #1 $display("%b", {verilog_expression(text)});'
        for row in rows
    )
    lines = simulate(tmp_path, f"module t; reg {names}; initial begin {body} end endmodule")
    places = [sum(bit << n for n, bit in enumerate(row)) for row in rows]
    assert lines == [str(int(value)) for value in np.asarray(function.table)[places]]


def test_cell_without_a_function_is_refused() -> None:
    pin = Pin(
        name="Z", direction="output", capacitance_f=0.0, rise_capacitance_f=0.0,
        fall_capacitance_f=0.0, voltage_v=1.1,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"^cell BLACKBOX: output Z has no function$"):
        cell_model(Cell(name="BLACKBOX", area_um2=1.0, pins={"Z": pin}))


def test_state_table_that_is_no_clock_gate_is_refused() -> None:
    state = Sequential(kind="statetable", states=("Q",))
    with pytest.raises(UserError, match=r"^cell ODD: no model of a statetable of 1 bits$"):
        cell_model(Cell(name="ODD", area_um2=1.0, pins={}, sequential=(state,)))


def test_unknown_cell_is_named() -> None:
    with pytest.raises(UserError, match=r"^the library has no cell NAND9$"):
        cell_models({}, ["NAND9"])
