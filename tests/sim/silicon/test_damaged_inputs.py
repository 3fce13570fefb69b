"""Damaged files of every format that is read here: one line of error or a result, in little time.

Each example takes a small right file and cuts it, flips bytes, repeats or drops lines, or puts
words in that have a meaning in the format.
"""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.liberty.boolean import parse_function, verilog_expression
from consilico.sim.silicon.liberty.cellmodels import cell_model
from consilico.sim.silicon.liberty.merge import read_library_text
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from tests.sim.silicon.activity.test_hostile_activity import SAIF, VCD
from tests.sim.silicon.tiny import LIBRARY

_MOST_CPU_S = 30.0  # a right file takes some milliseconds
_FST = (Path(__file__).parent / "activity" / "fst" / "lz4.fst").read_bytes()
_CELLS = read_liberty([LIBRARY]).cells
_NETLIST = """`timescale 1ns/1ps
module pair(input [1:0] i, output [1:0] o);
  wire t; (* keep *) INV u0 (.A(i[0]), .Y(t));
  INV u1 (.A(i[1]), .Y(o[1]));
  assign o[0] = t;
endmodule
module top(x, y, z);
  input x; output [3:0] y; output z; wire [3:0] y;
  pair p (.i({x, 1'b1}), .o(y[1:0]));
  AND2 #(.P(1)) \\a$1 (.A(x), .B(y[0]), .Y(z));
  assign y[3:2] = {2{1'h1}};
endmodule
"""


def _read_liberty(path: Path) -> None:
    library = read_liberty([path])
    for name in library.cells:
        cell = library.cells[name]
        amounts = [cell.area_um2, cell.leakage_w or 0, *(each.value_w for each in cell.leakage)]
        amounts += [pin.capacitance_f for pin in cell.pins.values()]
        assert np.isfinite(amounts).all()
        assert min(amounts) >= 0
        for pin in cell.pins.values():
            if pin.function is not None:
                parse_function(pin.function)
        for text in (pin.function for pin in cell.pins.values() if pin.function):
            verilog_expression(text)
    read_library_text([path]).render("damaged")
    for name in library.cells:
        cell_model(library.cells[name])


def _read_activity(path: Path) -> None:
    activity = read_activity(path, "tb/dut")
    assert np.isfinite(activity.toggles).all()
    assert (activity.toggles >= 0).all()
    assert activity.duration_s > 0
    assert ((activity.high_s >= 0) & (activity.high_s <= 1.01 * activity.duration_s + 1)).all()
    assert all(0 <= row < len(activity.toggles) for row in activity.signals.values())


def _read_netlist(path: Path) -> None:
    netlist = read_netlist(path, "top", _CELLS)
    for instance in netlist.instances:
        assert all(0 <= net < netlist.net_count for net in instance.pins.values())


_FORMATS: dict[str, tuple[bytes, Callable[[Path], None], list[bytes]]] = {
    "liberty": (
        LIBRARY.read_bytes(),
        _read_liberty,
        b'} { ( ) ; : " \\\n /* */ 1e999 nan -1 = k k=1; cell(A) values("") include_file(x);'.split(
            b" "
        ),
    ),
    "vcd": (
        VCD.encode(),
        _read_activity,
        b"$end $var $scope $upscope #99999999999999999999 #-1 b1 x! r1 $dumpoff $dumpon \0".split(
            b" "
        ),
    ),
    "saif": (
        SAIF.encode(),
        _read_activity,
        b'( ) (INSTANCE (NET (T1 nan -1 1e999 \\ " '.split(b" "),
    ),
    "netlist": (
        _NETLIST.encode(),
        _read_netlist,
        b"{ } [ ] ( ) ; , . 999999999 9'b1 4'hx { {9{ \\ \" ` /* (* module endmodule top".split(
            b" "
        ),
    ),
    "fst": (_FST, _read_activity, [b"\xff" * 8, b"\x80" * 9, b"\0" * 8]),
}


@st.composite
def damaged(draw: st.DrawFn, raw: bytes, words: list[bytes]) -> bytes:
    """The bytes of a file after one to four kinds of damage."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "flip", "word", "repeat", "drop", "swap"]))
        lines = raw.splitlines(keepends=True)
        line = at % max(len(lines), 1)
        if kind == "cut":
            raw = raw[:at]
        elif kind == "flip":
            raw = raw[:at] + bytes([draw(st.integers(0, 255))]) + raw[at + 1 :]
        elif kind == "word":
            raw = raw[:at] + draw(st.sampled_from(words)) + raw[at:]
        elif kind == "repeat":
            raw = b"".join([*lines[: line + 1], *lines[line:]])
        elif kind == "drop":
            raw = b"".join([*lines[:line], *lines[line + 1 :]])
        else:
            other = draw(st.integers(0, max(len(raw) - 1, 0)))
            raw = raw[:at] + raw[other : other + 20] + raw[at:]
    return raw


@contextmanager
def cpu_limit() -> Iterator[None]:
    """Fail after more processor time than any damage can need."""

    def stop(*_: object) -> None:
        raise AssertionError(f"more than {_MOST_CPU_S:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", _FORMATS)
def test_the_right_files_are_read(name: str, tmp_path: Path) -> None:
    raw, read, _ = _FORMATS[name]
    (tmp_path / name).write_bytes(raw)
    read(tmp_path / name)


@pytest.mark.parametrize("name", _FORMATS)
@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_damage_is_one_line_or_a_result(name: str, data: st.DataObject) -> None:
    raw, read, words = _FORMATS[name]
    with tempfile.TemporaryDirectory() as folder, cpu_limit():
        path = Path(folder, name)
        path.write_bytes(data.draw(damaged(raw, words)))
        message = ""
        try:
            read(path)
        except UserError as error:
            message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
