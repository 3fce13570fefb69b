"""The rule that keeps the data flow one way, between the top folders and inside ``sim``.

Between the folders: golden <- hw <- sim <- reports <- consilico. Inside ``sim`` each room names
the rooms it may import; an import inside a function counts like any other. Such an import is for
what is heavy, so that commands start fast: light modules are imported at the top of a file.
"""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("golden", "hw", "sim", "reports", "consilico")
_UNITS = ("base", "traffic", "units")
_SILICON = (*_UNITS, "rtlsim", "silicon")
_ESTIMATE = (*_SILICON, "estimate")
_OF_MODELS = ("memory", "workload", "accelerator")
SIM_ROOMS = {  # room: rooms of ``sim`` that it may import, itself included
    "base": ("base",),
    "traffic": ("base", "traffic"),
    "units": _UNITS,
    "rtlsim": (*_UNITS, "rtlsim"),
    "silicon": _SILICON,
    "estimate": _ESTIMATE,
    "comparison": (*_ESTIMATE, "comparison"),
    "memory": ("base", "memory"),
    "accuracy": (*_UNITS, "accuracy"),
    "training": (*_UNITS, "accuracy", "training"),
    "workload": ("base", "memory", "workload"),
    "accelerator": (*_ESTIMATE, "memory", "workload", "accelerator"),
    "system": (*_ESTIMATE, *_OF_MODELS, "accuracy", "comparison", "system"),
    "explore": (*_ESTIMATE, *_OF_MODELS, "accuracy", "comparison", "system", "explore"),
    "claims": (
        *_ESTIMATE,
        *_OF_MODELS,
        "accuracy",
        "training",
        "comparison",
        "system",
        "explore",
        "claims",
    ),
}
# rooms of ``sim/silicon``, each importing only from those before it; its own modules import all
SILICON_ROOMS = (
    "liberty", "kits", "netlist", "activity", "timing", "synthesis", "power", "layout",
)  # fmt: skip
HEAVY = {
    "amaranth", "bitsandbytes", "jinja2", "matplotlib", "peft", "plotly", "pyverilog", "scipy",
    "torch", "transformers",
}  # fmt: skip
LATE = (  # may import light modules inside functions
    "consilico/",  # a command line that says what is wrong in a sixth of a second
    "sim/rtlsim/runtime_objects.py",  # starts for every file that is compiled
    "sim/rtlsim/testing/pytest_plugin.py",  # pytest loads it in every run, whatever it tests
    # the last rooms where light imports inside functions are left
    "sim/estimate/",
    "sim/accelerator/",
    "reports/",
)


def violations(source: str, path: str) -> list[str]:
    """Imports in a file's text that its room must not make, as ``path:line: module``."""
    wrong: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        wrong += [
            f"{path}:{node.lineno}: {module}"
            for module in modules
            if not _allowed(path.split("/"), module.split("."))
        ]
    return wrong


def _allowed(place: list[str], module: list[str]) -> bool:
    folder, package = place[0], module[0]
    if package != "consilico":
        if folder == "golden":
            return package in {"numpy", "torch"} or package in sys.stdlib_module_names
        return not (folder == "hw" and package == "torch") and package not in FOLDERS
    other = module[1] if len(module) > 1 and module[1] in FOLDERS else "consilico"
    if other != folder:
        return FOLDERS.index(other) < FOLDERS.index(folder)
    if folder != "sim" or len(module) < 3 or len(place) < 3:
        return True
    if module[2] not in SIM_ROOMS[place[1]]:
        return False
    if place[1] == module[2] == "silicon" and place[2] in SILICON_ROOMS and len(module) > 3:
        return module[3] in SILICON_ROOMS[: SILICON_ROOMS.index(place[2]) + 1]
    return True


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_room_imports_only_from_those_before_it(folder: str) -> None:
    files = _files(folder)
    assert files
    wrong = [
        line
        for file in files
        for line in violations(file.read_text(), file.relative_to(ROOT).as_posix())
    ]
    assert wrong == []


