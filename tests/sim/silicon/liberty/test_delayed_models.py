"""Cell models with delays, on Icarus: each arc, and what does not get through."""

import itertools
import subprocess
from pathlib import Path

import pytest

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.cellmodels import CellDelays, DelayArc, Variant, cell_models
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.small import BASE, cell, flop, latch, write

State = dict[str, int]


def printed(tmp_path: Path, source: str) -> list[str]:
    """Lines that a Verilog text prints in Icarus."""
    (tmp_path / "t.v").write_text(source)
    subprocess.run(["iverilog", "-g2012", "-o", "t.vvp", "t.v"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def holds(expression: str | None, state: State) -> bool:
    if expression is None:
        return True
    function = parse_function(expression)
    row = sum(state[name] << bit for bit, name in enumerate(function.variables))
    return bool(function.table[row])


def own_arcs(found: Cell) -> list[DelayArc]:
    """Every arc that the library has of a cell, each with delays that no other has."""
    arcs: list[DelayArc] = []
    for pin in found.pins.values():
        for arc in pin.timing:
            number = 100 + 20 * len(arcs)
            arcs.append(DelayArc(arc.related_pin, pin.name, number, number + 10, arc.when))
    return arcs


@pytest.mark.parametrize("name", ["XOR2_X1", "FA_X1", "OAI22_X1", "MUX2_X1", "AOI221_X1"])
def test_every_change_of_an_input_takes_the_delay_of_its_arc(name: str, tmp_path: Path) -> None:
    found = read_liberty(find_kit("nangate45").liberty).cells[name]
    arcs = own_arcs(found)
    assert any(arc.condition for arc in arcs)
    inputs = [pin.name for pin in found.pins.values() if pin.direction == "input"]
    outputs = [pin.name for pin in found.pins.values() if pin.direction == "output"]
    steps, expected = [], []
    for bits in itertools.product((0, 1), repeat=len(inputs)):
        before = dict(zip(inputs, bits, strict=True))
        for moved in inputs:
            after = before | {moved: 1 - before[moved]}
            put = [
                "".join(f"{pin} = {state[pin]}; " for pin in inputs) for state in (before, after)
            ]
            steps.append(f'{put[0]} #2000 $display("-"); start = $time; {put[1]} #2000;')
            expected.append(["-"])
            for output in outputs:
                function = found.pins[output].function
                value = holds(function, after)
                if value == holds(function, before):
                    continue
                (delay,) = {
                    arc.rise_ps if value else arc.fall_ps
                    for arc in arcs
                    if (arc.input, arc.output) == (moved, output) and holds(arc.condition, after)
                }
                expected[-1].append(f"{output} {delay}")
    models = cell_models(
        {name: found}, ["X"], None, {"X": Variant(cell=name, delays=CellDelays(arcs=tuple(arcs)))}
    )
    ports = ", ".join(f".{pin}({pin})" for pin in [*inputs, *outputs])
    watch = "".join(
        f'always @({out}) if (start) $display("{out} %0d", $time - start);\n' for out in outputs
    )
    lines = printed(
        tmp_path,
        f"{models}\nmodule t; reg {', '.join(inputs)}; wire {', '.join(outputs)};\n"
        f"integer start = 0; X x({ports});\n{watch}"
        f"initial begin {' start = 0; '.join(steps)} end endmodule\n",
    )
    got: list[list[str]] = []
    for line in lines:
        if line == "-":
            got.append([line])
        else:
            got[-1].append(line)
    assert [sorted(each) for each in got] == [sorted(each) for each in expected]


def edges(
    tmp_path: Path,
    text: str,
    name: str,
    arcs: list[DelayArc],
    ports: str,
    steps: str,
    clock_ps: int = 0,
    data_ps: tuple[tuple[str, int], ...] = (),
) -> list[str]:
    """Times and values of q once it is known; a, b, c and r are registers."""
    library = read_liberty((write(tmp_path / "small.lib", *BASE, text),))
    delays = CellDelays(arcs=tuple(arcs), clock_ps=clock_ps, data_ps=data_ps)
    models = cell_models(library.cells, ["X"], "1'b0", {"X": Variant(cell=name, delays=delays)})
    return printed(
        tmp_path,
        f"{models}\nmodule t; reg a, b, c, r; wire q; X x({ports});\n"
        f'always @(q) if ($time > 1000) $display("%0d %b", $time, q);\n'
        f"initial begin {steps} #2000; end endmodule\n",
    )


AND = cell("AND", 2, A="", B="", Y="A&B")
MEANS = [DelayArc("A", "Y", 40, 20), DelayArc("B", "Y", 60, 40)]


def test_without_conditions_an_output_has_the_mean_of_its_arcs(tmp_path: Path) -> None:
    steps = "a = 0; b = 1; #2000 a = 1; #1000 b = 0;"
    got = edges(tmp_path, AND, "AND", MEANS, ".A(a), .B(b), .Y(q)", steps)
    assert got == ["2050 1", "3030 0"]


@pytest.mark.parametrize(("width", "passes"), [(49, False), (51, True)])
@pytest.mark.parametrize("condition", [None, "B"])
def test_a_pulse_shorter_than_the_delay_does_not_get_through(
    width: int, passes: bool, condition: str | None, tmp_path: Path
) -> None:
    arcs = [DelayArc("A", "Y", 50, 50, condition), DelayArc("B", "Y", 50, 50)]
    steps = f"a = 0; b = 1; #2000 a = 1; #{width} a = 0;"
    got = edges(tmp_path, AND, "AND", arcs, ".A(a), .B(b), .Y(q)", steps)
    assert got == (["2050 1", f"{2050 + width} 0"] if passes else [])


def test_a_flip_flop_moves_after_its_clock_and_not_after_the_mean_with_its_reset(
    tmp_path: Path,
) -> None:
    text = flop("DFFR", 9, more='clear : "!RN";', RN="")
    arcs = [DelayArc("CK", "Q", 80, 70), DelayArc("RN", "Q", None, 10)]
    steps = "r = 1; c = 0; a = 1; #2000 c = 1; #500 c = 0; a = 0; #500 c = 1;"
    got = edges(tmp_path, text, "DFFR", arcs, ".CK(c), .D(a), .RN(r), .Q(q)", steps)
    assert got == ["2080 1", "3070 0"]


def test_a_wire_to_its_clock_delays_what_a_register_takes_and_when_it_shows_it(
    tmp_path: Path,
) -> None:
    # data changes 10 ps after the clock: early enough for a clock that comes 30 ps late
    steps = "c = 0; a = 0; #2000 c = 1; #10 a = 1; #500 c = 0; #500 c = 1; #10 a = 0;"
    arcs = [DelayArc("CK", "Q", 80, 70)]
    ports = ".CK(c), .D(a), .Q(q)"
    assert edges(tmp_path, flop("F", 9), "F", arcs, ports, steps, 30) == ["2110 1", "3110 0"]
    assert edges(tmp_path, flop("F", 9), "F", arcs, ports, steps, 0) == ["3090 1"]


def test_a_wire_to_its_enable_delays_when_a_latch_opens_and_closes(tmp_path: Path) -> None:
    steps = "c = 0; a = 0; #2000 a = 1; c = 1; #500 c = 0; #10 a = 0;"
    arcs = [DelayArc("G", "Q", 80, 80), DelayArc("D", "Q", 80, 80)]
    ports = ".G(c), .D(a), .Q(q)"
    assert edges(tmp_path, latch("L", 6), "L", arcs, ports, steps, 30) == ["2110 1", "2590 0"]
    assert edges(tmp_path, latch("L", 6), "L", arcs, ports, steps, 0) == ["2080 1"]


def test_a_wire_to_its_data_delays_what_a_register_or_a_latch_takes(tmp_path: Path) -> None:
    # data changes 10 ps before the clock, and comes 30 ps late
    steps = "c = 0; a = 0; #2000 a = 1; #10 c = 1; #500 c = 0; #500 c = 1;"
    arcs, ports = [DelayArc("CK", "Q", 80, 70)], ".CK(c), .D(a), .Q(q)"
    late = (("D", 30),)
    assert edges(tmp_path, flop("F", 9), "F", arcs, ports, steps, 0, late) == ["3090 1"]
    assert edges(tmp_path, flop("F", 9), "F", arcs, ports, steps) == ["2090 1"]
    # a latch closes 10 ps after its data changes, which comes 30 ps late
    steps = "c = 1; a = 0; #2000 a = 1; #10 c = 0; #500 c = 1;"
    arcs, ports = [DelayArc("G", "Q", 80, 80), DelayArc("D", "Q", 80, 80)], ".G(c), .D(a), .Q(q)"
    assert edges(tmp_path, latch("L", 6), "L", arcs, ports, steps, 0, late) == ["2590 1"]
    assert edges(tmp_path, latch("L", 6), "L", arcs, ports, steps) == ["2080 1"]


def test_an_input_that_never_changes_counts_from_the_start(tmp_path: Path) -> None:
    library = read_liberty((write(tmp_path / "small.lib", *BASE, AND),))
    arcs = (DelayArc("A", "Y", 50, 40, "B"), DelayArc("B", "Y", 50, 40, "A"))
    models = cell_models(
        library.cells, ["X"], None, {"X": Variant(cell="AND", delays=CellDelays(arcs=arcs))}
    )
    lines = printed(
        tmp_path,
        f"{models}\nmodule t; wire q; X x(.A(1'b1), .B(1'b1), .Y(q));\n"
        'initial #500 $display("%b", q); endmodule\n',
    )
    assert lines == ["1"]
