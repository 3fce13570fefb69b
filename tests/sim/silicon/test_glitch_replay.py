"""A recording without delays is replayed with those of an SDF file: ``power --sdf``."""

from pathlib import Path

import pytest

from consilico import api
from consilico.cli import main
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.activity.saif import saif_text
from consilico.sim.silicon.glitch_replay import SCOPE, replay_with_delays
from tests.sim.silicon.small import BASE, cell, write
from tests.sim.silicon.tiny import Waves, write_vcd

GATE = cell(
    "GATE",
    3,
    'clock_gating_integrated_cell : "latch_posedge";',
    CK="@clock_gate_clock_pin : true;",
    E="@clock_gate_enable_pin : true;",
    GCK="CK&E@clock_gate_out_pin : true;",
)
XOR = cell("XOR", 3, A="", B="", Y="A^B")
# what a change of the input does: a glitch on c, unless XOR is slower than the two inverters
NETLIST = r"""
module half(input \in[0] , output c);
  wire a, b;
  INV u1(.A(\in[0] ), .Y(a));
  INV u2(.A(a), .Y(b));
  XOR u3(.A(\in[0] ), .B(b), .Y(c));
endmodule
module top(input clk, d, output q, t);
  wire m, n;
  half h(.\in[0] (d), .c(m));
  DFF r1(.CK(clk), .D(d), .Q(q));
  INV u4(.A(t), .Y(n));
  DFF r2(.CK(clk), .D(n), .Q(t));
endmodule
"""
INSTANCES = {
    "h/u1": "A Y", "h/u2": "A Y", "h/u3": "A Y", "r1": "CK Q", "u4": "A Y", "r2": "CK Q",
}  # fmt: skip