def test_every_folder_of_sim_is_a_room() -> None:
    folders = {path.parent.name for path in (ROOT / "sim").glob("*/__init__.py")}
    assert folders == set(SIM_ROOMS)
    assert [path.name for path in (ROOT / "sim").glob("*.py")] == ["__init__.py"]
    silicon = {path.parent.name for path in (ROOT / "sim/silicon").glob("*/__init__.py")}
    assert silicon == set(SILICON_ROOMS)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("golden/x.py", "import consilico.hw"),
        ("golden/x.py", "from consilico.sim.base.results import digest"),
        ("golden/x.py", "import amaranth"),
        ("golden/x.py", "def f():\n    from consilico.hw.cells import y"),
        ("hw/x.py", "import torch.nn as nn"),
        ("hw/x.py", "from consilico.sim import units"),
        ("sim/base/x.py", "import numpy, consilico.reports.build"),
        ("sim/base/x.py", "from consilico.sim.units.unit import Unit"),
        ("sim/base/x.py", "from consilico.sim import units"),
        ("sim/memory/x.py", "def f():\n    from consilico.sim.silicon.implement import implement"),
        ("sim/traffic/x.py", "from consilico.sim.training import runs"),
        ("sim/estimate/x.py", "from consilico.cli import main"),
        ("sim/silicon/liberty/x.py", "from consilico.sim.silicon.kits.kit import Kit"),
        ("sim/silicon/timing/x.py", "from consilico.sim.silicon import power"),
        ("reports/x.py", "from consilico.commands.output import emit"),
        ("reports/x.py", "import golden.config"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str) -> None:
    assert len(violations(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("golden/x.py", "import torch, math\nfrom consilico.golden.config import Config"),
        ("hw/x.py", "from consilico.golden.config import Config\nimport amaranth"),
        ("sim/units/x.py", "import torch\nfrom consilico.hw.verilog import convert"),
        ("sim/accelerator/x.py", "from consilico.sim.memory.training_run import TrainingRun"),
        (
            "sim/silicon/implement.py",
            "from consilico.sim.silicon.power.analysis import analyze_power",
        ),
        ("sim/silicon/power/x.py", "from consilico.sim.silicon.liberty.library import Cell"),
        ("consilico/commands/x.py", "from consilico.reports.build import build_report"),
        ("reports/x.py", "from consilico.sim.base.results import digest\nimport jinja2"),
        ("sim/base/x.py", '"import consilico.reports"  # only text'),
    ],
)
def test_a_permitted_import_is_left_alone(path: str, source: str) -> None:
    assert violations(source, path) == []


def test_generators_load_no_torch_even_through_golden() -> None:
    modules = [
        ".".join(("consilico", *file.relative_to(ROOT).with_suffix("").parts))
        for file in _files("hw")
    ]
    names = ", ".join(module.removesuffix(".__init__") for module in modules)
    code = f"import sys, {names}\nsys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr or "torch was loaded"


def late_imports(source: str, path: str) -> list[str]:
    """Return imports of light modules of ours inside functions, as ``path:line: module``."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    found = {
        (node.lineno, module)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in _imported(node)
        if module.startswith("consilico.") and not _loads(module) & HEAVY
    }
    return [f"{path}:{line}: {module}" for line, module in sorted(found)]


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the modules that an import names: ``a.b`` if ``from a import b`` takes a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    inside = [f"{node.module}.{alias.name}" for alias in node.names]
    return [module if _file(module) else str(node.module) for module in inside]


def _file(module: str) -> Path | None:
    """Return the file of a module of ours, None for all others."""
    first, *rest = module.split(".")
    if first != "consilico":
        return None
    folder = ROOT if rest and rest[0] in FOLDERS[:-1] else ROOT / "consilico"
    place = folder.joinpath(*rest)
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


@cache
def _at_the_top(module: str) -> frozenset[str]:
    """Return the modules that a module of ours imports when it is imported itself."""
    file = _file(module)
    if file is None:
        return frozenset()
    body = ast.parse(file.read_text()).body
    nodes = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset(name for node in nodes for name in _imported(node))


def _loads(module: str) -> set[str]:
    """Return the names of all packages that come with a module, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _at_the_top(name)
    return {name.partition(".")[0] for name in seen}


def test_only_what_is_heavy_is_imported_inside_functions() -> None:
    files = [file for folder in FOLDERS for file in _files(folder)]
    wrong = [
        line
        for file in files
        if not (path := file.relative_to(ROOT).as_posix()).startswith(LATE)
        for line in late_imports(file.read_text(), path)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "light"),
    [
        ("from consilico.sim.base.results import digest", True),
        ("from consilico.sim.base import results", True),
        ("import consilico.golden.config", True),
        ("from consilico.hw.matmul import dot", False),  # amaranth
        ("from consilico.sim.traffic.collect import collect_scores", False),  # torch, not at once
        ("import torch", False),
    ],
)
def test_an_import_of_a_light_module_inside_a_function_is_found(module: str, light: bool) -> None:
    assert len(late_imports(f"def f():\n    {module}", "x.py")) == light
    assert late_imports(module, "x.py") == []


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = "import sys, consilico.cli\nprint(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {*run.stdout.split()} & {*HEAVY, "numpy"}
