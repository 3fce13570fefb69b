"""``consilico memory`` and ``consilico memory-sweep``, as people and programs call them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from consilico.cli import main
from consilico.sim.memory.evidence.peaks import measured_runs
from consilico.sim.memory.evidence.tables import runs_on_gpu
from consilico.sim.memory.ledger import peak_bytes
from consilico.sim.memory.settings import Settings

HEADLINE = [
    *("memory", "--model", "llama-7b", "--method", "q-galore", "--as-published"),
    *("--rank", "1024", "--batch", "1", "--seq", "256", "--per-layer"),
    *("--gpu", "rtx4060ti-16gb"),
]
SMALL = ["memory", "--model", "llama-60m"]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json", "-"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_that_others_build_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, *HEADLINE)
    assert found["peak_bytes"] / 1e9 == pytest.approx(15.08, rel=0.03)  # as measured by its authors
    assert found["fits"] is True
    assert found["headroom_bytes"] > 0
    assert found["peak_at"].startswith("backward, block 32 of 32")
    assert found["verdict"] == "fits"
    needed = found["needed_bytes"]
    assert found["peak_bytes"] < needed["low"] < needed["value"] < needed["high"]
    assert needed["high"] <= found["memory_bytes"]
    assert set(found["error"]) == {"class", "runs", "median_pct", "worst_pct"}
    assert 0 < found["error"]["worst_pct"] <= 7
    assert found["suggestions"] == []
    expected = found["time"]["expected_s"]
    assert found["time"]["step_s"] < expected["low"] < expected["value"] < expected["high"]
    keys = {"name", "kind", "dtype", "bytes", "live"}
    assert all(set(entry) == keys for entry in found["ledger"])
    assert sum(e["bytes"] for e in found["ledger"] if e["live"]) == found["peak_bytes"]


def options_of(settings: dict[str, Any]) -> list[str]:
    """Return the command line's options for the settings of a row of evidence."""
    fields = Settings.__dataclass_fields__
    found = []
    for name, value in settings.items():
        flag = (fields[name].metadata["flag"] if name in fields else "") or name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            found += [f"--{flag}", str(value)]
    return found


def test_every_measured_run_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    items = [item for item in runs_on_gpu() if not item.died]
    assert len(items) > 120
    for item, row in zip(items, measured_runs(), strict=True):
        found = asked(capsys, "memory", *options_of(dict(item.settings)))
        assert found["settings"] == row.run.settings(), row.label
        if row.quantity == "peak":
            assert found["peak_bytes"] == peak_bytes(row.run)


def test_people_get_both_kinds_of_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(HEADLINE) == 0
    text = capsys.readouterr().out
    assert "14.92 GB (13.90 GiB)" in text
    assert "fits in 17.18 GB (16.00 GiB)" in text
    assert "estimated: roofline" in text
    assert "on one measured run of Q-GaLore as published, Hugging Face of 2023" in text


def test_a_class_that_was_never_measured_has_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--method", "fira"]) == 0
    text = capsys.readouterr().out
    assert "no measured run like this (Fira, Hugging Face, bfloat16, one GPU)" in text


def test_what_does_not_fit_says_by_how_much_and_what_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["memory", "--model", "llama-7b", "--method", "adamw", "--memory", "16 GiB"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "does not fit" in text
    assert "too much" in text
    assert "per-layer on" in text


def test_csv_and_pictures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "ledger.csv"
    found = asked(capsys, *SMALL, "--csv", str(table), "--plot", str(tmp_path / "memory.png"))
    with table.open() as file:
        rows = list(csv.DictReader(file))
    live = sum(int(row["bytes"]) for row in rows if row["live"] == "True")
    assert live == found["peak_bytes"]
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--method", "adamx"], "unknown method 'adamx'; accepted: "),
        (["--batch", "-3"], "batch must be an integer in [1, "),
        (["--seq", "0"], "sequence must be an integer in [1, "),
        (["--memory", "16GBB"], "memory must be a positive number and a unit"),
        (["--gpu", "rtx9999"], "unknown GPU 'rtx9999'; accepted: "),
        (["--gpu", "a6000-48gb", "--memory", "16 GB"], "--gpu and --memory exclude each other"),
        (["--rank", "513"], "rank must be at most 512"),
        (
            ["--checkpointing", "maybe"],
            "checkpointing must be one of none, full, reentrant, selective",
        ),
        (["--as-published"], "published is only known for q-galore"),
        (["--kernel", "reference", "--method", "lomo"], "kernel reference runs adamw, "),
        (["--model", "llama-8"], "unknown model 'llama-8'; accepted: "),
        (["--engine", "guess"], "engine must be ledger or execute, not 'guess'"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *arguments]) == 2
    found = capsys.readouterr()
    assert found.err.count("\n") == 1
    assert named in found.err
    assert found.out == ""


