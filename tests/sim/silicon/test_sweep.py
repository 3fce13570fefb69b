"""Area against clock, the Pareto points and the fastest clock."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from consilico import api
from consilico.cli import main
from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon import sweep as module
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.sweep import ClockPoint, fastest_clock, pareto, sweep
from consilico.sim.silicon.synthesis.synthesize import AreaAndPath, MappedNetlist
from tests.sim.silicon.test_implement import UNIT, DelayConfig

ADDER = """
module adder(input clk, input [15:0] a, b, output reg [15:0] s);
  reg [15:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; s <= x + y; end
endmodule
"""
Path_of = Callable[[float], float]  # clock asked for -> path reached


def point(clock_ns: float, path_ns: float, area_um2: float = 1.0) -> ClockPoint:
    return ClockPoint(
        clock_ns=clock_ns, path_ns=path_ns, area_um2=area_um2, recipe="r",
        meets_clock=path_ns <= clock_ns,
        tried={"r": AreaAndPath(area_um2=area_um2, path_ns=path_ns)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "path_of",
    [
        lambda clock: max(0.9 * clock, 0.7),  # meets down to 0.7
        lambda clock: max(clock, 0.7),  # exactly what was asked for
        lambda clock: 0.8 if clock > 0.75 else 0.7,  # a step
        lambda clock: 0.8,  # nothing helps
        lambda clock: 0.7 + 0.05 * (int(1000 * clock) % 2),  # luck
    ],
)
def test_bisection_ends_at_a_period_met_just_above_one_missed(path_of: Path_of) -> None:
    asked: list[float] = []

    def extend(clock_ns: float) -> ClockPoint:
        asked.append(clock_ns)
        return point(clock_ns, path_of(clock_ns))

    found = fastest_clock([point(4.0, path_of(4.0))], 0.01, extend)
    made = {4.0: path_of(4.0), **{clock: path_of(clock) for clock in asked}}
    assert found.clock_ns == min(made.values())
    assert found.clock_ns == made[found.mapped_for_ns]
    assert made[found.missed_ns] > found.missed_ns  # was asked for, and missed
    assert 0 < found.clock_ns - found.missed_ns <= 0.01 * found.clock_ns
    assert found.syntheses == len(asked) == len(set(asked)) <= 14


def test_what_is_known_already_is_not_synthesized_again() -> None:
    points = [point(4.0, 0.9), point(0.899, 0.9)]
    found = fastest_clock(points, 0.01, lambda clock: pytest.fail("not needed"))
    assert found.clock_ns == 0.9
    assert found.missed_ns == 0.899
    assert found.syntheses == 0


def test_pareto_leaves_out_what_another_netlist_beats() -> None:
    points = [point(4, 3.0, 10.0), point(2, 1.9, 20.0), point(1.5, 1.9, 25.0), point(1, 1.0, 22.0)]
    points[0].tried["other"] = AreaAndPath(area_um2=11.0, path_ns=3.5)
    best = [(item.path_ns, item.area_um2, item.clock_ns) for item in pareto(points)]
    assert best == [(1.0, 22.0, 1), (1.9, 20.0, 2), (3.0, 10.0, 4)]


def test_points_are_the_same_from_a_pool_and_from_the_cache(cache: Path) -> None:
    kit, steps = find_kit("nangate45"), []
    pool = sweep(
        ADDER, "adder", kit, [0.45, 4.0, 4.0], workers=2,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert [item.clock_ns for item in pool.points] == [4.0, 0.45]
    slow, fast = pool.points
    assert slow.meets_clock
    assert fast.path_ns < slow.path_ns
    assert fast.area_um2 > slow.area_um2
    assert steps[-1] == ("clock targets", 2, 2)
    netlists = sorted((cache / "synth").iterdir())
    assert sweep(ADDER, "adder", kit, [0.45, 4.0]) == pool
    assert sorted((cache / "synth").iterdir()) == netlists


def test_a_failure_ends_the_sweep(cache: Path) -> None:
    with pytest.raises(ToolError, match=r"^mapping adder .*: yosys failed with status 1: "):
        sweep("module adder(", "adder", find_kit("nangate45"), [4.0, 2.0], workers=2)


@pytest.fixture
def synthesized(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthesis that costs nothing; one process, since a pool would not see it."""

    def stand_in(text: str, top: str, kit: Kit, clock_ns: float, clock: str) -> MappedNetlist:
        path_ns = max(0.9 * clock_ns, 0.7)
        return MappedNetlist(
            netlist=Path("n.v"), area_um2=100 / path_ns, path_ns=path_ns, cells_by_type={},
            recipe="r", tried={"r": AreaAndPath(area_um2=100 / path_ns, path_ns=path_ns)},
        )  # fmt: skip

    monkeypatch.setattr(module, "synthesize", stand_in)
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.mark.usefixtures("synthesized")
def test_the_command_gives_json_csv_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "points.csv"
    arguments = ["sweep", "consmax/log2", "--set", "lanes=4", "--clocks", "2,1"]
    assert main([*arguments, "--csv", str(table), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["lanes"] == 4
    assert found["tools"].keys() == {"yosys", "sta"}
    assert [item["clock_ns"] for item in found["points"]] == [2.0, 1.0]
    assert found["fastest"]["clock_ns"] == 0.7
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["area_um2"]) for row in rows] == [p["area_um2"] for p in found["points"]]
    assert main([*arguments, "--no-fastest"]) == 0
    text = capsys.readouterr().out
    assert "consmax/log2 in nangate45" in text
    assert "fastest" not in text


@pytest.mark.usefixtures("synthesized")
def test_anyones_verilog_can_be_swept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "adder.v"
    file.write_text(ADDER)
    assert main(["sweep", "--rtl", str(file), "--top", "adder", "--clocks", "1"]) == 0
    text = capsys.readouterr().out
    assert "adder in nangate45" in text
    assert "fastest clock: 0.700 ns (1,429 MHz)" in text


@pytest.mark.usefixtures("synthesized")
def test_a_sweep_reads_all_files_and_what_they_include(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.vh").write_text("module one; endmodule\n")
    texts = {"a.v": '`include "one.vh"\n', "b.v": "module two; endmodule\n", "c.v": ADDER}
    files = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        files += ["--rtl", str(tmp_path / name)]
    arguments = ["sweep", *files, "--top", "none", "--clocks", "1"]
    assert main([*arguments, "--include", str(tmp_path / "more")]) == 2
    assert "has no module 'none'; there are: one, two, adder" in capsys.readouterr().err
    (tmp_path / "a.v").write_text(
        "module rom(input clk, input [1:0] a, output reg [3:0] q); reg [3:0] m [0:3];\n"
        'initial $readmemh("rom.hex", m); always @(posedge clk) q <= m[a];\nendmodule\n'
    )
    (tmp_path / "rom.hex").write_text("1 2 4 8\n")
    assert main([*arguments, "--top", "rom"]) == 0
    (tmp_path / "rom.hex").write_text("module two; endmodule\n")
    capsys.readouterr()
    assert main([*arguments, "--top", "rom"]) == 2
    assert "rom.hex is no memory file: accepted are digits, not" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a unit, or Verilog with --rtl FILE --top MODULE"),
        (["--rtl", "a.v"], "--rtl a.v needs --top MODULE"),
        (["consmax/log2", "--clocks", "4,fast"], "--clocks must be periods in ns by commas"),
        (["consmax/log2", "--clocks", "4,-1"], "clocks_ns must be 0.001 to 1,000,000,000 ns"),
        (["consmax/log2", "--resolution", "0"], "resolution must be within 0.001 and 0.5"),
        (["consmax/log2", "--csv", "-", "--json", "-"], "cannot both go to standard output"),
        (
            ["--rtl", "a.v", "--top", "t", "--energy"],
            "--set, --energy, --rung and --traffic are for units",
        ),
    ],
)
def test_what_the_command_refuses(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("clocks_ns", "resolution", "message"),
    [
        ([], None, "clocks_ns must hold at least one period"),
        ([4.0, 1e-300], None, r"clocks_ns must be 0\.001 to 1,000,000,000 ns, not 1e-300"),
        ([math.inf], None, "not inf"),
        ([4.0], -1.0, r"resolution must be within 0\.001 and 0\.5, not -1"),
        ([4.0], math.nan, "not nan"),
    ],
)
def test_what_would_be_searched_for_ever_or_means_nothing_is_refused(
    clocks_ns: list[float], resolution: float | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(ADDER, "adder", find_kit("nangate45"), clocks_ns, resolution=resolution)


def test_a_point_has_the_ladder_that_implement_gives(cache: Path) -> None:
    config = DelayConfig(width=4)
    found = api.sweep(UNIT, config, clocks_ns=(4.0,), resolution=None, rung="wires")
    (point,) = found.points
    made = api.implement(UNIT, config, clock_ns=4.0, rung="wires")
    assert point.ladder == made.ladder
    assert point.energy_pj == made.energy_pj
    assert point.path_ns == made.ladder[0].path_ns  # a point itself is that of cells
    assert [step["rung"] for step in found.to_json()["points"][0]["ladder"]] == ["cells", "wires"]
