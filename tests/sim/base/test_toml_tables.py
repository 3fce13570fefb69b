"""Users' TOML files: each field is asked for, and what is wrong with it is one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.toml_tables import TomlTable, read_toml


def top(folder: Path, text: str) -> TomlTable:
    path = folder / "file.toml"
    path.write_text(text)
    return read_toml(path, "claim file")


@pytest.mark.parametrize(
    ("text", "ask", "message"),
    [
        ("", lambda t: t.text("a"), "a is missing"),
        ("a = ''", lambda t: t.text("a"), "a must be a text, not ''"),
        ("a = 'x'", lambda t: t.choice("a", ("y", "z")), "a must be one of y, z, not 'x'"),
        ("a = ['y']", lambda t: t.choice("a", ("y",)), "a must be one of y, not ['y']"),
        ("a = 1.5", lambda t: t.integer("a", 0), "a must be a whole number, not 1.5"),
        ("a = true", lambda t: t.integer("a", 0), "a must be a whole number, not True"),
        ("a = 0", lambda t: t.quantity("a"), "a must be a number above 0, not 0"),
        ("a = inf", lambda t: t.quantity("a"), "a must be a number above 0, not inf"),
        ("a = []", lambda t: t.texts("a"), "a must be a list of texts, not []"),
        ("a = 1", lambda t: t.table("a"), "a must be a table, not 1"),
        ("a = 1", lambda t: t.tables("a"), "a must be given as one or more [[a]] tables"),
        ("a = 1\nb = 2", lambda t: (t.quantity("a"), t.done()), "b is unknown; accepted: a"),
        ("[[a]]\nb = [{c = 1}]", lambda t: t.tables("a")[0].tables("b")[0].text("c"),
         "a 1.b 1.c must be a text, not 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_field_is_one_line(
    text: str, ask: Callable[[TomlTable], Any], message: str, tmp_path: Path
) -> None:
    table = top(tmp_path, text)
    with pytest.raises(UserError) as caught:
        ask(table)
    assert str(caught.value) == f"{table.path}: {message}"


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    table = top(tmp_path, "")
    assert (table.text("a", "x"), table.integer("b", 3)) == ("x", 3)
    assert (table.number("c", optional=True), table.table("d")) == (None, [])
    assert table.choice("e", ("y",), "y") == "y"


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"file\.toml is not TOML: "):
        top(tmp_path, "= 1")
    with pytest.raises(UserError, match=r"^cannot read the claim file .*: "):
        read_toml(tmp_path / "none.toml", "claim file")
