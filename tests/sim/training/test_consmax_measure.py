"""Measuring trainings with ConSmax: the table, what is left, what stops."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from consilico.golden.training.method import METHODS
from consilico.sim.traffic.gpt_training import GptConfig, GptTraining
from consilico.sim.traffic.packages import TEXT_PACKAGE, PackageMissing
from consilico.sim.training import consmax_measure as bench
from consilico.sim.training.consmax_formats import FORMATS
from consilico.sim.training.consmax_table import ConsmaxTable, read_consmax_table

WORKS = {"A": "to be or not to be, that is the question. " * 100, "B": "whether tis nobler " * 60}
TINY = GptTraining(
    method=METHODS["adamw"], lr=1e-2, fused=False, steps=20, batch=4, warm_up=4,
    model=GptConfig(layers=1, heads=2, width=16, context=8),
)  # fmt: skip


@pytest.fixture
def tiny(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of one seed of the smallest models; the path of its table."""
    monkeypatch.setattr(bench, "SIZES", {"small": TINY})
    monkeypatch.setattr(bench, "SEEDS", (1,))
    monkeypatch.setattr(bench, "_PASSAGE", 64)
    monkeypatch.setattr(bench, "load_works", lambda: WORKS)
    return tmp_path / "table.json"


def run(table: Path, *options: str) -> int:
    """Run the command line on the CPU."""
    return bench.main(["--sizes", "small", "--device", "cpu", "--table", str(table), *options])


def test_the_table_has_what_was_trained(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny) == 0
    rows = read_consmax_table(tiny).rows
    assert [row.key for row in rows] == [
        ("small", name, 1) for name in ("consmax", "consmax_rows", "softmax")
    ]
    for row in rows:
        assert 0 < row.loss < 6
        assert [each.p_format for each in row.formats] == list(FORMATS)
        assert row.format_loss("2xint7").loss == pytest.approx(row.passage_loss, abs=0.01)
        assert row.passage_bytes == 64
        assert {"numpy", "python", "torch"} == set(row.versions)
        assert (row.gamma is None) == (row.beta is None) == (row.normalizer == "softmax")
    assert "small, softmax, seed 1" in capsys.readouterr().out
    assert ConsmaxTable.from_json(json.loads(tiny.read_text())) == read_consmax_table(tiny)


def test_what_the_table_has_is_not_trained_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tiny) == 0
    before = tiny.read_text()
    monkeypatch.setattr(bench, "train", None)
    assert run(tiny) == 0
    assert tiny.read_text() == before


def test_other_settings_are_trained_anew(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tiny) == 0
    assert bench.todo(["small"], tiny) == []
    monkeypatch.setattr(bench, "SIZES", {"small": replace(TINY, steps=21)})
    assert len(bench.todo(["small"], tiny)) == 3


def test_a_study_that_has_no_more_time_stops_and_goes_on(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[int] = []
    step = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW) -> None:
        taken.append(1)
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    assert run(tiny, "--minutes", "0") == 0
    assert not tiny.exists()
    assert len(taken) == 1
    assert "small, softmax, seed 1: stopped; it goes on" in capsys.readouterr().out
    assert run(tiny) == 0
    assert len(taken) == 3 * TINY.steps
    assert len(read_consmax_table(tiny).rows) == 3


def test_the_study_is_that_of_the_documents() -> None:
    cases = bench.study()
    assert [case.normalizer for case in cases[:3]] == ["softmax", "consmax", "consmax_rows"]
    small, longer, paper = (bench.SIZES[name] for name in ("small", "small-512", "paper"))
    assert (small.model.layers, small.model.width, small.model.context) == (4, 128, 128)
    assert (small.steps, small.batch * 128) == (3000, longer.batch * 512)
    assert (paper.model.layers, paper.model.width, paper.model.context) == (6, 384, 256)
    assert paper.steps == 10_000
    assert {case.seed for case in cases if case.size in ("small", "small-512")} == {1, 2, 3}
    assert len(set(cases)) == len(cases)


def test_the_table_that_is_checked_in_is_of_this_study() -> None:
    known = {(case.size, case.normalizer, case.seed): case for case in bench.study()}
    for row in read_consmax_table().rows:
        assert row.settings == json.loads(json.dumps(known[row.key].training.to_json()))


def test_a_missing_text_ends_the_study_with_its_remedy(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> dict[str, str]:
        raise PackageMissing(str(TEXT_PACKAGE.missing("is not installed")))

    monkeypatch.setattr(bench, "load_works", missing)
    assert run(tiny) == 2
    assert "pip install" in capsys.readouterr().err
