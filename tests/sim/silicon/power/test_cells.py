"""What real cells and netlists have, each computed by hand: 2 V, ns, fF, energies in fJ, nW."""

from pathlib import Path
from typing import Any

import pytest

from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import InstancePower, PowerReport
from tests.sim.silicon.tiny import Waves, write_vcd

HEAD = """library (t) {
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, ff); nom_voltage : 2.0;
  voltage_map (VDD, 2.0); voltage_map (VIO, 4.0); voltage_map (VSS, 0.0);
  lu_table_template (load_slew) {
    variable_1 : total_output_net_capacitance; variable_2 : input_transition_time;
    index_1 ("0, 10"); index_2 ("0, 1, 2");
  }
  power_lut_template (by_slew) { variable_1 : input_transition_time; index_1 ("0, 1"); }
"""
FF = """ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
  pin (CK) { direction : input; capacitance : 1; clock : true; }
  pin (D) { direction : input; capacitance : 1; }"""


def power(energy: float, related: str = "", when: str = "", extra: str = "") -> str:
    """An internal power group of one energy."""
    about = f'related_pin : "{related}"; ' if related else ""
    about += f'when : "{when}"; ' if when else ""
    return f'internal_power () {{ {about}{extra} power (scalar) {{ values ("{energy}"); }} }}'


def pin(name: str, direction: str = "input", cap: float = 1, body: str = "") -> str:
    capacitance = f"capacitance : {cap};" if direction == "input" else ""
    return f"pin ({name}) {{ direction : {direction}; {capacitance} {body} }}"


def run(
    folder: Path, cell: str, instance: str, waves: Waves, ports: str = "", **changes: Any
) -> PowerReport:
    """Power of one instance ``u`` of a cell ``C``; 100 ns, clock port ``ck`` of 10 ns."""
    library, netlist = folder / "t.lib", folder / "n.v"
    library.write_text(changes.pop("head", HEAD) + f"cell (C) {{ {cell} }} }}\n")
    netlist.write_text(f"module top(input ck, {ports}); C u ({instance}); endmodule\n")
    settings: dict[str, Any] = {
        "netlist": netlist,
        "top": "top",
        "liberty": [library],
        "activity": write_vcd(folder / "a.vcd", waves, 100),
        "scope": "tb/dut",
        "clock": "ck",
        "period_ns": 10.0,
    }
    return analyze_power(**settings | changes)


def only(report: PowerReport) -> InstancePower:
    (item,) = report.instances
    return item


A: Waves = {"a": [(0, "0"), (20, "1"), (40, "0"), (60, "1"), (80, "0")]}  # 4 toggles, duty 0.4
B: Waves = {"b": [(0, "1"), (50, "0")]}  # 1 toggle, duty 0.5
Y: Waves = {"y": [(0, "0"), (20, "1"), (40, "0"), (60, "0")]}  # 2 toggles, duty 0.2
W_A, W_B, W_Y = 4e7, 1e7, 2e7  # toggles a second


@pytest.mark.parametrize(
    ("when", "probability"),
    [
        ("A & !B", 0.4 * 0.5),
        ("A * B'", 0.4 * 0.5),
        ("A B'", 0.4 * 0.5),
        ("!A'&B", 0.4 * 0.5),
        ("!(A+B)", 0.6 * 0.5),
        ("(A|B)'", 0.6 * 0.5),
        ("A^B", 0.5),
        ("!A !B + A B", 0.5),
        ("1", 1.0),
        ("0", 0.0),
    ],
)
def test_states_in_every_syntax(tmp_path: Path, when: str, probability: float) -> None:
    cell = f'cell_leakage_power : 0; leakage_power () {{ when : "{when}"; value : 8; }}'
    cell += pin("A") + pin("B")
    report = run(tmp_path, cell, ".A(a), .B(b)", A | B, "input a, b")
    assert only(report).power.leakage_w == pytest.approx(8e-9 * probability)


