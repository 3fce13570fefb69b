"""Designs of all kinds of ports are verified through their mapping; what is wrong is found."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilico.golden.attention.base2_scores import Base2ScoresConfig
from consilico.sim.base.errors import UserError
from consilico.sim.base.reach import NOT_CONFINED, reads_are_confined
from consilico.sim.rtlsim.foreign.design import ForeignDesign, read_design
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import Mapping, read_mapping
from consilico.sim.rtlsim.foreign.mutate import mutate_design
from consilico.sim.rtlsim.foreign.prove import prove_design
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.foreign.verify import _texts, verify_design
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.rtlsim.verify import Verification, check
from consilico.sim.units.catalogue import find_unit
from tests.sim.rtlsim.toy import CLOCK_GATE, ToyConfig, sources, unit

HEAD = 'clock = "clk"\n'
RESET = '[reset]\nport = "rst"\n'
# name: design, mapping, a mistake in one of them
DESIGNS = {
    "fixed latency, a write port": (
        (
            "module t (input clk, input [7:0] a, output reg [15:0] y, input we, input [7:0] wd);\n"
            "reg [7:0] k; reg [15:0] p;\n"
            "always @(posedge clk) begin if (we) k <= wd; p <= a * k; y <= p; end endmodule\n"
        ),
        (
            f'{HEAD}[input]\ndrive.a = "payload"\n'
            '[output]\nlatency_cycles = 2\nfields.payload = "y"\n'
            '[config]\nvalid = "we"\n[[config.writes]]\nwd = "payload"\n'
        ),
        ("latency_cycles = 2", "latency_cycles = 1"),
    ),
    "a valid bit, an asynchronous reset": (
        (
            "module t (input ck, rst_n, v, input [7:0] a, output reg q, output reg [15:0] y,\n"
            "  input we, input [7:0] wd);\nreg [7:0] k;\nalways @(posedge ck) if (we) k <= wd;\n"
            "always @(posedge ck, negedge rst_n) if (!rst_n) q <= 0; else q <= v;\n"
            "always @(posedge ck) y <= a * k; endmodule\n"
        ),
        (
            'clock = "ck"\n[reset]\nport = "rst_n"\nactive = "low"\ncycles = 3\n'
            '[input]\nvalid = "v"\ndrive.a = "payload"\n'
            '[output]\nvalid = "q"\nlatency_cycles = 1\nfields.payload = "y"\n'
            '[config]\nvalid = "we"\n[[config.writes]]\nwd = "payload"\n'
        ),
        ("y <= a * k", "y <= a * (k | 1)"),
    ),
    "AXI-Stream, a constant held at a port": (
        (
            "module t (input aclk, aresetn, input s_axis_tvalid, output s_axis_tready,\n"
            "  input [7:0] s_axis_tdata, input s_axis_tlast, output reg m_axis_tvalid,\n"
            "  input m_axis_tready, output reg [15:0] m_axis_tdata, input [7:0] k);\n"
            "assign s_axis_tready = m_axis_tready | ~m_axis_tvalid;\n"
            "always @(posedge aclk) if (!aresetn) m_axis_tvalid <= 0;\n"
            "  else if (s_axis_tready) begin m_axis_tvalid <= s_axis_tvalid;\n"
            "    m_axis_tdata <= s_axis_tdata * k; end endmodule\n"
        ),
        (
            'clock = "aclk"\n[reset]\nport = "aresetn"\nactive = "low"\n'
            '[input]\nvalid = "s_axis_tvalid"\nready = "s_axis_tready"\n'
            'drive.s_axis_tdata = "payload"\n'
            '[output]\nvalid = "m_axis_tvalid"\nready = "m_axis_tready"\nlatency_cycles = 1\n'
            'fields.payload = "m_axis_tdata"\n[config]\nhold.k = "payload"\n'
            '[constants]\ns_axis_tlast = "1\'b0"\n'
        ),
        ("= m_axis_tready | ~m_axis_tvalid", "= 1"),
    ),
    "no register at all": (
        "module t (input [7:0] a, k, output [15:0] y, input clk); assign y = a * k; endmodule\n",
        (
            f'{HEAD}[input]\ndrive.a = "payload"\n'
            '[output]\nlatency_cycles = 0\nfields.payload = "y"\n'
            '[config]\nhold.k = "payload"\n'
        ),
        ('hold.k = "payload"', 'hold.k = "payload & 127"'),
    ),
    "two writes per configuration, which a reset clears": (
        (
            "module t (input clk, rst, input [7:0] a, output reg [15:0] y, input we, wa,\n"
            "  input [3:0] wd);\nreg [7:0] k, used;\nalways @(posedge clk) begin\n"
            "  if (we) begin if (wa) k[7:4] <= wd; else k[3:0] <= wd; end\n"
            "  if (rst) k <= 0; used <= k; y <= a * used; end endmodule\n"
        ),
        (
            f"{HEAD}{RESET}once = true\n"
            '[input]\ndrive.a = "payload"\n[output]\nlatency_cycles = 1\nfields.payload = "y"\n'
            '[config]\nvalid = "we"\nsettle_cycles = 1\n'
            '[[config.writes]]\nwa = 0\nwd = "payload[3:0]"\n'
            '[[config.writes]]\nwa = 1\nwd = "payload[7:4]"\n'
        ),
        ("once = true", "once = false"),
    ),
    "halves and two's complement, converted": (
        (
            "module t (input clk, input [15:0] a, output reg [7:0] h, l, input we,\n"
            "  input [7:0] wd);\nreg [7:0] k;\n"
            "always @(posedge clk) begin if (we) k <= wd; {h, l} <= -(a[7:0] * k); end endmodule\n"
        ),
        (
            f'{HEAD}[input]\ndrive.a = "{{8\'h55, payload}}"\n'
            '[output]\nlatency_cycles = 1\nfields.payload = "-{h, l}"\n'
            '[config]\nvalid = "we"\n[[config.writes]]\nwd = "~(~payload)"\n'
        ),
        ('"-{h, l}"', '"-{l, h}"'),
    ),
}


# Constants cross to the clock of a slow bus and back, each with a toggle that two registers see
TWO_CLOCKS = """\
module t (input clk, rst, pclk, input [7:0] a, output reg [15:0] y,
  input we, output rdy, input [7:0] wd);
  reg [7:0] held, k;
  reg asks = 0, busy = 0, back1 = 0, back2 = 0, seen1 = 0, seen2 = 0, done = 0;
  assign rdy = busy & back2 == asks;
  always @(posedge clk) begin
    {back2, back1} <= {back1, done};
    if (we & ~busy) begin held <= wd; asks <= ~asks; busy <= 1; end
    if (rdy) busy <= 0;
    y <= a * k;
  end
  always @(posedge pclk) begin
    {seen2, seen1} <= {seen1, asks};
    if (seen2 != done) begin k <= held; done <= seen2; end
  end
