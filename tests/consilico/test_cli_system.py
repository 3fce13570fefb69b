"""``consilico system``: what it prints, and how it refuses."""

import json

import pytest

from consilico.cli import main

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
    found = json.loads(capsys.readouterr().out)
    assert found["per"] == "token"
    assert found["latency_s"]["low"] <= found["latency_s"]["value"] <= found["latency_s"]["high"]
    assert found["kv_cache_bytes"] == 2 * 32 * 4096 * 4096
    assert set(found["utilisation"]) == {"qk", "pv", "gemv", "normaliser", "vector", "dram"}
    assert {"share_of_latency", "share_of_energy", "area_um2", "buffer_kib", "against"} <= set(
        found["normaliser"]
    )


def test_what_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["system", "--model", "llama-60m", "--context", "256", "--compare-normalisers"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for line in (
        "Latency ",
        "Bound ",
        "Utilization ",
        "Normalizer ",
        "Other normalizers",
        "No gain",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tile", "64"], "--tile takes queries x keys such as 64x64, not '64'"),
        (["--p-format", "u8"], "p_format must be one of int7, 2xint7, not 'u8'"),
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
