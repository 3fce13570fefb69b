"""SDF files are read as they are meant, and what is damaged is refused in one line."""

import gzip
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.timing.sdf import Arc, Sdf, Span, read_sdf

HEAD = '(DELAYFILE (SDFVERSION "3.0") (DESIGN "top") (DIVIDER /) (TIMESCALE 1ns)'


def sdf(tmp_path: Path, *delays: str, head: str = HEAD, instance: str = "u1") -> Sdf:
    """Read a file with some delays of one instance."""
    path = tmp_path / "delays.sdf"
    path.write_text(
        f'{head}\n(CELL (CELLTYPE "X")\n (INSTANCE {instance})\n'
        f" (DELAY (ABSOLUTE {' '.join(delays)})))\n)\n"
    )
    return read_sdf(path)


def arcs(tmp_path: Path, *delays: str) -> list[Arc]:
    return sdf(tmp_path, *delays).arcs["u1"]


@pytest.mark.parametrize(
    ("values", "span"),
    [
        ("(0.1) (0.2)", Span(100.0, 200.0)),
        ("(0.3)", Span(300.0, 300.0)),
        ("(0.1:0.2:0.3) (0.4::0.5)", Span(300.0, 500.0)),
        ("(0.1:0.2:) (:0.4:)", Span(200.0, 400.0)),
        ("( 0.1 : 0.2 : 0.3 ) (0.4)", Span(300.0, 400.0)),
        ("() (0.4)", Span(None, 400.0)),
        ("(0.1) ()", Span(100.0, None)),
        ("(-0.01) (1e-2)", Span(-10.0, 10.0)),
        ("(0.1) (0.2) (0.3) (0.4) (0.5) (0.6)", Span(100.0, 200.0)),  # to and from z
        ("((0.1) (0.01) (0.02)) ((0.2) (0.01) (0.02))", Span(100.0, 200.0)),  # limits of pulses
        ("(RETAIN (0.05) (0.06)) (0.1) (0.2)", Span(100.0, 200.0)),
    ],
)
def test_values_of_an_arc(values: str, span: Span, tmp_path: Path) -> None:
    assert arcs(tmp_path, f"(IOPATH A Z {values})") == [Arc("A", "Z", span)]


@pytest.mark.parametrize(
    ("condition", "expression"),
    [
        ("B", "B"),
        ("~B", "!B"),
        ("B == 1'b1", "B"),
        ("B==1'b0", "!B"),
        ("(B === 1'b0)", "(!B)"),
        ("(B1 == 1'b1) && (C0 == 1'b0)", "(B1) & (!C0)"),
        ("B == 1 || !C", "B | !C"),
        ('"state 1" B', "B"),
    ],
)
def test_conditions_become_expressions_of_liberty(
    condition: str, expression: str, tmp_path: Path
) -> None:
    (arc,) = arcs(tmp_path, f"(COND {condition} (IOPATH A Z (0.1)))")
    assert arc.condition == expression


def test_several_arcs_of_one_pair_keep_their_order_and_edges(tmp_path: Path) -> None:
    found = arcs(
        tmp_path,
        "(COND B (IOPATH A Z (0.1)))",
        "(CONDELSE (IOPATH A Z (0.2)))",
        "(IOPATH (posedge CK) Z (0.3))",
    )
    assert [(arc.condition, arc.edge, arc.delay.rise_ps) for arc in found] == [
        ("B", None, 100.0),
        (None, None, 200.0),
        (None, "posedge", 300.0),
    ]


def test_wires_are_known_by_the_pin_that_they_lead_to(tmp_path: Path) -> None:
    found = sdf(
        tmp_path,
        "(IOPATH A Z (0.1))",
        "(INTERCONNECT x/Z y/A (0.01) (0.02))",
        "(INTERCONNECT w/Z y/A (0.03) (0.01))",
        "(PORT A (0.005))",
    )
    assert found.wires == {"u1/y/A": Span(30.0, 20.0), "u1/A": Span(5.0, 5.0)}