endmodule
"""
BUS = f"""{HEAD}
[clocks]
pclk = 2.7
[input]
drive.a = "payload"
[output]
latency_cycles = 1
fields.payload = "y"
[config]
valid = "we"
ready = "rdy"
[[config.writes]]
wd = "payload"
[constants]
rst = 0
"""


@pytest.mark.parametrize(
    "periods",
    ["0.37", *(pytest.param(more, marks=pytest.mark.exhaustive) for more in ("2", "2.7"))],
)
def test_a_design_with_a_second_clock_is_verified(tmp_path: Path, periods: str) -> None:
    found = judged(tmp_path, TWO_CLOCKS, BUS.replace("2.7", periods))
    assert found.passed, found.problems


def test_a_constant_that_does_not_wait_for_the_other_clock_is_found(tmp_path: Path) -> None:
    hasty = TWO_CLOCKS.replace("busy & back2 == asks", "busy")
    found = judged(tmp_path, hasty, BUS)
    assert not found.passed
    assert any("wrong" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pclk = 2.7", "pclk = 0", "clocks.pclk is 0.0; accepted: 0.01 to 100 periods of clk"),
        ("pclk = 2.7", 'pclk = "2"', "clocks.pclk is '2'; accepted: a number"),
        ("pclk = 2.7", "sclk = 2", "clocks: 'sclk' is no input of t"),
    ],
)
def test_clocks_that_cannot_be_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        judged(tmp_path, TWO_CLOCKS, BUS.replace(old, new))


def two_clocks(folder: Path) -> tuple[ForeignDesign, Mapping]:
    (folder / "t.v").write_text(TWO_CLOCKS)
    (folder / "map.toml").write_text(BUS)
    return read_design([folder / "t.v"], "t"), read_mapping(folder / "map.toml")


def test_mutants_of_a_design_with_two_clocks_are_killed(tmp_path: Path) -> None:
    score = mutate_design(*two_clocks(tmp_path), unit(), ToyConfig(), 40, 1)
    assert score.killed > 20
    assert score.equivalent == 0
    assert score.killed + len(score.survived) == score.mutants


def test_proofs_take_one_clock(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`consilico prove` takes designs with one clock, whose"):
        prove_design(*two_clocks(tmp_path), unit(), ToyConfig(), 10)


def alternately(first: int) -> list[Any]:
    """Leave every other design to the exhaustive tests, so that each is still judged here once."""
    return [
        pytest.param(name, marks=[] if place % 2 == first else pytest.mark.exhaustive)
        for place, name in enumerate(DESIGNS)
    ]


def judged(
    folder: Path, verilog: str, mapping: str, *simulators: str, name: str = "t.v"
) -> Verification:
    (folder / name).write_text(verilog)
    (folder / "map.toml").write_text(mapping)
    return verify_design(
        read_design([folder / name], "t"),
        read_mapping(folder / "map.toml"),
        unit(),
        ToyConfig(rounds=3),
        simulators or ["icarus"],
        1,
    )


@pytest.mark.parametrize("name", alternately(0))
def test_a_right_design_passes(tmp_path: Path, name: str) -> None:
    verilog, mapping, _ = DESIGNS[name]
    found = judged(tmp_path, verilog, mapping)
    assert found.problems == ()
    assert found.runs[0].checked > 100


def test_a_right_design_passes_on_verilator(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["fixed latency, a write port"]
    found = judged(tmp_path, verilog, mapping, "verilator")
    assert found.problems == ()
    assert found.runs[0].checked > 300


@pytest.mark.parametrize("name", alternately(1))
def test_a_mistake_in_design_or_mapping_is_found(tmp_path: Path, name: str) -> None:
    verilog, mapping, (old, new) = DESIGNS[name]
    assert (verilog + mapping).count(old) == 1
    found = judged(tmp_path, verilog.replace(old, new), mapping.replace(old, new))
    assert not found.passed


SCORES = """\
module t (input clk, rst, v, input [7:0] s, input e, output reg q, output reg [7:0] y, output reg l,
  input we, input [11:0] k);
