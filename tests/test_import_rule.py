"""The rule that keeps the data flow one way: golden <- hw <- sim <- reports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("golden", "hw", "sim", "reports")
COMMANDS = "reports/commands/"  # nothing but the command line uses it


def violations(source: str, path: str) -> list[str]:
    """Imports in a file's text that its folder must not make, as ``path:line: module``."""
    folder = path.split("/")[0]
    wrong: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""] if node.level == 0 else []
        else:
            continue
        wrong += [
            f"{path}:{node.lineno}: {module}"
            for module in modules
            if not _allowed(folder, module, path)
        ]
    return wrong


def _allowed(folder: str, module: str, path: str) -> bool:
    package = module.split(".")[0]
    command_line = path.startswith(COMMANDS) or path == "reports/cli.py"
    if f"{module}.".startswith("reports.commands."):
        return command_line
    if package in FOLDERS:
        return FOLDERS.index(package) <= FOLDERS.index(folder)
    if folder == "golden":
        return package in {"numpy", "torch"} or package in sys.stdlib_module_names
    return not (folder == "hw" and package == "torch")


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_from_its_left(folder: str) -> None:
    files = _files(folder)
    assert files
    wrong = [
        line
        for file in files
        for line in violations(file.read_text(), file.relative_to(ROOT).as_posix())
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("golden/x.py", "import hw"),
        ("golden/x.py", "from sim.results import digest"),
        ("golden/x.py", "import amaranth"),
        ("golden/x.py", "def f():\n    from hw.cells import y"),
        ("hw/x.py", "import torch.nn as nn"),
        ("hw/x.py", "from sim import catalog"),
        ("sim/x.py", "import numpy, reports.build"),
        ("sim/cli.py", "from reports.build import build_report"),
        ("sim/commands/x.py", "from reports.build import build_report"),
        ("sim/x.py", "from reports.commands.output import emit"),
        ("reports/x.py", "import reports.commands"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str) -> None:
    assert len(violations(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("golden/x.py", "import torch, math\nfrom golden.config import Config"),
        ("hw/x.py", "from golden.config import Config\nimport amaranth"),
        ("sim/x.py", "import torch\nfrom hw.verilog import convert"),
        ("reports/cli.py", "from reports.commands.units import list_units"),
        ("reports/commands/x.py", "from reports.build import build_report"),
        ("reports/x.py", "from sim.results import digest\nimport jinja2"),
        ("sim/x.py", '"import reports"  # only text'),
    ],
)
def test_a_permitted_import_is_left_alone(path: str, source: str) -> None:
    assert violations(source, path) == []


def test_generators_load_no_torch_even_through_golden() -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in _files("hw")
    ]
    code = f"import sys, {', '.join(modules)}\nsys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr or "torch was loaded"
