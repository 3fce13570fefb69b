"""Generated Verilog is clean: linters say nothing of it, and are not merely switched off."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from consilico.hw.verilog import with_lint_pragmas
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.axi_stream import axi_verilog
from consilico.sim.units.catalogue import configure, own_units, verilog_file

RTL = Path(__file__).parents[2] / "rtl"
UNITS = own_units()
# small ones with other options than the defaults
OTHER = {
    "attention/key_buffer": "columns=3 head_dim=5 storage=flop",
    "attention/tile": "rows=3 columns=2 head_dim=3 tokens=9 p_format=2xint7 multiplier_width=4",
    "base2_scores": "lanes=2 score_integer=8",
    "consmax/base2": "lanes=2 output=fixed fixed_width=9 score_integer=3",
    "consmax/log2": "lanes=2 output=fixed fixed_width=9 k_fraction=13 fraction=9 address=6",
    "consmax/split": "lanes=2 output=fixed scores=int16 storage=flop",
    "ibert": "lanes=4 row=16 scores=int8 buffer=flop",
    "ita": "lanes=4 row=16 fraction=0 buffer=flop",
    "matmul/dot": "lanes=3 x=int4 w=uint4 depth=7",
    "matmul/fused_dot": "lanes=3 depth=3",
    "matmul/group_dot": "lanes=4 group=32 scale=int8 output=bf16",
    "matmul/quantize": "lanes=2 group=32 result=int4 mode=minmax",
    "matmul/requant": "lanes=2 result=int4 rounding=half_even zero_point=true multiplier_width=7",
    "matmul/sparse_dot": "lanes=2 x=int4 w=int4 depth=64 accumulator=9",
    "matmul/systolic": "rows=3 columns=2 dataflow=output_stationary w=int4 depth=9 extent=5",
    "online_softmax": "lanes=2 row=100 slack=8",
    "softermax": "lanes=2 row=16 buffer=flop stores=powers",
    "softmax": "lanes=2 row=16 buffer=sram",
    "sole": "lanes=4 row=16 buffer=flop stores=exponents",
    "training/blockwise_dequantize": "lanes=2 code=unsigned",
    "training/blockwise_quantize": "lanes=2 code=unsigned",
    "training/project": "rows=2 columns=3 group=16",
    "training/stochastic_round": "lanes=3 random_bits=5 width=14 fraction=5 result_width=4",
    "training/weight_update": "lanes=3 random_bits=5",
}


def verilator_warnings(file: Path, top: str) -> list[str]:
    """Return the kinds of warnings and errors that Verilator finds, each as often as it does."""
    verilator = find_simulator("verilator")
    run = subprocess.run(
        [str(verilator.executable), "--lint-only", "-Wall", "--top-module", top, str(file)],
        env=verilator.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.findall(r"%Warning-(\w+)", run.stderr)
    assert found or run.returncode == 0, run.stderr
    return found


@pytest.mark.parametrize("name", UNITS)
def test_verilator_has_no_warning_of_a_default_configuration(name: str) -> None:
    module = UNITS[name].module_name
    assert verilator_warnings(RTL / f"{module}.v", module) == []


@pytest.mark.parametrize("name", UNITS)
def test_verilator_has_no_warning_of_other_options(name: str, tmp_path: Path) -> None:
    unit = UNITS[name]
    file = tmp_path / f"{unit.module_name}.v"
    file.write_text(verilog_file(unit, configure(unit, OTHER[name].split())))
    assert verilator_warnings(file, unit.module_name) == []


@pytest.mark.parametrize("name", ["consmax/log2", "training/stochastic_round"])
def test_verilator_has_no_warning_of_the_ports_of_axi_stream(name: str, tmp_path: Path) -> None:
    text, top = axi_verilog(UNITS[name], UNITS[name].config())
    file = tmp_path / f"{top}.v"
    file.write_text(text)
    assert verilator_warnings(file, top) == []


@pytest.mark.parametrize("name", UNITS)
def test_icarus_has_no_warning(name: str) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    file = RTL / f"{UNITS[name].module_name}.v"
    command = ["iverilog", "-Wall", "-g2012", "-t", "null", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("LATCH", "reg q; always @* if (a) q = b; assign y = q;"),
        (
            "MULTIDRIVEN",
            "reg q; always @(posedge a) q <= b; always @(posedge b) q <= a; assign y = q;",
        ),
        ("UNDRIVEN", "wire q; assign y = q & a & b;"),
        ("PINMISSING", "consilico_clock_gate gate (.clk(a), .gclk(y)); wire c = b;"),
    ],
)  # fmt: skip
def test_what_would_be_a_fault_of_ours_is_not_switched_off(
    kind: str, body: str, tmp_path: Path
) -> None:
    file = tmp_path / "faulty.v"
    gate = (RTL / "consmax_log2.v").read_text().partition("// Integrated clock gate")[2]
    text = f"module faulty(input a, input b, output y);\n{body}\nendmodule\n//{gate}"
    file.write_text(with_lint_pragmas(text))
    assert kind in verilator_warnings(file, "faulty")
