"""The command ``accuracy``: what it prints, its JSON and its picture, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilico.cli import main
from tests.consilico.test_json import DOCUMENT, differences
from tests.sim.accuracy.small_accuracy import found

Fake = Callable[[str, Any], list[tuple[Any, ...]]]


@pytest.fixture
def calls(fake: Fake) -> list[tuple[Any, ...]]:
    return fake("consilico.sim.accuracy.accuracy.accuracy", found(perplexity=12.5))


def test_an_answer_for_people_names_perplexity_and_the_worst_layer(
    calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--normaliser", "softmax", "--p-format", "uint8", "--tokens", "256"]
    assert main(["accuracy", *arguments, "--text", "Pericles"]) == 0
    assert calls[0][:4] == ("softmax", "uint8", 256, "Pericles")
    out = capsys.readouterr().out
    assert "Perplexity   12.5 (+25 %), 10 with softmax in floating point" in out
    assert "30.00%" in out.split("Perplexity")[0]
    assert "2,048 tokens of Pericles in windows of 256" in out


@pytest.mark.usefixtures("calls")
def test_its_json_has_the_keys_that_the_document_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accuracy", "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "consilico.accuracy/1"
    assert differences(answer, DOCUMENT["consilico.accuracy/1"]) == []
    assert (answer["change_pct"], answer["worst_layer"]) == (25, 1)


@pytest.mark.usefixtures("calls")
def test_its_picture_has_every_layer(tmp_path: Path) -> None:
    picture = tmp_path / "layers.svg"
    assert main(["accuracy", "--json", str(tmp_path / "x.json"), "--plot", str(picture)]) == 0
    assert picture.read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--normaliser", "consmax/log2"], "consmax/log2 is no drop-in: a model has to be trained"),
        (["--p-format", "fp8"], "p_format must be one of bf16, int7"),
        (["--tokens", "5"], "tokens must be from 16 to 4,096"),
    ],
)
def test_what_it_does_not_accept_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["accuracy", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1
