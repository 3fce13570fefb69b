"""The table of measurements, and what a chip's answer has of it."""

from dataclasses import replace
from typing import Any

import pytest

from consilico.sim.accuracy import measure, table
from consilico.sim.accuracy.table import (
    MeasuredAccuracies,
    MeasuredAccuracy,
    known_accuracy,
    measured_accuracies,
)
from consilico.sim.accuracy.texts import LENGTHS, TEXTS
from consilico.sim.units.catalogue import own_units
from tests.sim.accuracy.small_accuracy import found


def row(**fields: Any) -> MeasuredAccuracy:
    return MeasuredAccuracy(found=found(**fields), date="2026-11-30", tools={})


def test_a_row_keeps_its_worst_layer_and_replaces_that_of_its_key() -> None:
    known = MeasuredAccuracies().added(row()).added(row(tokens=1024)).added(row(perplexity=12.0))
    assert [each.found.perplexity for each in known.rows] == [12.0, 11.0]
    assert [layer.layer for layer in known.rows[0].found.layers] == [1]
    assert known.rows[0].found.worst_layer == 1
    assert MeasuredAccuracies.from_json(known.to_json()) == known


@pytest.fixture
def of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    known = MeasuredAccuracies().added(row()).added(row(tokens=1024, perplexity=13.0))
    known = known.added(row(tokens=1024, perplexity=12.0, text="Sonnets"))
    monkeypatch.setattr(table, "measured_accuracies", lambda: known)


@pytest.mark.usefixtures("of_three")
def test_a_chip_is_told_of_the_longest_windows_within_its_context() -> None:
    long, short = known_accuracy("softmax", "uint8", 4096), known_accuracy("softmax", "uint8", 1000)
    assert [(each.text, each.tokens) for each in long.texts] == [
        ("Pericles", 1024), ("Sonnets", 1024),
    ]  # fmt: skip
    assert long.change_pct == pytest.approx(30)
    assert [each.tokens for each in short.texts] == [256]


@pytest.mark.usefixtures("of_three")
@pytest.mark.parametrize(
    ("name", "form", "context", "words"),
    [
        ("consmax/log2", "uint8", 4096, "has to be trained with consmax/log2"),
        ("softmax", "int7", 4096, "not measured"),
        ("softmax", "uint8", 64, "not measured"),
        ("ita", "uint8", 4096, "not measured"),
    ],
)
def test_what_was_not_measured_is_no_number(name: str, form: str, context: int, words: str) -> None:
    known = known_accuracy(name, form, context)
    assert known.change_pct is None
    assert words in known.note


def test_the_study_has_every_unit_that_takes_the_place_of_softmax_at_every_length() -> None:
    names = [name for name, unit in own_units().items() if unit.normalize is not None]
    asked = {case.key for case in measure.study()}
    assert len(asked) == len(measure.study())
    for name in names:
        assert {(t, n, name, "2xint7") for t in TEXTS for n in LENGTHS} <= asked


def test_what_is_known_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    case = measure.PerplexityCase(
        text="Pericles", tokens=256, normaliser="softmax", p_format="uint8"
    )
    other = replace(case, tokens=1024)
    monkeypatch.setattr(measure, "study", lambda: [case, other])
    assert measure.todo(MeasuredAccuracies().added(row())) == [other]


def test_the_table_has_what_the_study_asks_for_and_agrees_with_itself() -> None:
    rows = measured_accuracies().rows
    assert len({each.key for each in rows}) == len(rows)
    assert {each.key for each in rows} <= {case.key for case in measure.study()}
    baselines = {(each.found.text, each.found.tokens): each.found.baseline for each in rows}
    for each in rows:
        found = each.found
        assert found.baseline == baselines[found.text, found.tokens], each.key
        assert found.baseline > 1
        assert found.row_sum.least <= found.row_sum.mean <= found.row_sum.greatest
        assert [layer.layer for layer in found.layers] == [found.worst_layer]
