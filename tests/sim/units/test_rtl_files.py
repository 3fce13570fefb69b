"""The checked-in Verilog: written from the catalogue, and any difference found."""

from pathlib import Path

import pytest

from consilico.sim.units import rtl_files
from consilico.sim.units.rtl_files import differences, generate, main, write

FILES = {"a.v": "module a;\nendmodule\n", "b.v": "module b;\nendmodule\n"}


def test_what_was_written_shows_no_difference(tmp_path: Path) -> None:
    (tmp_path / "stale.v").write_text("")
    (tmp_path / "notes.md").write_text("stays")
    write(tmp_path, FILES)
    assert differences(tmp_path, FILES) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.v", "b.v", "notes.md"]


def test_a_missing_a_changed_and_a_stale_file_are_each_named(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / "a.v").unlink()
    (tmp_path / "b.v").write_bytes(FILES["b.v"].replace("\n", "\r\n").encode())
    (tmp_path / "c.v").write_text("module c;\nendmodule\n")
    assert differences(tmp_path, FILES) == [
        f"{tmp_path}/a.v: is missing",
        f"{tmp_path}/b.v: differs from what the generator writes",
        f"{tmp_path}/c.v: belongs to no unit",
    ]


def test_checking_fails_and_changes_nothing_until_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rtl_files, "generate", lambda: FILES)
    folder = ["--folder", str(tmp_path)]
    assert main(["--check", *folder]) == 1
    assert "a.v: is missing; `make rtl` mends it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(folder) == 0
    assert main(["--check", *folder]) == 0


@pytest.mark.exhaustive  # `make rtl-check` writes them all, too
def test_every_unit_has_a_file_with_its_module() -> None:
    files = generate()
    assert {"consmax_log2.v", "consmax_split.v"} <= set(files)
    for name, text in files.items():
        assert f"module {Path(name).stem}(" in text
