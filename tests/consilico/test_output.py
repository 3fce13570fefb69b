"""What commands print: tables on a terminal and in a pipe."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from consilico.commands.output import emit, print_table

LONG = "a" * 70


def test_a_table_in_a_pipe_has_no_edge(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table(f"title {LONG} {LONG}", ("name", "figure"), [(f"{LONG} {LONG}", "1")], (1,))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"title {LONG} {LONG}"
    assert any(f"{LONG} {LONG}" in line and line.endswith("1") for line in lines)
    assert lines == [line.rstrip() for line in lines]


def test_a_table_on_a_terminal_is_folded_to_its_width() -> None:
    code = (
        "from consilico.commands.output import print_table\n"
        f"print_table('title', ('name', 'figure'), [('{LONG} {LONG}', '1')], (1,))"
    )
    terminal, other_end = pty.openpty()
    environment = os.environ | {"COLUMNS": "60", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stdout=other_end, env=environment, check=True)
    os.close(other_end)
    shown = b""
    with suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).splitlines()
    assert max(len(line) for line in lines) <= 60
    assert sum(line.count("a") for line in lines) >= 2 * len(LONG)  # nothing is cut off


def test_what_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("[bold]title", ("[red]name",), [("acc[3:0] [/] [x]",)])
    out = capsys.readouterr().out
    assert "[bold]title" in out
    assert "[red]name" in out
    assert "acc[3:0] [/] [x]" in out


def test_what_is_no_number_is_not_written_as_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        emit("test/1", {"power_w": float("nan")}, "-", lambda: None)