def test_execution_gives_the_same_answer_in_the_same_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("transformers", "peft", "bitsandbytes"):
        pytest.importorskip(package, reason="needs the extra hf")
    small = ["memory", "--model", "llama-9m", "--gpu", "a6000-48gb"]
    counted = asked(capsys, *small)
    executed = asked(capsys, *small, "--engine", "execute", "--plot", str(tmp_path / "step.svg"))
    assert executed.keys() == counted.keys()
    assert (counted["engine"], executed["engine"]) == ("ledger", "execute")
    assert executed["basis"].startswith("executed: transformers ")
    for key in ("peak_bytes", "persistent_bytes", "parameters"):
        assert executed[key] == pytest.approx(counted[key], rel=1e-3)
    assert sum(e["bytes"] for e in executed["ledger"] if e["live"]) == executed["peak_bytes"]
    assert "model.layers.*.mlp.up_proj.weight" in {e["name"] for e in executed["ledger"]}
    assert (tmp_path / "step.svg").read_text().count("<svg") == 1
    assert main([*small, "--engine", "execute", "--offload", "both"]) == 2
    assert "offload must be none with engine execute, not both" in capsys.readouterr().err


def test_a_sweep_gives_the_largest_batch_that_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, table = tmp_path / "fits.png", tmp_path / "all.csv"
    found = asked(
        capsys, "memory-sweep", "--model", "llama-1b", "--methods", "adamw,q-galore",
        "--batches", "1..128", "--seqs", "512,1024", "--ranks", "128,512", "--memories",
        "8 GiB,24 GiB", "--plot", str(picture), "--csv", str(table),
    )  # fmt: skip
    assert found["configurations"] == 2 * 128 * (1 + 2) * 2  # AdamW has no rank
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 128 * 2 * 3
    for row in rows:
        low, high = int(row["needed_low_bytes"]), int(row["needed_high_bytes"])
        assert int(row["peak_bytes"]) < low <= int(row["needed_bytes"]) <= high
        fits = "fits" if high <= 8 * 2**30 else "tight" if low <= 8 * 2**30 else "does not fit"
        assert row["verdict, 8 GiB"] == fits
    assert {row["verdict, 8 GiB"] for row in rows} == {"fits", "tight", "does not fit"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    for row in found["rows"]:
        small, large = row["largest_batch"].values()
        assert 0 <= small <= large <= 128
    by_length = {r["sequence"]: r["largest_batch"]["24 GiB"] for r in found["rows"][:2]}
    assert by_length[1024] < by_length[512]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--batches", "1...4"], "--batches must be numbers by commas or a range"),
        (["--batches", "0"], "batch must be an integer in"),
        (["--methods", "adamw,none"], "unknown method 'none'"),
        (["--memories", "12 XB"], "memory must be a positive number and a unit"),
        (["--batches", "1..1000000"], "--batches must be fewer than 65,536 numbers"),
        (["--batches", "1..60000"], "a sweep must have at most 1,048,576 configurations, not "),
    ],
)
def test_a_sweep_names_what_it_does_not_accept(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory-sweep", "--model", "llama-60m", *arguments]) == 2
    found = capsys.readouterr()
    assert found.err.count("\n") == 1
    assert named in found.err


def test_a_sweep_of_all_methods_leaves_out_those_that_a_model_cannot_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    config = {
        "model_type": "mixtral", "hidden_size": 64, "intermediate_size": 160,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 100, "num_local_experts": 4,
    }  # fmt: skip
    path.write_text(json.dumps(config))
    arguments = ["--model", str(path), "--batches", "1", "--seqs", "64", "--json", "-"]
    assert main(["memory-sweep", *arguments]) == 0
    methods = {row["method"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert {"adamw", "qlora"} <= methods
    assert not {"loram", "qloram", "inference"} & methods


def test_a_sweep_of_inference_has_no_settings_of_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--model", "llama-60m", "--batches", "1", "--methods", "inference", "--json", "-"]
    assert main(["memory-sweep", *arguments]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 2
