"""``consilico power`` and ``consilico activity`` from end to end, on a small netlist."""

import csv
import json
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.silicon.activity.read import read_activity
from tests.sim.silicon.power.test_analysis import NETLIST, WAVES
from tests.sim.silicon.tiny import LIBRARY, write_vcd

FST = Path(__file__).parents[1] / "activity" / "fst"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    netlist = tmp_path / "n.v"
    netlist.write_text(NETLIST)
    activity = write_vcd(tmp_path / "a.vcd", WAVES, 100)
    return [
        *("power", "--netlist", str(netlist), "--top", "top", "--liberty", str(LIBRARY)),
        *("--activity", str(activity), "--scope", "tb/dut", "--clock", "clk", "--period-ns", "10"),
    ]


def test_instances_classes_and_peak(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, picture = tmp_path / "i.csv", tmp_path / "p.png"
    more = ["--window-ns", "20", "--top-consumers", "2", "--json", "-"]
    assert main([*arguments, *more, "--instances", str(table), "--plot", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["instance"] for row in rows] == ["u1", "u2", "r"]
    assert sum(float(row["total_w"]) for row in rows) == pytest.approx(found["total_w"])
    order = sorted(rows, key=lambda row: -float(row["total_w"]))
    assert [item["instance"] for item in found["top_consumers"]] == [
        row["instance"] for row in order[:2]
    ]
    assert found["basis"] == "measured"
    assert max(found["profile"]["power_w"]) == found["profile"]["peak"]["power_w"]
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_macros_included_files_and_parameters_are_those_of_all_commands(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def total_w(*more: str) -> float:
        assert main([*arguments, *more, "--json", "-"]) == 0
        total: float = json.loads(capsys.readouterr().out)["total_w"]
        return total

    plain = total_w()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "body.vh").write_text("INV u2 (.A(n), .Y(y));")
    text = NETLIST.replace("module top(", "module top #(parameter SPARE = 1) (")
    text = text.replace("INV u2 (.A(n), .Y(y));", '`ifdef INVERTS\n`include "body.vh"\n`endif')
    spare = "generate for (genvar g = 0; g < SPARE; g = g + 1) begin : s INV u (.A(b)); end"
    (tmp_path / "n.v").write_text(text.replace("endmodule", f"{spare} endgenerate endmodule"))
    more = ("--include", str(tmp_path / "parts"), "--define", "INVERTS")
    assert total_w(*more, "--param", "SPARE=0") == pytest.approx(plain, rel=1e-9)
    assert total_w(*more) > plain


def test_tables_for_people(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    period = ["--period-ns", "5", "--window-ns", "20", "--top-consumers", "1"]
    assert main([*arguments, *period]) == 0
    out = capsys.readouterr().out
    for words in ("By class", "sequential", "Top consumers", "Peak: ", "from 80 ns on"):
        assert words in out
    assert "By module" not in out  # there is only the top


def test_another_period_than_recorded_is_said(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = {"clk": [(time, str(time // 5 % 2)) for time in range(0, 100, 5)]}
    activity = write_vcd(tmp_path / "c.vcd", WAVES | clock, 100)
    assert main([*arguments, "--activity", str(activity), "--period-ns", "5"]) == 0
    assert "recorded at a clock period of 10.5" in " ".join(capsys.readouterr().out.split())
    assert main([*arguments, "--activity", str(activity)]) == 0
    assert "recorded at" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--plot", "p.bmp"], "--plot p.bmp: the ending must be one of .png"),
        (["--window-ns", "-1"], "window_ns must be 0.001 to 1,000,000,000 ns, not -1"),
        (
            ["--clock", "a"],
            "port 'a' of 'top' clocks no register; registers' clock pins are on: clk",
        ),
        (["--clock-tree", "0.2"], "the library has no buffer cell for a clock tree"),
        (["--scope", "tb/x"], "has no scope 'tb/x'; there are: tb, tb/dut"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["waves.vcd", "fastlz.fst"])
def test_saif_of_a_waveform(tmp_path: Path, name: str) -> None:
    target = tmp_path / "a.saif"
    assert main(["activity", str(FST / name), "--scope", "tb/dut", "-o", str(target)]) == 0
    waves, saif = read_activity(FST / name, "tb/dut"), read_activity(target, "tb/dut")
    assert saif.source == "saif"
    assert saif.duration_s == pytest.approx(waves.duration_s)
    assert saif.signals.keys() == waves.signals.keys()
    for signal, row in waves.signals.items():
        found = saif.signals[signal]
        assert saif.high_s[found] == pytest.approx(waves.high_s[row])
        assert 0 <= saif.toggles[found] - waves.toggles[row] <= 0.5  # counts are whole there
    inner = read_activity(target, "tb/dut/sub")
    assert {"n", "k[1]", "k[2]", "k[3]"} == set(inner.signals)


def test_all_three_formats_give_one_power(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.saif"
    waveform = arguments[arguments.index("--activity") + 1]
    assert main(["activity", waveform, "--scope", "tb/dut", "-o", str(target)]) == 0
    totals = []
    for path in (waveform, str(target)):
        assert main([*arguments, "--activity", path, "--json", "-"]) == 0
        totals.append(json.loads(capsys.readouterr().out)["total_w"])
    assert totals[1] == pytest.approx(totals[0], rel=1e-9)


def test_pins_without_activity_are_said(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "left out" not in capsys.readouterr().out
    fewer = {name: wave for name, wave in WAVES.items() if name != "a"}
    activity = write_vcd(tmp_path / "c.vcd", fewer, 100)
    assert main([*arguments, "--activity", str(activity)]) == 0
    assert "pins are not in the activity" in capsys.readouterr().out
