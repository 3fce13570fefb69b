"""``consilico system``: what it prints, and how it refuses."""

import json

import pytest

from consilico.cli import main
from consilico.sim.accuracy.facts import Accuracy
from consilico.sim.accuracy.table import MeasuredAccuracies, MeasuredAccuracy
from tests.sim.accuracy.small_accuracy import found


def row(of: Accuracy) -> MeasuredAccuracy:
    return MeasuredAccuracy(found=of, date="2026-11-30", tools={})


ISSUE = [
    "--phase",
    "decode",
    "--context",
    "4096",
    "--normaliser",
    "consmax/log2",
    "--weights",
    "int4-g128",
    "--p-format",
    "2xint7",
    "--tile",
    "64x64",
    "--tiles",
    "4",
    "--gemv-lanes",
    "512",
    "--sram-kib",
    "8192",
    "--dram",
    "hbm2",
    "--pdk",
    "nangate45",
    "--clock-ns",
    "2",
]


def test_the_answer_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["system", "--model", "llama-7b", *ISSUE, "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    latency = answer["latency_s"]
    assert answer["per"] == "token"
    assert latency["low"] <= latency["value"] <= latency["high"]
    assert answer["kv_cache_bytes"] == 2 * 32 * 4096 * 4096
    assert set(answer["utilisation"]) == {"qk", "pv", "gemv", "normaliser", "vector", "dram"}
    assert {"share_of_latency", "share_of_energy", "area_um2", "buffer_kib", "against"} <= set(
        answer["normaliser"]
    )


def test_perplexity_is_quoted_where_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = MeasuredAccuracies().added(row(found(tokens=1024, form="int7")))
    monkeypatch.setattr("consilico.sim.accuracy.table.measured_accuracies", lambda: known)
    arguments = ["system", "--model", "llama-60m", "--normaliser", "softmax", "--p-format", "int7"]
    assert main([*arguments, "--context", "2048", "--json", "-"]) == 0
    quoted = json.loads(capsys.readouterr().out)["accuracy"]
    assert quoted["change_pct"] == pytest.approx(10)
    assert [(each["text"], each["tokens"]) for each in quoted["texts"]] == [("Pericles", 1024)]
    assert main([*arguments, "--context", "512"]) == 0
    assert "Accuracy     not measured" in capsys.readouterr().out
    assert main([*arguments, "--context", "1024"]) == 0
    assert "Accuracy     perplexity +10 % on Pericles, P as int7" in capsys.readouterr().out


def test_the_format_of_a_tile_is_quoted_under_the_name_that_accuracy_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = MeasuredAccuracies().added(row(found(tokens=256, form="uint8")))
    monkeypatch.setattr("consilico.sim.accuracy.table.measured_accuracies", lambda: known)
    arguments = ["system", "--model", "llama-60m", "--normaliser", "softmax", "--context", "256"]
    assert main([*arguments, "--p-format", "uint8"]) == 0
    assert "Accuracy     perplexity +10 % on Pericles, P as uint8" in capsys.readouterr().out
    assert main([*arguments, "--p-format", "int7"]) == 0
    assert "Accuracy     not measured" in capsys.readouterr().out


def test_what_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["system", "--model", "llama-60m", "--context", "256", "--compare-normalisers"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for line in (
        "Latency ",
        "Bound ",
        "Utilization ",
        "Normalizer ",
        "Accuracy     not measured: a model has to be trained with consmax/log2",
        "Other normalizers",
        "No gain",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tile", "64"], "--tile takes queries x keys such as 64x64, not '64'"),
        (["--p-format", "u8"], "p_format must be one of int7, 2xint7, uint8, not 'u8'"),
        (["--phase", "train"], "phase must be one of prefill, decode, training, not 'train'"),
        (["--tile", "48x48", "--normaliser", "softmax"], "lanes must be one of"),
    ],
)
def test_what_is_not_accepted_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["system", "--model", "llama-60m", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1