reg [11:0] c; wire [19:0] p = $signed({1'b0, c}) * $signed(s);
always @(posedge clk) begin if (we) c <= k; q <= v & ~rst; y <= p >> 10; l <= e; end endmodule
"""
SCORES_MAP = f"""{HEAD}{RESET}[input]
valid = "v"
drive.s = "score"
drive.e = "last"
[output]
valid = "q"
latency_cycles = 1
fields.score = "y"
fields.last = "l"
ignore = ["mask"]
[config]
valid = "we"
[[config.writes]]
k = "k"
"""


def test_a_field_that_the_design_does_not_have_may_be_ignored(tmp_path: Path) -> None:
    (tmp_path / "t.v").write_text(SCORES)
    (tmp_path / "map.toml").write_text(SCORES_MAP)
    design, mapping = read_design([tmp_path / "t.v"], "t"), read_mapping(tmp_path / "map.toml")
    whole, config = find_unit("base2_scores"), Base2ScoresConfig()
    fitted = fit(design, mapping, whole, config)
    mask = whole.layouts(config).o.by_name["mask"][0].offset
    due = whole.vectors(config, 1)
    kept = fitted.unit.vectors(config, 1)
    differ = np.unpackbits(due.expected ^ kept.expected, axis=1, bitorder="little")
    assert np.flatnonzero(differ.any(axis=0)).tolist() == [mask]
    assert [each.point for each in fitted.left_out] == [
        "o/mask",
        "configuration and data in one cycle",  # the wrapper never does that
    ]


def test_a_mapping_that_ignores_all_fields_is_refused(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["no register at all"]
    mapping = mapping.replace('fields.payload = "y"', 'ignore = ["payload"]')
    with pytest.raises(UserError, match=r"output\.ignore names every field, so that nothing"):
        judged(tmp_path, verilog.replace("a * k", "1"), mapping)


def test_a_field_is_not_both_compared_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SCORES_MAP.replace('["mask"]', '["mask", "last"]'))
    with pytest.raises(UserError, match=r"output\.ignore is last; accepted: what is not in output"):
        read_mapping(tmp_path / "map.toml")


# a result that a reset finds in the last stage stays; what comes first after a reset is lost
AFTER_RESET = """\
module t (input clk, rst, v, input [7:0] a, output reg q, output reg [15:0] y, input we,
  input [7:0] wd);
  reg [7:0] k; reg [15:0] p; reg w, fresh;
  always @(posedge clk) begin
    fresh <= rst;
    if (we) k <= wd;
    w <= v & ~rst; p <= a * k;
    q <= w & ~rst; y <= p;
  end
endmodule
"""
AFTER_RESET_MAP = f"""{HEAD}{RESET}[input]
valid = "v"
drive.a = "payload"
[output]
valid = "q"
latency_cycles = 2
fields.payload = "y"
[config]
valid = "we"
[[config.writes]]
wd = "payload"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("q <= w & ~rst", "q <= w", id="a result stays"),
        pytest.param(
            "w <= v & ~rst",
            "w <= v & ~rst & ~fresh",
            id="a beat is lost",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            "if (we)", "if (we & ~fresh)", id="a constant is lost", marks=pytest.mark.exhaustive
        ),
    ],
)
def test_what_goes_wrong_in_the_first_cycle_after_a_reset_is_found(
    tmp_path: Path, old: str, new: str
) -> None:
    assert AFTER_RESET.count(old) == 1
    assert not judged(tmp_path, AFTER_RESET.replace(old, new), AFTER_RESET_MAP).passed