@pytest.mark.parametrize(
    ("scale", "picoseconds"), [("1ns", 1000.0), ("100 ps", 100.0), ("10.0ps", 10.0), ("1us", 1e6)]
)
def test_the_time_scale_counts(scale: str, picoseconds: float, tmp_path: Path) -> None:
    head = HEAD.replace("1ns", scale)
    (arc,) = sdf(tmp_path, "(IOPATH A Z (1))", head=head).arcs["u1"]
    assert arc.delay.rise_ps == pytest.approx(picoseconds)


@pytest.mark.parametrize(
    ("divider", "written", "name"),
    [("/", "a/b/u1", "a/b/u1"), (".", "a.b.u1", "a/b/u1"), ("/", r"a/u\[3\]", "a/u[3]")],
)
def test_names_are_those_of_the_netlist(
    divider: str, written: str, name: str, tmp_path: Path
) -> None:
    head = HEAD.replace("DIVIDER /", f"DIVIDER {divider}")
    assert list(sdf(tmp_path, "(IOPATH A Z (1))", head=head, instance=written).arcs) == [name]


def test_comments_checks_and_gzip_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "delays.sdf.gz"
    text = (
        f"// a tool wrote this )\n{HEAD}/* ( */\n"
        '(CELL (CELLTYPE "DFF") (INSTANCE u1) (DELAY (ABSOLUTE (IOPATH CK Q (0.1))))\n'
        " (TIMINGCHECK (SETUP D (posedge CK) (0.05)))))\n"
    )
    path.write_bytes(gzip.compress(text.encode()))
    assert read_sdf(path).arcs == {"u1": [Arc("CK", "Q", Span(100.0, 100.0))]}


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        ("(IOPATH A Z (fast))", "'fast' is no delay; accepted: a number or min:typ:max"),
        ("(IOPATH A Z (nan))", "'nan' is no delay; accepted: a number or min:typ:max"),
        ("(IOPATH A Z (1e300))", "'1e300' is no delay; accepted: a number or min:typ:max"),
        ("(IOPATH A Z)", "a delay without a value"),
        ("(IOPATH (anyedge A) Z (1))", "IOPATH begins at '(anyedge A)'; accepted: a pin"),
        ("(DEVICE Z (1))", "DEVICE is not understood; accepted: IOPATH, INTERCONNECT and PORT"),
        ("(COND A == B (IOPATH A Z (1)))", "cannot read the condition 'A == B'"),
        ("(COND $stop; (IOPATH A Z (1)))", "cannot read the condition '$stop;'"),
        ("fast", "'fast' is no delay"),
    ],
)
def test_a_delay_that_is_not_understood_is_refused(
    delay: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        sdf(tmp_path, "(IOPATH A Z (1))", delay)
    assert str(caught.value).startswith(f"{tmp_path / 'delays.sdf'}, line 2: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no SDF file: it does not begin with (DELAYFILE"),
        ("*SPEF", "is no SDF file: it does not begin with (DELAYFILE"),
        (HEAD, "line 1: the file ends within what begins here"),
        (f"{HEAD}))", "line 1: text behind the end of DELAYFILE"),
        (f"{HEAD}\n(CELL (DELAY (ABSOLUTE (IOPATH", "line 2: the file ends within what begins"),
        (f"{HEAD})", "has no delay of a cell (IOPATH)"),
        (f"{HEAD} (TIMESCALE 3ns))", "line 1: TIMESCALE is '3ns'; accepted: such as 1ns or 100ps"),
        (f"{HEAD} (DIVIDER :))", "line 1: DIVIDER is ':'; accepted: / or ."),
        (f"{HEAD} (CELL (INSTANCE *)))", "line 1: INSTANCE is *; accepted: one instance"),
        (f"{HEAD} (CELL (DELAY (ABSOLUTE))))", "line 1: a CELL without INSTANCE"),
        (
            f"{HEAD} (CELL (INSTANCE u1) (DELAY (INCREMENT (IOPATH A Z (1))))))",
            "line 1: delays are given as INCREMENT; accepted: ABSOLUTE",
        ),
        (f"{HEAD} {'(' * 100}", "line 1: parentheses more than 50 deep"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "delays.sdf"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_sdf(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