def test_leakage_of_two_supplies_adds_up(tmp_path: Path) -> None:
    cell = (
        "pg_pin (VDD) { pg_type : primary_power; voltage_name : VDD; }"
        "pg_pin (VIO) { pg_type : primary_power; voltage_name : VIO; }"
        "pg_pin (VSS) { pg_type : primary_ground; voltage_name : VSS; }"
        'leakage_power () { related_pg_pin : VDD; when : "A"; value : 10; }'
        'leakage_power () { related_pg_pin : VDD; when : "!A"; value : 20; }'
        "leakage_power () { related_pg_pin : VIO; value : 5; }"
        "leakage_power () { related_pg_pin : VSS; value : 100; }" + pin("A")
    )
    report = run(tmp_path, cell, ".A(a)", A, "input a")
    assert only(report).power.leakage_w == pytest.approx((10 * 0.4 + 20 * 0.6 + 5) * 1e-9)


def test_leakage_units_and_the_librarys_default(tmp_path: Path) -> None:
    head = HEAD.replace('"1nW"', '"10pW"') + "default_cell_leakage_power : 3;"
    report = run(tmp_path, pin("A"), ".A(a)", A, "input a", head=head)
    assert only(report).power.leakage_w == pytest.approx(30e-12)


def test_both_supplies_of_an_output_count(tmp_path: Path) -> None:
    """Groups of one supply share the toggles, those of another count beside them."""
    body = (
        'function : "A B";'
        + power(6, "A", extra="related_pg_pin : VDD;")
        + power(2, "B", extra="related_pg_pin : VDD;")
        + power(1, "A B", extra="related_pg_pin : VIO;")
    )
    cell = pin("A") + pin("B") + pin("Y", "output", body=body)
    report = run(tmp_path, cell, ".A(a), .B(b), .Y(y)", A | B | Y, "input a, b, output y")
    by_a, by_b = W_A * 0.5, W_B * 0.4  # toggles that pass to y
    mean = (6 * by_a + 2 * by_b) / (by_a + by_b)
    assert only(report).power.internal_w == pytest.approx((mean + 1) * 1e-15 * W_Y)


def test_a_pin_on_another_supply_switches_at_its_voltage(tmp_path: Path) -> None:
    cell = (
        "pg_pin (VIO) { pg_type : primary_power; voltage_name : VIO; }"
        + pin("A", cap=3)
        + pin("Y", "output", body='function : "A"; related_power_pin : VIO;')
    )
    report = run(tmp_path, cell, ".A(y), .Y(y)", Y, "output y")
    assert only(report).power.switching_w == pytest.approx(0.5 * 3e-15 * 4.0**2 * W_Y)


@pytest.mark.parametrize(
    ("table", "energy"),
    [
        # load first: 5 fF of 0..10, slew 0
        ('power (load_slew) { values ("0, 1, 2", "10, 11, 12"); }', 5.0),
        ('rise_power (scalar) { values ("8"); } fall_power (scalar) { values ("2"); }', 5.0),
        ('rise_power (scalar) { values ("8"); }', 4.0),  # a fall without a table is free
        ('power (by_slew) { values ("7, 9"); }', 7.0),
        ('power (by_slew) { index_1 ("1, 2"); values ("7, 9"); }', 5.0),  # beyond its end
        ('power (load_slew) { index_1 ("5"); index_2 ("0"); values ("3"); }', 3.0),
    ],
)
def test_tables_of_every_shape(tmp_path: Path, table: str, energy: float) -> None:
    arc = 'timing () { related_pin : "A"; rise_transition (scalar) { values ("0"); } }'
    body = f'function : "A"; {arc} internal_power () {{ related_pin : "A"; {table} }}'
    cell = pin("A", cap=5) + pin("Y", "output", body=body)
    netlist = tmp_path / "two.v"
    netlist.write_text(
        "module top(input ck, a, output y); C u (.A(a), .Y(y)); C v (.A(y)); endmodule"
    )
    report = run(tmp_path, cell, "", A | Y, "input a", netlist=netlist)
    assert report.instances[0].power.internal_w == pytest.approx(energy * 1e-15 * W_Y)


