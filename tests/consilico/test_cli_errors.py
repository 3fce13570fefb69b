"""The command line when something is wrong: one line on standard error, the right exit status."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
UNIT = "consmax/log2"
Fake = Callable[[str, Any], list[tuple[Any, ...]]]


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "consilico.cli", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


def _one_line(text: str) -> str:
    """The only line of ``text``, which names the program and shows no traceback."""
    assert text.count("\n") == 1, text
    assert text.startswith("consilico: ")
    return text.removeprefix("consilico: ").strip()


def test_power_names_the_file_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, absent = tmp_path / "there", tmp_path / "absent"
    there.write_text("")
    files = ["--netlist", str(there), "--liberty", str(there), "--liberty", str(absent)]
    others = ["--top", "dut", "--scope", "tb/dut", "--clock", "clk", "--period-ns", "2"]
    assert main(["power", *files, "--activity", str(there), *others]) == 2
    assert _one_line(capsys.readouterr().err) == (
        f"cannot read the Liberty file {absent}: No such file or directory"
    )


@pytest.mark.parametrize("place", ["/dev/zero", "/"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["power", "--netlist", "PLACE", "--liberty", "FILE", "--activity", "FILE"],
        ["power", "--netlist", "FILE", "--liberty", "PLACE", "--activity", "FILE"],
        ["power", "--netlist", "FILE", "--liberty", "FILE", "--activity", "PLACE"],
        ["activity", "PLACE", "--scope", "tb/dut", "-o", "OUTPUT"],
        ["sweep", "--rtl", "PLACE", "--top", "dut", "--clocks", "4"],
        ["memory", "--model", "PLACE"],
        ["implement", UNIT, "--pdk", "PLACE", "--clock-ns", "4"],
    ],
)
def test_input_that_never_ends_or_is_no_file_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], place: str
) -> None:
    (tmp_path / "file").write_text("")
    link = tmp_path / "link.toml"  # a kit is told by the ending of its name
    link.symlink_to(place)
    put = {"FILE": str(tmp_path / "file"), "PLACE": str(link), "OUTPUT": str(tmp_path / "x.saif")}
    given = [put.get(argument, argument) for argument in arguments]
    if given[0] == "power":
        given += ["--top", "dut", "--scope", "tb/dut", "--clock", "clk", "--period-ns", "2"]
    assert main(given) == 2
    line = _one_line(capsys.readouterr().err)
    assert str(link) in line
    problems = ("it is a device", "it is a folder", "config.json: No such file")
    assert any(problem in line for problem in problems), line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["command"]),
        (["synthesize"], ["synthesize"]),
        (["verify"], ["UNIT"]),
        (["verify", UNIT, "--sim", "vcs"], ["--sim", "vcs", "icarus", "verilator"]),
        (["verify", UNIT, "--seed", "x"], ["--seed", "integer"]),
        (["verify", UNIT, "--speed", "1"], ["--speed"]),
        (["verify", "softplus"], ["unknown unit 'softplus'", UNIT]),
        (["generate", UNIT, "--set", "lanes"], ["--set takes field=value, not 'lanes'"]),
        (["generate", UNIT, "--set", "lane=1"], ["unknown field 'lane'", "lanes"]),
        (["generate", UNIT, "--set", "lanes=0"], ["lanes must be an integer in [1, ", "not 0"]),
        (["generate", UNIT, "--set", "lanes=2", "--set", "lanes=3"], ["lanes is given twice"]),
        (["generate", UNIT, "-o", "-", "--json", "-"], ["--output and --json cannot both go"]),
        (["implement", UNIT, "--clock-ns", "0"], ["clock_ns", "0.001 to", "not 0"]),
        (["implement", UNIT, "--clock-ns", "nan"], ["clock_ns", "nan"]),
        (["sweep", UNIT, "--clocks", "4,0"], ["clocks_ns", "0.001 to", "not 0"]),
        (["sweep", UNIT, "--clocks", "4", "--resolution", "0"], ["resolution", "not 0"]),
        (["sweep", UNIT, "--clocks", "4", "--traffic", "model"], ["--traffic", "--energy"]),
        (["sweep", UNIT, "--clocks", "4", "--clock", "ck"], ["--clock", "for --rtl"]),
        (["sweep", UNIT, "--csv", "-", "--json", "-"], ["--csv and --json cannot both go"]),
        (["sweep", "--rtl", "x.v", "--top", "x", "--traffic", "model"], ["--traffic", "for units"]),
        (
            ["estimate", "matmul/dot", "--operand", "x=0.2", "--operand", "x=0.4"],
            ["x is given twice"],
        ),
        (
            ["memory-sweep", "--model", "gpt2", "--batches", "1..999999999999"],
            ["--batches", "65,536"],
        ),
        (["memory", "--model", "gpt2", "--rank", "8"], ["rank must be 0 with adamw", "not 8"]),
        (
            ["sweep", "--rtl", "x.v", "--top", "x", "--define", "A=1", "--define", "A=2"],
            ["--define A is given twice"],
        ),
        (["report", "-o", ""], ["-o", "name of the folder is empty"]),
        (["report", "--jobs", "0"], ["--jobs", "greater than or equal to 1"]),
        (["pdk"], ["Missing command", "pdk --help"]),
        (
            ["implement", UNIT, "--traffic", "x"],
            ["no traffic 'x'", "model", "normal", "synthetic"],
        ),
        (["implement", UNIT, "--pdk", "sky999"], ["sky999", "nangate45"]),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(
    arguments: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    line = _one_line(captured.err)
    assert all(word in line for word in words), line
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("iverilog is not there:\n install it"), "iverilog is not there: install it"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a.lib"), "a.lib: Permission denied"),
        (EOFError("Compressed file ended early"), "Compressed file ended early"),
        (
            ModuleNotFoundError("No module named 'yaml'", name="yaml"),
            "Python package yaml is missing; `consilico doctor` says more",
        ),
        (
            ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"),
            "consilico verify needs the extra 'verify': pip install 'consilico[verify]'",
        ),
    ],
)
def test_what_goes_wrong_on_the_way_is_one_line_and_keeps_earlier_results(
    fake: Fake,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
) -> None:
    earlier = tmp_path / "x.json"
    earlier.write_text("earlier")
    fake("consilico.sim.rtlsim.verify.verify", error)
    assert main(["verify", UNIT, "--json", str(earlier)]) == 2
    out, err = capfd.readouterr()
    assert err.splitlines()[-1] == f"consilico: {line}"
    assert "Traceback" not in err
    assert out == ""
    assert earlier.read_text() == "earlier"


def test_an_error_of_our_own_is_not_disguised(
    fake: Fake,
) -> None:
    fake("consilico.sim.rtlsim.verify.verify", ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["verify", UNIT])


def test_an_interrupt_is_status_130(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake("consilico.sim.rtlsim.verify.verify", KeyboardInterrupt())
    assert main(["verify", UNIT]) == 130
    assert capfd.readouterr().err.splitlines()[-1] == "consilico: interrupted"


def test_a_json_file_below_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["list", "--json", str(tmp_path / "file" / "x.json")]) == 2
    assert "cannot write" in _one_line(capsys.readouterr().err)


OUTPUTS = [
    ["list", "--json", "PLACE"],
    ["generate", UNIT, "-o", "PLACE"],
    ["memory", "--model", "gpt2", "--plot", "PLACE"],
]


@pytest.mark.parametrize("arguments", OUTPUTS, ids=lambda arguments: arguments[0])
def test_a_device_that_a_link_leads_to_is_written_and_stays_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    link = tmp_path / "link.png"  # the format of a picture is told by its ending
    link.symlink_to("/dev/full")
    assert main([str(link) if word == "PLACE" else word for word in arguments]) == 2
    assert f"cannot write {link}: No space left" in _one_line(capsys.readouterr().err)
    assert link.is_symlink()
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("arguments", OUTPUTS, ids=lambda arguments: arguments[0])
def test_a_pipe_gets_what_a_file_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    file, pipe = tmp_path / "file.svg", tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    assert main([str(file) if word == "PLACE" else word for word in arguments]) == 0
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        received: list[bytes] = []
        thread = threading.Thread(target=lambda: received.append(reader.communicate()[0]))
        thread.start()
        assert main([str(pipe) if word == "PLACE" else word for word in arguments]) == 0
        thread.join()
    assert received == [file.read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full exists only on Linux")
@pytest.mark.parametrize("command", ["list", "generate"])  # less, more than a buffer holds
def test_a_full_disk_behind_standard_output_is_one_line(command: str) -> None:
    arguments = ["list"] if command == "list" else ["generate", UNIT, "--set", "lanes=16"]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "consilico.cli", *arguments],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert _one_line(run.stderr) == "No space left on device"
    assert run.returncode == 2


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        run = subprocess.run(
            [sys.executable, "-m", "consilico.cli", "list"],
            cwd=ROOT,
            stdout=broken,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (run.returncode, run.stderr) == (1, "")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_so_and_leaves_nothing(
    tmp_path: Path, by: signal.Signals
) -> None:
    yosys, temporary = tmp_path / "yosys", tmp_path / "tmp"
    yosys.write_text(  # it may write to its own folder only
        "#!/bin/sh\n[ $1 = -V ] && exec echo Yosys 0.99\n"
        "echo $$ > pid && mv pid started && exec sleep 600\n"
    )
    yosys.chmod(0o755)
    (tmp_path / "x.v").write_text("module x(input a, output y); assign y = ~a; endmodule")
    temporary.mkdir()
    settings = {"YOSYS_EXE": str(yosys), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "consilico", "sweep", "--rtl", str(tmp_path / "x.v")]
    with subprocess.Popen(
        [*command, "--top", "x", "--clocks", "4"],
        env=os.environ | settings | {"CONSILICO_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        while not (started := [*temporary.rglob("started")]) and run.poll() is None:
            time.sleep(0.01)
        process = started[0].read_text().strip()
        run.send_signal(by)
        _, printed = run.communicate()
    assert run.returncode == 130
    assert printed.splitlines()[-1] == "consilico: interrupted"
    assert list(temporary.iterdir()) == []
    assert not Path(f"/proc/{process}").exists()


def test_a_name_that_is_not_utf_8_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / os.fsdecode(b"\xff.v")
    file.write_text("module x(input a, output y); assign y = ~a; endmodule")
    assert main(["estimate", "--rtl", str(file), "--top", "x"]) == 2
    line = _one_line(capsys.readouterr().err)
    assert line.startswith("a name that is not UTF-8 cannot be used here: ")
    assert r"\udcff.v" in line


def test_a_model_whose_name_is_not_utf_8_is_shown_and_not_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / os.fsdecode(b"m\xff.json")
    config.write_text(
        '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128,'
        ' "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}'
    )
    picture = tmp_path / "x.svg"
    run = _run("memory", "--model", str(config), PYTHONIOENCODING="utf-8:strict")
    assert (run.returncode, run.stdout[:2]) == (0, "m?")
    assert main(["memory", "--model", str(config), "--plot", str(picture)]) == 2
    assert "not UTF-8" in _one_line(capsys.readouterr().err)
    assert not picture.exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_has_no_lines_of_a_table_gets_the_table(encoding: str) -> None:
    run = _run("memory", "--model", "gpt2", PYTHONIOENCODING=encoding)
    assert (run.returncode, run.stderr) == (0, "")
    assert "\nPeak " in run.stdout


def test_a_dash_is_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", UNIT]) == 0
    verilog = capsys.readouterr().out
    assert main(["generate", UNIT, "-o", "-"]) == 0
    assert capsys.readouterr().out == verilog
    assert list(tmp_path.iterdir()) == []


def test_the_program_s_exit_status_is_main_s() -> None:
    run = _run("list", "--unknown")
    assert run.returncode == 2
    assert "--unknown" in _one_line(run.stderr)


def test_an_output_that_is_an_input_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave = (
        "$timescale 1ns $end $scope module tb $end $var wire 1 ! a $end $upscope $end"
        " $enddefinitions $end\n#0\n0!\n#5\n1!\n#10\n0!\n"
    )
    path = tmp_path / "a.vcd"
    path.write_text(wave)
    assert main(["activity", str(path), "--scope", "tb", "-o", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"consilico: cannot write {path}: it is what was read; accepted: another file\n"
    )
    assert path.read_text() == wave
    assert main(["activity", str(path), "--scope", "tb", "-o", str(tmp_path / "a.saif")]) == 0
