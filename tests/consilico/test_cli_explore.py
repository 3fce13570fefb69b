"""``consilico explore``: what it prints and writes, and how it refuses."""

import csv
import json
from pathlib import Path

import pytest

from consilico.cli import main

SPACE = Path(__file__).with_name("small_space.toml")


def test_what_is_printed_for_people(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert main(["explore", str(SPACE)]) == 0
    first = capsys.readouterr().out
    assert "llama-60m, decode at 64 tokens: front of 6 points" in first
    assert "Refused      2: softmax in a tile of 24 columns: lanes must be one of" in first
    assert "Inversions   latency, closed forms to event model: 0 of" in first
    assert main(["explore", str(SPACE)]) == 0
    again = capsys.readouterr().out
    work = [text.splitlines()[-1] for text in (first, again)]
    assert work[0].startswith("Work ")
    assert work[0].endswith("figures computed, 0 known before")
    assert " 0 figures computed, " in work[1]
    assert first.splitlines()[:-1] == again.splitlines()[:-1]


def test_every_point_is_a_row_of_the_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "points.csv"
    assert main(["explore", str(SPACE), "--csv", str(path), "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [int(row["index"]) for row in rows] == list(range(8))
    front = {item["index"] for item in answer["front"]}
    for row, point in zip(rows, answer["points"], strict=True):
        assert (row["on_front"] == "True") == (point["index"] in front)
        assert {name: row[name] for name in answer["varied"]} == {
            name: str(value) for name, value in point["settings"].items()
        }
        if row["refused"]:
            assert point["latency_s"] is None
        else:
            assert float(row["latency_s_low"]) == point["latency_s"]["low"]
            assert float(row["area_um2"]) == point["area_um2"]["value"]


def test_a_perplexity_that_is_not_measured_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The windows that were measured are all longer than the context of this space."""
    files = {name: tmp_path / f"points.{name}" for name in ("csv", "json", "html")}
    arguments = ["explore", str(SPACE), "--objectives", "latency,area,perplexity"]
    options = [("--csv", "csv"), ("--json", "json"), ("--plot", "html")]
    assert main([*arguments, *(str(x) for o, n in options for x in (o, files[n]))]) == 0
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert {row["perplexity_ratio"] for row in rows if not row["refused"]} == {"not measured"}
    answer = json.loads(files["json"].read_text())
    assert {item["perplexity_ratio"] for item in answer["front"]} == {None}
    assert {pair["ratio"] for pair in answer["perplexity"]["pairs"]} == {None}
    assert "perplexity: not measured" in files["html"].read_text()
    capsys.readouterr()
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "Not known    consmax/log2 with int7: not measured: a model has to be trained" in text
    assert "Not known    softmax with int7: not measured" in text


def test_the_page_names_each_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "front.html"
    assert main(["explore", str(SPACE), "--plot", str(path), "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    page = path.read_text()
    for item in answer["front"]:
        assert f"point {item['index']}<br>tile: {item['settings']['tile']}" in page
    assert "error_y" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.toml"], "missing.toml"),
        ([str(SPACE), "--objectives", "latency,speed"], "some of latency, energy, area"),
        ([str(SPACE), "--workers", "many"], "workers must be a number of processes, or dask"),
        ([str(SPACE), "--workers", "0"], "at least 1, not 0"),
        ([str(SPACE), "--csv", "-", "--json", "-"], "cannot both go to standard output"),
    ],
)
def test_what_is_not_accepted_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1
