"""Mapping files are proposed from ports as people name them, and read back."""

from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.foreign.design import read_design
from consilico.sim.rtlsim.foreign.expressions import of_fields, of_ports
from consilico.sim.rtlsim.foreign.mapping import Mapping, read_mapping
from consilico.sim.rtlsim.foreign.propose import Proposal, propose
from consilico.sim.units.layout import Field, Layout, Layouts

OPERANDS = Layout(
    width=24,
    fields=(
        *(Field(name="score", lane=lane, offset=8 * lane, width=8) for lane in range(2)),
        *(Field(name="mask", lane=lane, offset=16 + lane, width=1) for lane in range(2)),
        Field(name="last", offset=18, width=1),
    ),
)
STREAMS = Layouts(
    i=OPERANDS, o=Layout.plain(12), cfg=Layout(width=9, fields=(
        Field(name="value", offset=0, width=8), Field(name="table", offset=8, width=1),
    )),
)  # fmt: skip


def proposed(folder: Path, ports: str, body: str = "", streams: Layouts = STREAMS) -> Proposal:
    (folder / "t.v").write_text(f"module t ({ports}); {body} endmodule\n")
    return propose(read_design([folder / "t.v"], "t").form(), streams, "some/unit", {})


def read(folder: Path, text: str) -> Mapping:
    (folder / "map.toml").write_text(text)
    return read_mapping(folder / "map.toml")


def test_ports_are_known_by_names_and_widths(tmp_path: Path) -> None:
    found = proposed(
        tmp_path,
        "input clock_i, rst_ni, in_vld, input [15:0] in_score, input [1:0] skip, input last_i,"
        " output reg out_vld, output reg [11:0] y, input lut_we, input lut_table,"
        " input [7:0] lut_data",
        "reg v; reg [15:0] a; always @(posedge clock_i or negedge rst_ni)"
        " if (!rst_ni) begin v <= 0; out_vld <= 0; end else begin v <= in_vld; out_vld <= v; end"
        " always @(posedge clock_i) begin a <= in_score & {skip, lut_data, lut_table, last_i};"
        " y <= a; end",
    )
    assert found.open == []
    made = read(tmp_path, found.text)
    assert made.clock == "clock_i"
    assert made.reset is not None
    assert (made.reset.port, made.reset.active) == ("rst_ni", "low")
    assert made.input.valid == "in_vld"
    assert made.input.drive == {"in_score": "score", "skip": "mask", "last_i": "last"}
    assert (made.output.valid, made.output.latency_cycles) == ("out_vld", 2)
    assert made.output.fields == {"payload": "y"}
    assert made.config is not None
    assert made.config.valid == "lut_we"
    assert made.config.writes == ({"lut_table": "table", "lut_data": "value"},)


def test_axi_stream_ports_are_handshakes(tmp_path: Path) -> None:
    found = proposed(
        tmp_path,
        "input aclk, aresetn, input [7:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready,"
        " output [11:0] m_axis_tdata, output m_axis_tvalid, input m_axis_tready",
        "assign s_axis_tready = m_axis_tready; assign m_axis_tvalid = s_axis_tvalid & aresetn;"
        " assign m_axis_tdata = s_axis_tdata;",
        Layouts(i=Layout.plain(8), o=Layout.plain(12)),
    )
    made = read(tmp_path, found.text)
    assert (made.input.valid, made.input.ready) == ("s_axis_tvalid", "s_axis_tready")
    assert (made.output.valid, made.output.ready) == ("m_axis_tvalid", "m_axis_tready")
    assert made.input.drive == {"s_axis_tdata": "payload"}
    assert made.output.latency_cycles == 0


def test_ports_of_a_bus_belong_together(tmp_path: Path) -> None:
    found = proposed(
        tmp_path,
        "input clk, input k_we, input [7:0] k_d, input k_t, output k_rdy, input in_vld,"
        " output in_rdy, input [15:0] in_s, input [1:0] in_m, input in_l, output out_vld,"
        " input out_rdy, output [11:0] y, input rst",
        streams=STREAMS,
    )
    made = found.text
    assert 'valid = "in_vld"\nready = "in_rdy"\n' in made
    assert 'drive.in_s = "score"\ndrive.in_m = "mask"\ndrive.in_l = "last"\n' in made
    assert 'valid = "out_vld"\nready = "out_rdy"\n' in made
    assert 'valid = "k_we"\nready = "k_rdy"\n[[config.writes]]\nk_d = "value"\n' in made
    assert found.open == []


