"""The examples of testbenches run, and print what the page about them says."""

import json
import re
from pathlib import Path

import pytest

from consilico.cli import main

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "testbench"
PAGE = (FOLDER.parents[1] / "docs" / "your-own-testbench.md").read_text()
UNIT = ["--unit", "consmax/log2", "--set", "lanes=4"]


@pytest.mark.parametrize(
    ("name", "more", "tests"),
    [
        ("bench_coverage", [], 1),
        ("bench_uvm", [], 1),
        ("bench_axi", ["--ports", "axi"], 1),
        pytest.param(
            "bench_plain", ["--sim", "verilator"], 2, marks=pytest.mark.exhaustive, id="verilator"
        ),
    ],
)
def test_an_example_passes(
    name: str, more: list[str], tests: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["test", str(FOLDER / f"{name}.py"), *UNIT, *more, "--json", "-"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert json.loads(captured.out)["tests"] == tests


def lines_shown(command: str) -> list[str]:
    """Return what the page says that a command prints; ``*`` is any number."""
    (shown,) = re.findall(rf"```console\n\$ {re.escape(command)}\n(.*?)```", PAGE, flags=re.DOTALL)
    return [line for line in shown.splitlines() if line]


def matches(line: str, printed: str) -> bool:
    """Tell whether a line of the page is among those printed, whatever the widths of columns."""
    pattern = r"\s+".join(
        r"[\d.]+" if word == "*" else "─+" if set(word) == {"─"} else re.escape(word)
        for word in line.split()
    )
    return re.search(rf"^\s*{pattern}\s*$", printed, flags=re.MULTILINE) is not None


@pytest.mark.parametrize(("name", "status"), [("bench_plain", 0), ("bench_wrong", 1)])
def test_the_page_shows_what_is_printed(
    name: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(FOLDER / f"{name}.py"), *UNIT]) == status
    printed = capsys.readouterr().out
    shown = lines_shown(f"consilico test {name}.py {' '.join(UNIT)}")
    assert shown
    assert [line for line in shown if not matches(line, printed)] == []


def test_the_code_of_the_page_is_that_of_the_examples() -> None:
    blocks = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == PAGE.count("```python")
    for file, block in blocks:
        assert block in (FOLDER.parents[1] / file).read_text(), file


def test_a_line_that_is_not_printed_is_found() -> None:
    assert matches("  random_scores   passed   *", " random_scores      passed   1.25")
    assert not matches("  random_scores   passed   *", " random_scores   FAILED   1.25")