def waves(edges: int = 8) -> Waves:
    """A clock of 10 ns, an input that changes every other edge, a flip-flop that toggles from 1."""
    found: Waves = {"clk": [(0, "0")], "d": [(0, "0")], "q": [(0, "0")], "t": [(0, "1")]}
    for edge in range(edges):
        at = 10 + 10 * edge
        found["clk"] += [(at, "1"), (at + 5, "0")]
        found["t"].append((at, str(edge % 2)))
        if edge % 2 == 0:
            found["d"].append((at, str(1 - edge // 2 % 2)))
        else:
            found["q"].append((at, str(1 - edge // 2 % 2)))
    return found


class Case:
    """Files of one case, in a folder."""

    def __init__(self, folder: Path, delays_ns: dict[str, float], recorded: Waves) -> None:
        self.library = write(folder / "small.lib", *BASE, XOR)
        self.netlist = folder / "netlist.v"
        self.netlist.write_text(NETLIST)
        self.activity = write_vcd(folder / "activity.vcd", recorded, 95)
        cells = []
        for name, pins in INSTANCES.items():
            delay = f"(IOPATH {pins} ({delays_ns.get(name, 0.1)}))"
            cells.append(f"(CELL (INSTANCE {name}) (DELAY (ABSOLUTE {delay})))")
        self.sdf = folder / "delays.sdf"
        self.sdf.write_text(f"(DELAYFILE (TIMESCALE 1ns) (DIVIDER /) {' '.join(cells)})")

    def replay(self, folder: Path) -> Path:
        return replay_with_delays(
            self.netlist, "top", [self.library], self.activity, "tb/dut", "clk", 10.0, self.sdf,
            folder,
        )  # fmt: skip

    def arguments(self) -> list[str]:
        return [
            *("power", "--netlist", str(self.netlist), "--top", "top"),
            *("--liberty", str(self.library), "--activity", str(self.activity)),
            *("--scope", "tb/dut", "--clock", "clk", "--period-ns", "10", "--sdf", str(self.sdf)),
        ]


@pytest.mark.parametrize(("inverters_ns", "glitches"), [(0.2, 2), (0.04, 0)])
def test_a_glitch_of_the_delays_counts_at_the_name_that_its_net_has(
    inverters_ns: float, glitches: int, tmp_path: Path
) -> None:
    case = Case(tmp_path, {"h/u1": inverters_ns, "h/u2": inverters_ns}, waves())
    activity = read_activity(case.replay(tmp_path), SCOPE)
    changes = activity.toggles[activity.signals["d"]]
    assert changes == 4
    assert activity.toggles[activity.signals["h/c"]] == glitches * changes
    assert activity.duration_s == pytest.approx(95e-9)


def test_registers_begin_with_what_they_held(tmp_path: Path) -> None:
    activity = read_activity(Case(tmp_path, {}, waves()).replay(tmp_path), SCOPE)
    assert activity.toggles[activity.signals["t"]] == 8  # x would never get lost


GATED = """
module top(input clk, e, output q);
  wire g, n;
  GATE gate(.CK(clk), .E(e), .GCK(g));
  INV u(.A(q), .Y(n));
  DFF r(.CK(g), .D(n), .Q(q));
endmodule
"""


@pytest.mark.parametrize("open_", ["0", "1"])
def test_a_clock_gate_that_was_open_or_shut_when_the_recording_began_is_so_again(
    open_: str, tmp_path: Path
) -> None:
    """The recording begins while the clock is high; the enable has changed since it rose."""
    library = write(tmp_path / "small.lib", *BASE, GATE)
    netlist, sdf = tmp_path / "netlist.v", tmp_path / "delays.sdf"
    netlist.write_text(GATED)
    arcs = {"gate": "CK GCK", "u": "A Y", "r": "CK Q"}
    cells = "".join(
        f"(CELL (INSTANCE {name}) (DELAY (ABSOLUTE (IOPATH {pins} (0.1)))))"
        for name, pins in arcs.items()
    )
    sdf.write_text(f"(DELAYFILE (TIMESCALE 1ns) (DIVIDER /) {cells})")
    recorded: Waves = {
        "clk": [(0, "1"), (5, "0"), (10, "1"), (15, "0"), (20, "1")],
        "e": [(0, str(1 - int(open_))), (4, "0")],
        "q": [(0, "0")],
        "g": [(0, open_), (5, "0")] if open_ == "1" else [(0, "0")],
    }
    activity = write_vcd(tmp_path / "a.vcd", recorded, 25)
    made = replay_with_delays(
        netlist, "top", [library], activity, "tb/dut", "clk", 10.0, sdf, tmp_path
    )
    found = read_activity(made, SCOPE)
    assert found.toggles[found.signals["g"]] == int(open_)
    assert found.toggles[found.signals["q"]] == 0


def test_power_with_sdf_counts_glitches_and_keeps_the_modules(tmp_path: Path) -> None:
    case = Case(tmp_path, {"h/u1": 0.2, "h/u2": 0.2}, waves())

    def power(sdf: Path | None) -> dict[str, float]:
        report = api.power(
            case.netlist, "top", liberty=[case.library], activity=case.activity, scope="tb/dut",
            clock="clk", period_ns=10.0, sdf=sdf,
        )  # fmt: skip
        assert report.unannotated_pins == 0 or sdf is None
        return {name: part.switching_w for name, part in report.by_module.items()}

    with_delays, without = power(case.sdf), power(None)
    assert set(with_delays) == {"top", "h"}
    assert with_delays["h"] > without["h"] + 1e-9


def test_a_netlist_too_slow_for_its_clock_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        Case(tmp_path, {"u4": 10.5}, waves()).replay(tmp_path)
    assert str(caught.value).startswith("with these delays output t of top is ")
    assert "\n" not in str(caught.value)


def test_another_netlist_than_was_recorded_is_found_out(tmp_path: Path) -> None:
    recorded = waves()
    recorded["q"][1] = (20, "0")
    with pytest.raises(CheckFailed, match=r"output q of top is 1 and not 0 before .* at 30 ns"):
        Case(tmp_path, {}, recorded).replay(tmp_path)


def test_a_recording_without_an_input_is_refused(tmp_path: Path) -> None:
    recorded = waves()
    del recorded["d"]
    with pytest.raises(UserError, match="has no input d of top: it cannot be replayed"):
        Case(tmp_path, {}, recorded).replay(tmp_path)


def test_totals_cannot_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, {}, waves())
    saif = tmp_path / "activity.saif"
    saif.write_text(saif_text(read_activity(case.activity, "tb/dut"), "tb/dut"))
    case.activity = saif
    assert main(case.arguments()) == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith(f"{saif} is no VCD; accepted: a VCD, whose changes can be replayed")
    assert "\n" not in error


def test_the_command_measures_with_sdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Case(tmp_path, {}, waves()).arguments()) == 0
    assert "Power of top" in capsys.readouterr().out