def test_a_design_may_need_cycles_after_its_reset(tmp_path: Path) -> None:
    slow = AFTER_RESET.replace("w <= v & ~rst", "w <= v & ~rst & ~fresh")
    mapping = AFTER_RESET_MAP.replace(RESET, f"{RESET}settle_cycles = 1\n")
    assert judged(tmp_path, slow, mapping).problems == ()


def test_an_asynchronous_reset_meets_a_result_that_waits(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["AXI-Stream, a constant held at a port"]
    verilog = verilog.replace("@(posedge aclk)", "@(posedge aclk, negedge aresetn)")
    found = judged(tmp_path, verilog, mapping)
    assert found.problems == ()
    assert found.coverage["stream/reset_under_back_pressure"] > 0


def test_ports_may_have_names_that_verilog_escapes(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["fixed latency, a write port"]
    verilog = re.sub(r"\by\b", r"\\out.y[0] ", re.sub(r"\ba\b", r"\\always ", verilog))
    mapping = mapping.replace("drive.a", "drive.always").replace('"y"', "'\\out.y[0] '")
    assert judged(tmp_path, verilog, mapping).problems == ()


def test_a_text_that_front_ends_understand_differently_does_not_pass(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["no register at all"]
    wrong = verilog.replace("assign y = a * k;", "reg [7:0] o = k; assign y = a * o;")
    found = judged(tmp_path, wrong, mapping)
    assert any("icarus and yosys understand this text differently" in it for it in found.problems)


SYSTEMVERILOG = (
    """\
package p;
  typedef struct packed { logic [7:0] high, low; } halves_t;
endpackage
module t import p::*; (
  input logic clk, input logic [7:0] a, output halves_t y, input logic we, input logic [7:0] wd
);
  logic [7:0] k;
  halves_t product;
  always_ff @(posedge clk) begin
    if (we) k <= wd;
    product <= a * k;
    y <= '{low: product.low, high: product.high};
  end
endmodule
""",
    (
        f'{HEAD}[input]\ndrive.a = "payload"\n'
        '[output]\nlatency_cycles = 2\nfields.payload = "y"\n'
        '[config]\nvalid = "we"\n[[config.writes]]\nwd = "payload"\n'
    ),
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        pytest.param("high: product.high", "high: product.low", marks=pytest.mark.exhaustive),
    ],
    ids=["right", "wrong"],
)
def test_systemverilog_that_icarus_refuses_is_judged_on_both_simulators(
    tmp_path: Path, old: str, new: str
) -> None:
    text, mapping = SYSTEMVERILOG
    found = judged(tmp_path, text.replace(old, new), mapping, "icarus", "verilator", name="t.sv")
    assert any("icarus cannot read it" in each.why for each in found.exempt)
    by_simulator = {run.simulator: run for run in found.runs}
    assert set(by_simulator) == {"icarus", "verilator"}
    for run in by_simulator.values():
        assert run.checked > 300
        assert (run.mismatches == 0) == (old == "")
    assert found.passed == (old == "")


def test_a_simulator_that_cannot_read_a_text_runs_what_the_front_end_made_of_it(
    tmp_path: Path,
) -> None:
    text = (
        "package p; typedef struct packed { logic [7:0] a; } pair_t; endpackage\n"
        "module t import p::*; (input logic clk, input logic [7:0] a, k, output logic [15:0] y);\n"
        "pair_t v; assign v = '{a: a}; assign y = v.a * k; endmodule\n"
    )
    (tmp_path / "t.sv").write_text(text)
    design = read_design([tmp_path / "t.sv"], "t")
    texts, (left_out,) = _texts(design, [find_simulator("icarus"), find_simulator("verilator")])
    assert texts["verilator"] == design.sources.text
    assert design.elaborated is not None
    assert texts["icarus"] == design.elaborated.verilog
    assert "icarus cannot read it" in left_out.why
    assert "verilator simulates the text as given" in left_out.why


def test_a_text_that_reaches_files_is_not_run(tmp_path: Path) -> None:
    verilog, mapping, _ = DESIGNS["no register at all"]
    mark = tmp_path / "ran"
    wrong = verilog.replace("assign", f'initial $dumpfile("{mark}"); assign')
    with pytest.raises(UserError, match=r"\$dumpfile may reach files or programs"):
        judged(tmp_path, wrong, mapping)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('drive.a = "payload"', 'drive.b = "payload"', "'b' is no input of t; accepted: "),
        ('drive.a = "payload"', 'drive.a = "score"', "drive.a: 'score' is no field; accepted: pay"),
        ('drive.a = "payload"', "", "nothing drives the input 'a' of t; give it in input.drive"),
        ('fields.payload = "y"', 'fields.payload = "z"', "'z' is no output of the design; acc"),
        ('fields.payload = "y"', 'fields.payload = "?"', "fields.payload is still to be filled in"),
        ('fields.payload = "y"', "", "output.fields.payload is missing; accepted: an expression"),
        ('fields.payload = "y"', 'fields.data = "y"', "'data' is no field; accepted: payload"),
        ('fields.payload = "y"', 'fields.payload = "y); x(y"', "no Verilog expression|no output"),
        ('[config]\nhold.k = "payload"', "", "config is missing; the unit has a stream cfg"),
        ('hold.k = "payload"', 'hold.k = "payload"\nhold.a = "payload"', "'a' is driven twice"),
        ('clock = "clk"', 'clock = "ck"', "clock: 'ck' is no input of t"),
        (
            "latency_cycles = 0",
            'latency_cycles = 0\nready = "a"',
            "output.ready is a; acc",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_by_key(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    verilog, mapping, _ = DESIGNS["no register at all"]
    assert mapping.count(old) == 1
    with pytest.raises(UserError, match=says):
        judged(tmp_path, verilog, mapping.replace(old, new))


def test_a_design_without_a_mapping_must_have_the_units_streams(tmp_path: Path) -> None:
    (tmp_path / "t.v").write_text(DESIGNS["no register at all"][0])
    design = read_design([tmp_path / "t.v"], "t")
    with pytest.raises(UserError, match="name a mapping with --map"):
        verify_design(design, None, unit(), ToyConfig(), ["icarus"], 1)


def hidden(path: Path) -> str:
    """Return a file's name as a number, in which no reading of the text sees a name."""
    return f"{8 * len(str(path))}'h{str(path).encode().hex()}"


@pytest.mark.skipif(not reads_are_confined(), reason="this system has no Landlock")
@pytest.mark.parametrize("trust", [False, True])
def test_a_file_whose_name_is_put_together_is_read_with_trust_only(
    tmp_path: Path, trust: bool
) -> None:
    (tmp_path / "one.hex").write_text("1\n")
    text = sources("<= i__payload *", "<= one[0] * i__payload *")[0].replace(
        "reg [7:0] k;",
        f"reg [7:0] one [0:0]; initial $readmemh({hidden(tmp_path / 'one.hex')}, one); reg [7:0] k;",  # noqa: E501
    )
    check_tasks(text, "the text")
    found = check(
        unit(), ToyConfig(rounds=3), f"{text}\n{CLOCK_GATE}", ["icarus"], 1, trusted=trust
    )
    assert found.passed is trust


def test_a_system_that_does_not_confine_reads_is_named_in_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consilico.sim.rtlsim.foreign.verify.reads_are_confined", lambda: False)
    verilog, mapping, _ = DESIGNS["no register at all"]
    found = judged(tmp_path, verilog, mapping)
    assert [each.why for each in found.exempt if each.point == "reads"] == [NOT_CONFINED]
