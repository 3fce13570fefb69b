"""The public Python API: what is exported, the document about it, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import consilico

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "amaranth", "matplotlib", "numpy", "plotly", "cocotb", "gguf", "typer", "rich"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, consilico\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_every_exported_name_is_there_and_documented() -> None:
    assert sorted(consilico.__all__) == consilico.__all__
    for name in set(consilico.__all__) - {"__version__", "Progress"}:
        found = getattr(consilico, name)
        assert (found.__doc__ or "").split("\n")[0].endswith("."), name
    assert set(consilico.__all__) <= set(dir(consilico))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'softmax'"):
        getattr(consilico, "softmax")  # noqa: B009


def test_the_examples_of_the_document_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["verdict"].passed
    assert names["config"].lanes == 2
    rough = names["rough"].area_um2.value  # the interval holds for 90 of 100, not for each
    assert names["made"].area_um2 == pytest.approx(rough, rel=0.2)
    assert names["answer"].fit.fits
    assert "<svg" in (tmp_path / "area.svg").read_text()
    assert [point.clock_ns for point in names["swept"].points] == [4.0, 1.4]


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(consilico.UserError, match=r"unknown field 'lane'; accepted: lanes, "):
        consilico.configure("consmax/log2", lane=2)


def test_a_value_out_of_range_is_refused_with_the_range() -> None:
    with pytest.raises(consilico.UserError, match=r"lanes must be an integer in \[1, .*, not 0"):
        consilico.configure("consmax/log2", lanes=0)


def test_a_configuration_of_another_unit_is_refused() -> None:
    config = consilico.configure("matmul/dot")
    with pytest.raises(consilico.UserError, match=r"consmax/log2 takes a Log2Config, not a Dot"):
        consilico.generate("consmax/log2", config)


def test_a_field_of_a_run_that_does_not_exist_is_refused() -> None:
    with pytest.raises(consilico.UserError, match=r"unknown field 'seq' .* sequence"):
        consilico.training_run("llama-60m", seq=12)


def test_a_gpu_and_an_amount_exclude_each_other() -> None:
    run = consilico.training_run("llama-60m")
    with pytest.raises(consilico.UserError, match="exclude each other"):
        consilico.memory(run, gpu="a6000-48gb", memory="16 GB")


@pytest.mark.parametrize(
    ("operands", "message"),
    [
        ({"x": {"toggle_rate": float("nan")}}, r"toggle_rate in \[0, 1\] .* not toggle_rate = nan"),
        ({"x": {"toggle_rate": 2.0}}, "not toggle_rate = 2.0"),
        ({"x": {"sign_correlation": -2.0}}, "not sign_correlation = -2.0"),
        ({"x": {"density": 0.5}}, "not density = 0.5"),
    ],
)
def test_an_operand_that_means_nothing_is_refused(
    operands: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(consilico.UserError, match=f"^operand x takes .*{message}"):
        consilico.estimate("matmul/dot", operands=operands)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"area": 1.0}, "unknown figure 'area'; accepted: area_um2"),
        ({"area_um2": -1.0}, "area_um2 must be above 0, not -1"),
        ({"area_um2": float("nan")}, "area_um2 must be above 0, not nan"),
    ],
)
def test_a_figure_that_means_nothing_is_not_scaled(figures: dict[str, float], message: str) -> None:
    with pytest.raises(consilico.UserError, match=message):
        consilico.scale("45nm", "7nm", figures)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(consilico.UserError, match="the seed must be 0 or more, not -1"):
        consilico.verify("consmax/log2", seed=-1)