def test_a_full_adder_has_two_outputs(tmp_path: Path) -> None:
    total = 'function : "(A ^ B)";' + power(4, "A") + power(8, "B")
    carry = 'function : "A B";' + power(2, "A B")
    cell = pin("A") + pin("B") + pin("S", "output", body=total) + pin("CO", "output", body=carry)
    waves = A | B | {"s": Y["y"], "c": B["b"]}
    report = run(tmp_path, cell, ".A(a), .B(b), .S(s), .CO(c)", waves, "input a, b, output s, c")
    sum_energy = (4 * W_A + 8 * W_B) / (W_A + W_B)
    expected = (sum_energy * W_Y + 2 * W_B) * 1e-15
    assert only(report).power.internal_w == pytest.approx(expected)


def test_three_state_half_toggles(tmp_path: Path) -> None:
    body = 'function : "A"; three_state : "!E";' + power(6, "A")
    cell = pin("A") + pin("E") + pin("Y", "output", body=body)
    waves = A | {"e": B["b"], "y": [(0, "0"), (20, "1"), (50, "z")]}
    report = run(tmp_path, cell, ".A(a), .E(e), .Y(y)", waves, "input a, e, output y")
    assert only(report).power.internal_w == pytest.approx(6e-15 * 1.5e7)


def test_an_open_qn_does_what_q_does(tmp_path: Path) -> None:
    outputs = pin("Q", "output", body='function : "IQ";' + power(3, "CK"))
    outputs += pin("QN", "output", body='function : "IQN";' + power(5, "CK"))
    leakage = 'leakage_power () { when : "QN"; value : 10; } cell_leakage_power : 0;'
    waves = {"d": A["a"], "q": Y["y"]}
    cell = leakage + FF + outputs
    report = run(tmp_path, cell, ".CK(ck), .D(d), .Q(q)", waves, "input d, output q")
    assert only(report).power.internal_w == pytest.approx(8e-15 * W_Y)
    assert only(report).power.leakage_w == pytest.approx(10e-9 * 0.8)
    assert report.unannotated_pins == 0
    profile = run(
        tmp_path, cell, ".CK(ck), .D(d), .Q(q)", waves, "input d, output q", window_ns=50.0
    ).profile
    assert profile is not None
    assert profile.power_w == pytest.approx([8e-15 * 2 / 50e-9 + 8e-9, 8e-9])


def test_a_register_with_qn_alone(tmp_path: Path) -> None:
    """The state is told by the inverted output."""
    leakage = 'leakage_power () { when : "IQ & IQN"; value : 7; }'
    leakage += 'leakage_power () { when : "IQ"; value : 10; } cell_leakage_power : 0;'
    output = pin("QN", "output", body='function : "IQN";' + power(5, "CK"))
    waves = {"d": A["a"], "q": Y["y"]}
    report = run(
        tmp_path, leakage + FF + output, ".CK(ck), .D(d), .QN(q)", waves, "input d, output q"
    )
    assert only(report).kind == "sequential"
    assert only(report).power.internal_w == pytest.approx(5e-15 * W_Y)
    assert only(report).power.leakage_w == pytest.approx((10 * 0.8 + 7 * 0.8 * 0.2) * 1e-9)


def test_a_latch_and_a_falling_edge(tmp_path: Path) -> None:
    latch = 'latch (IQ, IQN) { enable : "G\'"; data_in : "D"; }' + pin("D")
    latch += pin("G", body="clock : true;" + power(2, when="D") + power(4, when="!D"))
    latch += pin("Q", "output", body='function : "IQ";' + power(6, "D") + power(9, "G", when="D"))
    waves = {"d": A["a"], "q": Y["y"]}
    report = run(tmp_path, latch, ".G(ck), .D(d), .Q(q)", waves, "input d, output q")
    clock = (2 * 0.4 + 4 * 0.6) * 2e8
    share_d, share_g = W_A * 0.5, 2e8 * 0.4  # causes of a toggle of q: D half the time, G with D
    output = (6 * share_d + 9 * share_g) / (share_d + share_g) * W_Y
    assert only(report).power.internal_w == pytest.approx((clock + output) * 1e-15)


