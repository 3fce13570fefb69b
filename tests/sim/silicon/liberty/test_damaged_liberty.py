"""A Liberty file that cannot serve is refused in one line that names it and what is wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit, liberty_kit
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.small import BASE, BUF, DFF, HEAD, INV, LATCH, cell, write

Damage = Callable[[bytes], bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("a.lib", lambda raw: b"", "a.lib:1: the Liberty file is empty"),
        ("a.lib", lambda raw: b" \n", "a.lib:1: the Liberty file is empty"),
        ("a.lib", lambda raw: raw[: len(raw) // 2], "damaged or cut"),
        ("a.lib", lambda raw: raw[: raw.index(b"cell (DFF)")], "never closed"),
        ("a.lib", lambda raw: bytes(range(256)) * 40, "a Liberty file begins with library"),
        ("a.lib", lambda raw: b"module top; endmodule", "a Liberty file begins with library"),
        ("a.lib", lambda raw: raw.replace(b"}\n", b"} }\n", 1), "a.lib:"),
        ("a.lib.gz", lambda raw: gzip.compress(raw)[:-20], "cannot read the Liberty file"),
        (
            "a.lib.gz",
            lambda raw: gzip.compress(raw)[:-8] + b"12345678",
            "compressed data are damaged",
        ),
        ("a.lib.gz", lambda raw: b"\x1f\x8b" + raw, "cannot read the Liberty file"),
        ("a.lib.gz", lambda raw: gzip.compress(b""), "the Liberty file is empty"),
        ("a.lib", lambda raw: raw.replace(b"0.05", b"0.0x"), "0.0x"),
        ("a.lib", lambda raw: raw.replace(b'function : "!A"', b'function : "!A +"'), "!A +"),
        (
            "a.lib",
            lambda raw: raw.replace(b"nom_voltage : 1.2;", b""),
            "a.lib:1: library small states no voltage",
        ),
        ("a.lib", lambda raw: raw.replace(b'"1ns"', b'"1parsec"'), "unknown unit"),
        ("a.lib", lambda raw: raw.replace(b"area :", b"size :"), "give no cell an area"),
        ("a.lib", lambda raw: raw.replace(b"area : ", b"area : 0; was : "), "give no cell an area"),
        ("a.lib", lambda raw: raw.replace(b"area", b"dont_use : true; area"), "no cell to choose"),
        ("a.lib", lambda raw: raw.replace(b"cell_rise", b"rise"), "no delay tables"),
    ],
)
def test_a_damaged_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Damage, says: str
) -> None:
    good = write(tmp_path / "good.lib", *BASE).read_bytes()
    path = tmp_path / name
    path.write_bytes(damage(good))
    assert main(["implement", "consmax/log2", "--liberty", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert line.startswith("consilico: ")


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ((BUF, DFF, LATCH), "no inverter"),
        ((INV, BUF, LATCH), "no flip-flop to map registers to"),
        ((INV, BUF, DFF), "no latch, which clock gates need"),
        ((INV, BUF, LATCH, DFF.replace('"CK"', '"CK D"')), "no flip-flop"),
        ((), "has no cells"),
    ],
)
def test_what_a_library_lacks_is_named(tmp_path: Path, cells: tuple[str, ...], says: str) -> None:
    with pytest.raises(UserError, match=says):
        liberty_kit([write(tmp_path / "a.lib", *cells)])


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.lib: No such file or directory$"):
        liberty_kit([tmp_path / "x.lib"])
    with pytest.raises(UserError, match="it is a folder"):
        liberty_kit([tmp_path])


def test_what_a_file_is_matters_not_what_its_name_ends_in(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.lib.gz", *BASE)
    packed = tmp_path / "packed.lib"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert liberty_kit([plain]).roles == liberty_kit([packed]).roles
    texts = [liberty_kit([path]).mapping_liberty.read_text() for path in (plain, packed)]
    assert texts[0] == texts[1]


def test_several_files_are_one_library(tmp_path: Path) -> None:
    logic = write(tmp_path / "logic.lib", INV, BUF)
    state = write(tmp_path / "state.lib", DFF, LATCH, INV)  # the same again: no contradiction
    kit = liberty_kit([logic, state])
    assert kit.roles["latch_high"].cell == "LATCH"
    merged = kit.mapping_liberty.read_text()
    assert merged.count("cell (") == 4


def test_a_cell_that_two_files_define_differently_is_refused(tmp_path: Path) -> None:
    logic = write(tmp_path / "logic.lib", *BASE)
    other = write(tmp_path / "other.lib", cell("INV", 99, A="", Y="!A"))
    with pytest.raises(UserError, match=r"other\.lib:5: cell INV: defined at .*logic\.lib:5, too"):
        liberty_kit([logic, other])
    with pytest.raises(UserError, match=r"other\.lib:5: cell INV: defined at .*logic\.lib:5, too"):
        read_liberty([logic, other])


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('time_unit : "1ns"', 'time_unit : "1ps"', r"time_unit 1ns, .*b\.lib has 1ps"),
        ("(1, ff)", "(1, pf)", "capacitive_load_unit 1 ff"),
        ("nom_voltage : 1.2", "nom_voltage : 1.1", "nom_voltage 1.2"),
        ("time_unit", 'lu_table_template (t) { index_1 ("1"); } time_unit', "template t"),
    ],
)
def test_files_that_do_not_go_together_are_refused(
    tmp_path: Path, before: str, after: str, says: str
) -> None:
    template = 'lu_table_template (t) { index_1 ("2"); }'
    first = write(tmp_path / "a.lib", INV, BUF, head=HEAD + template)
    second = write(tmp_path / "b.lib", DFF, LATCH, head=HEAD.replace(before, after))
    with pytest.raises(UserError, match=says):
        liberty_kit([first, second])
    same = write(tmp_path / "b.lib", DFF, LATCH, head=HEAD.replace("(1, ff)", "(1.0,fF)"))
    assert liberty_kit([first, same]).roles


def test_a_kit_or_liberty_files_but_not_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(tmp_path / "a.lib", *BASE))
    assert main(["implement", "consmax/log2", "--pdk", "nangate45", "--liberty", path]) == 2
    assert "--pdk and --liberty exclude each other" in capsys.readouterr().err


def test_liberty_files_given_to_implement_become_its_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kits: list[Kit] = []

    def implement(unit: object, config: object, kit: Kit, *_: object, **__: object) -> None:
        kits.append(kit)
        raise UserError("far enough")

    monkeypatch.setattr("consilico.sim.silicon.implement.implement", implement)
    logic = write(tmp_path / "logic.lib", INV, BUF)
    state = write(tmp_path / "state.lib", DFF, LATCH)
    files = ["--liberty", str(logic), "--liberty", str(state)]
    assert main(["implement", "consmax/log2", *files]) == 2
    assert "far enough" in capsys.readouterr().err
    (kit,) = kits
    assert kit.liberty == (logic, state)
    assert kit.roles["latch_high"].cell == "LATCH"