def test_names_that_verilog_escapes_are_read_back(tmp_path: Path) -> None:
    found = proposed(
        tmp_path,
        "input clk, input [7:0] \\a.b , output [11:0] \\y+1 ",
        "assign \\y+1 = \\a.b ;",
        Layouts(i=Layout.plain(8), o=Layout.plain(12)),
    )
    made = read(tmp_path, found.text)
    assert made.input.drive == {"a.b": "payload"}
    assert of_ports(made.output.fields["payload"], {"y+1": 12}, "d_", 1, "m") == "\\d_y+1  "


def test_what_nothing_fits_is_named_and_refused_until_filled_in(tmp_path: Path) -> None:
    found = proposed(
        tmp_path,
        "input clk, input [4:0] odd, output [2:0] y",
        "assign y = odd;",
        Layouts(i=OPERANDS, o=Layout.plain(12)),
    )
    assert "output.fields.payload" in found.open
    assert "constants.odd" in found.open
    made = read(tmp_path, found.text)
    with pytest.raises(UserError, match=r"^m: x is still to be filled in"):
        of_ports(made.output.fields["payload"], {}, "", 1, "m: x")


def test_the_command_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.v").write_text(
        "module t (input clk, input [7:0] score, input mask, output [15:0] y);"
        " assign y = score; endmodule"
    )
    arguments = ["map", "--rtl", str(tmp_path / "t.v"), "--top", "t", "--as", "consmax/log2"]
    assert main([*arguments, "-o", str(tmp_path / "map.toml")]) == 0
    assert "To be filled in: output.fields.underflow." in capsys.readouterr().out
    text = (tmp_path / "map.toml").read_text()
    assert 'drive.score = "score"\ndrive.mask = "mask"\n' in text
    with pytest.raises(UserError, match=r"config\.writes is none"):  # nothing fits cfg
        read_mapping(tmp_path / "map.toml")


def test_lanes_are_written_out_lane_0_lowest() -> None:
    found = of_fields("{~mask[lane], score[lane]}", OPERANDS, "i_", "m")
    assert found == ("{{~i_mask[1 +: 1], i_score[8 +: 8]}, {~i_mask[0 +: 1], i_score[0 +: 8]}}")
    assert of_ports("{1'b0, y[lane]} ^ lane", {"y": 30}, "d_", 2, "m") == (
        "{{1'b0, d_y[15 +: 15]} ^ 1, {1'b0, d_y[0 +: 15]} ^ 0}"
    )


def test_literals_and_functions_are_no_names() -> None:
    expression = "$signed(score[7:0]) + 8'hab + last"
    assert of_fields(expression, OPERANDS, "i_", "m") == ("$signed(i_score[7:0]) + 8'hab + i_last")


@pytest.mark.parametrize("text", ["a; b", "$system(1)", "`X", '"x"', "", "score // x"])
def test_more_than_an_expression_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^m: .* no Verilog expression"):
        of_fields(text, OPERANDS, "i_", "m")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clock = 3\n[input]\n[output]\n", r"map\.toml: clock is '3'; accepted: a text"),
        ("clok = 'a'", "unknown key clok; accepted: clock, clocks, reset"),
        ("clock = 'c'\n[input]\n", "output is missing"),
        ("clock = 'c'\n[input]\n[output]\n", r"output\.latency_cycles is missing"),
        ("clock = 'c'\n[input]\n[output]\nlatency_cycles = -1", "_cycles is -1; accepted: 0"),
        ("clock = 'c'\n[input]\n[output]\nlatency_cycles = true", "accepted: a whole number"),
        ("clock = 'c'\ninput = 3\n[output]\nlatency_cycles = 1", "input is '3'; accepted: a table"),
        ("clock = 'c'\n[input]\n[output]\nlatency_cycles = 1\nvalid = 'v'", "needs a reset"),
        ("clock = 'c'\n[input]\n[output]\nlatency_cycles = 1\n[config]\n", "config.writes is none"),
        ("clock = 'c'\n[reset]\nport = 'r'\nactive = 'hi'\n[input]\n[output]\nlatency_cycles = 1",
         'reset.active is hi; accepted: "high" or "low"'),
        ("clock = ", "map.toml: "),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_mapping_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