def test_a_tie_cell_and_constants(tmp_path: Path) -> None:
    leakage = 'leakage_power () { when : "A & B"; value : 9; } cell_leakage_power : 1;'
    cell = leakage + pin("A") + pin("B") + pin("Y", "output", body='function : "1";')
    report = run(tmp_path, cell, ".A(1'b1), .B(h), .Y(h)", {"h": [(0, "1")]}, "output h")
    assert only(report).power.leakage_w == pytest.approx(9e-9)
    assert only(report).power.switching_w == 0


def test_a_macro_with_a_bus(tmp_path: Path) -> None:
    head = HEAD + "type (two) { base_type : array; bit_width : 2; bit_from : 1; bit_to : 0; }"
    bus = f"bus (A) {{ bus_type : two; direction : input; capacitance : 1; {power(3, when='CE')} }}"
    cell = (
        "is_macro_cell : true;"
        + bus
        + pin("CE")
        + pin("CK", body="clock : true;" + power(20, when="CE"))
    )
    waves: Waves = {"x [1:0]": [(0, "00"), (10, "01"), (20, "11"), (30, "00")], "e": B["b"]}
    report = run(
        tmp_path, cell, ".A(x), .CE(e), .CK(ck)", waves, "input [1:0] x, input e", head=head
    )
    assert only(report).kind == "macro"
    assert only(report).power.internal_w == pytest.approx((3 * 0.5 * 4e7 + 20 * 0.5 * 2e8) * 1e-15)


def test_no_internal_power_is_none(tmp_path: Path) -> None:
    cell = pin("A", cap=2) + pin("Y", "output", body='function : "A";')
    report = run(tmp_path, cell, ".A(y), .Y(y)", Y, "output y")
    assert only(report).power.internal_w == 0
    assert only(report).power.switching_w == pytest.approx(0.5 * 2e-15 * 4 * W_Y)


def test_names_with_backslashes_hierarchy_and_assigns(tmp_path: Path) -> None:
    netlist = tmp_path / "h.v"
    netlist.write_text(
        """module top(input ck, input a, output [1:0] y);
          wire \\n.x[3] ; wire [1:0] \\v$1 ;
          block \\b[0] (.i(a), .o(\\n.x[3] ));
          C \\u.1 (.A(\\n.x[3] ), .Y(\\v$1 [1]));
          assign y = {\\v$1 [1], 1'b0};
        endmodule
        module block(input i, output o); C c (.A(i), .Y(o)); endmodule
        """
    )
    cell = pin("A") + pin("Y", "output", body='function : "A";' + power(5, "A"))
    waves: Waves = A | {"\\n.x[3] ": Y["y"], "\\v$1 [1:0]": [(0, "00"), (20, "10"), (50, "00")]}
    report = run(tmp_path, cell, "", waves, netlist=netlist)
    found = {item.name: item for item in report.instances}
    assert report.unannotated_pins == 0
    assert found["b[0]/c"].power.internal_w == pytest.approx(5e-15 * W_Y)
    assert found["b[0]/c"].module == "b[0]"
    assert found["u.1"].power.internal_w == pytest.approx(5e-15 * 2e7)


def test_another_clock_period_scales_the_clock_alone(tmp_path: Path) -> None:
    cell = FF.replace("clock : true;", "clock : true;" + power(2)) + pin(
        "Q", "output", body='function : "IQ";'
    )
    ticks = [(n * 5, str(n % 2)) for n in range(20)]
    waves = {"ck": ticks, "d": A["a"], "q": Y["y"]}
    port = "input d, output q"
    same = run(tmp_path, cell, ".CK(ck), .D(d), .Q(q)", waves, port)
    half = run(tmp_path, cell, ".CK(ck), .D(d), .Q(q)", waves, port, period_ns=5.0)
    assert only(half).power.internal_w == pytest.approx(2 * only(same).power.internal_w)
    assert half.to_json()["recorded_clock_period_s"] == pytest.approx(10e-9, rel=0.06)
    assert half.to_json()["clock_period_s"] == pytest.approx(5e-9)
