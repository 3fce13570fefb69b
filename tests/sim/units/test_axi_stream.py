"""Ports of AXI-Stream: names, whole bytes, and the same unit behind them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from consilico.cli import main
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.axi_stream import axi_verilog
from consilico.sim.units.catalogue import find_unit, verilog_file


def test_the_unit_s_own_module_is_unchanged() -> None:
    unit = find_unit("consmax/log2")
    text, top = axi_verilog(unit, unit.config())
    assert text.startswith(verilog_file(unit, unit.config()))
    assert top == "consmax_log2_axis"


@pytest.mark.parametrize("name", ["consmax/log2", "matmul/dot", "training/stochastic_round"])
def test_a_unit_compiles_behind_axi_stream(name: str, tmp_path: Path) -> None:
    unit = find_unit(name)
    text, top = axi_verilog(unit, unit.config())
    file = tmp_path / "unit.v"
    file.write_text(text)
    command = ["iverilog", "-g2012", "-Wall", "-s", top, "-o", "/dev/null", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wrapper = text[text.index(f"module {top} ") :].count("\n")
    lines = text.count("\n")
    said = [
        line
        for line in done.stderr.splitlines()
        if line.startswith(f"{file}:")
        and int(line.split(":")[1]) > lines - wrapper
        and "timescale" not in line
    ]
    assert said == []


def test_tdata_has_whole_bytes_and_zeros_above_the_payload() -> None:
    unit = find_unit("consmax/log2")
    text, _ = axi_verilog(
        unit, unit.config.from_text([("lanes", "2")])
    )  # 18 bits in, 34 out, 35 of configuration
    assert "input wire [23:0] s_axis_tdata" in text
    assert "output wire [39:0] m_axis_tdata" in text
    assert "assign m_axis_tdata[39:34] = 6'd0;" in text
    assert ".cfg__payload(s_axis_cfg_tdata[34:0])" in text


def test_generate_writes_verilog_and_a_core_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "unit.v"
    assert main(["generate", "matmul/dot", "--ports", "axi", "--core", "-o", str(file)]) == 0
    text = (tmp_path / "unit.core").read_text()
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text.removeprefix("CAPI=2:\n"))
    assert core["name"] == "consilico:matmul:matmul_dot_axis:0.1.0"
    assert core["filesets"]["rtl"]["files"] == ["unit.v"]
    assert core["targets"]["default"]["toplevel"] == "matmul_dot_axis"
    assert core["targets"]["lint"]["filesets"] == ["rtl"]
    assert "module matmul_dot_axis (" in file.read_text()


@pytest.mark.parametrize(("added", "fails"), [("", False), ("module broken(", True)])
def test_fusesoc_lints_what_a_core_file_names(added: str, fails: bool, tmp_path: Path) -> None:
    """FuseSoC itself reads the core file, finds the Verilog and has Verilator read that."""
    file = tmp_path / "unit.v"
    assert main(["generate", "matmul/dot", "--ports", "axi", "--core", "-o", str(file)]) == 0
    file.write_text(file.read_text() + added)
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--target=lint"]
    settings = find_simulator("verilator").environment()
    settings |= {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    done = subprocess.run(
        [*command, "consilico:matmul:matmul_dot_axis"],
        cwd=tmp_path, env=dict(os.environ) | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) is fails, done.stdout + done.stderr


def test_a_core_file_needs_the_verilog_s_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "matmul/dot", "--core"]) == 2
    assert "--core names the Verilog's file, so it needs -o FILE" in capsys.readouterr().err
