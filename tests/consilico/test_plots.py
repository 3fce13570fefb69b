"""``--plot PATH``: the same option on every command that has a picture to show."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from consilico.cli import app, main
from consilico.sim.silicon.sweep import ClockSweep

Fake = Callable[[str, Any], list[tuple[Any, ...]]]
COMMANDS = {  # with arguments that answer quickly, where there are any
    "memory": ["--model", "llama-60m"],
    "memory-sweep": ["--model", "llama-60m", "--batches", "1..4"],
    "training-hw": ["--model", "llama-60m"],
    "system": ["--model", "llama-60m", "--context", "64"],
    "explore": [str(Path(__file__).with_name("small_space.toml"))],
    "estimate": ["consmax/log2"],
    "buffer": ["--words", "64", "--bits", "8"],
    "scale": ["--from", "nangate45", "--to", "asap7", "--area-um2", "1000"],
    "accuracy": None,
    "compare": None,
    "implement": None,
    "sweep": None,
    "power": None,
}
QUICK = {name: arguments for name, arguments in COMMANDS.items() if arguments is not None}


def test_the_option_is_spelled_the_same_everywhere() -> None:
    group = typer.main.get_command(app)
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }
    assert {name for name, names in options.items() if "--plot" in names} == set(COMMANDS)
    assert not any({"--png", "--chart", "--svg"} & names for names in options.values())


@pytest.mark.parametrize("command", QUICK)
def test_a_picture_is_drawn_and_the_answer_stays_as_it_was(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command, *QUICK[command], "--json", "-"]
    assert main(arguments) == 0
    without = capsys.readouterr().out
    picture = tmp_path / "picture.svg"
    assert main([*arguments, "--plot", str(picture)]) == 0
    assert capsys.readouterr().out == without
    text = picture.read_text()
    assert "<svg" in text
    assert text.rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("ending", "begin"),
    [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".html", b"<!DOCTYPE html>"), (".PNG", b"\x89PNG")],
)
def test_the_ending_is_the_format(ending: str, begin: bytes, tmp_path: Path) -> None:
    picture = tmp_path / f"picture{ending}"
    assert main(["buffer", *QUICK["buffer"], "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["picture.bmp", "picture", "png"])
def test_another_ending_is_refused_before_any_work(
    name: str, fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake("consilico.sim.silicon.implement.implement", {})
    assert main(["implement", "consmax/log2", "--plot", str(tmp_path / name)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert str(tmp_path / name) in line
    assert ".png, .svg, .pdf, .html" in line
    assert calls == []


def test_a_sweep_is_drawn(fake: Fake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = {"clock_ns": 2.0, "area_um2": 900.0, "path_ns": 1.4, "recipe": "area"}
    point = found | {"meets_clock": True, "tried": {"area": {"area_um2": 900.0, "path_ns": 1.4}}}
    conditions = {
        "pdk": "nangate45", "corner": "typical", "voltage_v": 1.1, "assumptions": {}, "tools": {},
        "verilog_sha256": "0",
    }  # fmt: skip
    swept = ClockSweep.from_json({**conditions, "points": [point], "pareto": [found]})
    fake("consilico.sim.silicon.sweep.sweep", swept)
    picture = tmp_path / "sweep.svg"
    arguments = ["sweep", "consmax/log2", "--jobs", "1", "--plot", str(picture), "--json", "-"]
    assert main(arguments) == 0
    assert json.loads(capfd.readouterr().out)["points"] == [point]
    assert "<svg" in picture.read_text()
