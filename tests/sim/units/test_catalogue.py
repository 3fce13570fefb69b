"""The catalogue: units are found, in this package and in others."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.units.catalogue import catalogue, find_unit, own_units

Install = Callable[..., None]

TWICE = """
from dataclasses import replace
from consilico.sim.units.stochastic_round import UNITS as BASE

TWICE = replace(BASE[0], name="acme/twice", family="")
MORE = [replace(TWICE, name=f"acme/more{index}") for index in range(2)]
UNITS = (replace(TWICE, name="acme/whole"),)
COPY = BASE[0]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with entry points on the path; what is loaded is forgotten afterwards."""

    def put(name: str, source: str, **points: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[consilico.units]\n{lines}")
        monkeypatch.delitem(sys.modules, name, raising=False)

    monkeypatch.syspath_prepend(tmp_path)
    catalogue.cache_clear()
    yield put
    catalogue.cache_clear()


def test_every_unit_of_ours_is_there_by_family_and_name() -> None:
    names = list(own_units())
    assert {"consmax/log2", "matmul/dot", "training/project"} <= set(names)
    found = [(unit.family, unit.name) for unit in own_units().values()]
    assert found == sorted(found)
    assert {"attention", "matmul", "training"} <= {family for family, _ in found}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("acme_ops:TWICE", ["acme/twice"]),
        ("acme_ops:MORE", ["acme/more0", "acme/more1"]),
        ("acme_ops", ["acme/whole"]),
    ],
)
def test_an_installed_package_brings_a_unit_a_sequence_or_a_module(
    value: str, names: list[str], install: Install
) -> None:
    install("acme_ops", TWICE, ops=value)
    assert [name for name in catalogue() if name.startswith("acme/")] == names
    assert find_unit(names[0]).family == "acme"
    assert not set(names) & set(own_units())


@pytest.mark.parametrize(
    ("source", "value", "said"),
    [
        ("import nowhere_to_be_found", "acme_ops", "ModuleNotFoundError: No module named 'nowhe"),
        ("UNITS = (3,)", "acme_ops", "TypeError: it must be a Unit, a list of Units, or a module"),
        ("pass", "acme_ops", "TypeError: it must be a Unit"),
        ("pass", "acme_ops:TWICE", "AttributeError: module 'acme_ops' has no attribute 'TWICE'"),
        ("raise SystemError('two\\nlines')", "acme_ops", "SystemError: two lines"),
        ("raise SystemExit(0)", "acme_ops", "SystemExit: 0"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_one_line_and_the_rest_is_listed(
    source: str, value: str, said: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme_ops", source, ops=value)
    assert main(["list"]) == 0
    printed = capsys.readouterr()
    assert "matmul/dot" in printed.out
    assert printed.err.startswith(f"consilico: units {value!r} of acme_ops 0.1 are left out: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_two_units_of_one_name_are_refused_with_both_origins(install: Install) -> None:
    install("acme_ops", TWICE, ops="acme_ops:COPY")
    with pytest.raises(
        UserError,
        match=r"two units are called training/stochastic_round: in "
        r"consilico\.sim\.units\.stochastic_round and in acme_ops:COPY of acme_ops 0\.1",
    ):
        catalogue()


def test_listing_imports_neither_amaranth_nor_torch() -> None:
    code = (
        "import sys\nfrom consilico.sim.units.catalogue import catalogue\ncatalogue()\n"
        "print([name for name in ('amaranth', 'torch', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_units_that_no_command_knows_are_importable() -> None:
    from consilico.sim.units.consmax import PAPER

    assert PAPER.name not in catalogue()
    assert PAPER.ports(PAPER.config()).cfg_width == 21
