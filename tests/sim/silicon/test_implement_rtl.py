"""Anyone's design is implemented as a unit: its own area and power, the unit's traffic."""

from pathlib import Path

import pytest

from consilico import implement_rtl
from consilico.cli import main
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.test_implement import UNIT, DelayConfig

# a register behind other names; SystemVerilog, a parameter, a file that is included
DESIGN = """\
`include "width.svh"
module held #(parameter int WIDTH = 1) (
  input logic ck, input logic rst_n, input logic v, input logic [WIDTH-1:0] d,
  output logic q_v, output logic [WIDTH-1:0] q
);
  always_ff @(posedge ck) begin
    q_v <= v & rst_n;
    q <= d ^ `FLIP;
  end
endmodule
"""
MAPPING = """\
clock = "ck"
[reset]
port = "rst_n"
active = "low"
[input]
valid = "v"
drive.d = "~payload"
[output]
valid = "q_v"
latency_cycles = 1
fields.payload = "~q"
[parameters]
WIDTH = 12
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "held.sv").write_text(DESIGN)
    (tmp_path / "map.toml").write_text(MAPPING)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "width.svh").write_text("// nothing\n")
    return tmp_path


def implemented(
    folder: Path,
    flip: str = "12'd0",
    parameters: dict[str, str] | None = None,
    golden: str | None = None,
    rung: str = "cells",
    output: Path | None = None,
) -> Implementation:
    return implement_rtl(
        [folder / "held.sv"], "held", UNIT, DelayConfig(width=12), mapping=folder / "map.toml",
        include=[folder / "more"], defines={"FLIP": flip}, parameters=parameters, golden=golden,
        prove=False, rung=rung, output=output,
    )  # fmt: skip


def test_area_and_results_are_those_of_the_design_alone(files: Path) -> None:
    found = implemented(files)
    flop = read_liberty(find_kit("nangate45").liberty).cells["DFF_X1"].area_um2
    assert found.area_by_class_um2["flip-flops"] == pytest.approx(13 * flop)
    assert (found.gate_level.checked, found.gate_level.mismatches) == (8192, 0)
    assert found.unannotated_pins == 0
    assert found.power.total_w > 0
    assert (found.unit, found.top, found.rtl) == ("test/delay", "held", str(files / "held.sv"))
    assert implemented(files) == found  # from the cache


def test_anyones_design_is_laid_out_as_a_unit_is(files: Path) -> None:
    found = implemented(files, rung="layout", output=files / "out")
    assert [each.rung for each in found.ladder] == ["cells", "wires", "clock", "layout"]
    assert (found.gate_level.checked, found.gate_level.mismatches) == (8192, 0)
    assert found.clock_tree is not None
    assert found.clock_tree.sinks == 13
    assert "[get_ports ck]" in (files / "out" / "constraints.sdc").read_text()
    assert (files / "out" / "delays.sdf").exists()


def test_a_design_that_is_not_the_unit_is_no_implementation_of_it(files: Path) -> None:
    with pytest.raises(CheckFailed, match=r"^the netlist of test/delay is wrong: 8192 of 8192"):
        implemented(files, flip="12'd1")


def test_results_may_be_those_of_a_model_of_ones_own(files: Path) -> None:
    (files / "model.py").write_text(
        "def flipped(config, accepted):\n    return {'payload': accepted.data['payload'] ^ 1}\n"
    )
    found = implemented(files, flip="12'd1", golden=f"{files / 'model.py'}:flipped")
    assert (found.gate_level.checked, found.gate_level.mismatches) == (8192, 0)


def test_a_parameter_that_is_given_replaces_that_of_the_mapping(files: Path) -> None:
    with pytest.raises(CheckFailed, match="is wrong: "):
        implemented(files, parameters={"WIDTH": "11"})


def test_the_unit_that_it_is_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["implement", "--rtl", "a.v", "--top", "t"]) == 2
    assert "--rtl FILE --top MODULE --as UNIT" in capsys.readouterr().err


def test_a_design_with_other_ports_needs_a_mapping(files: Path) -> None:
    (files / "t.v").write_text("module t (input clk, a, output reg q); always @* q = a; endmodule")
    with pytest.raises(UserError, match="name a mapping with --map"):
        implement_rtl([files / "t.v"], "t", UNIT, DelayConfig())
