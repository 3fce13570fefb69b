"""What ``make gpu-check`` does on a GPU, as far as a CPU goes."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra hf")

from consilico.sim.memory.evidence.measurements import GpuRow, GpuTable
from consilico.sim.memory.evidence.peaks import class_of, gpu_runs
from consilico.sim.memory.execution import gpu_check
from consilico.sim.memory.execution.accepted import check_executable
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun


def test_without_a_gpu_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main([]) == 2
    assert (
        capsys.readouterr().err == "error: a GPU that torch can use is needed, and there is none\n"
    )


def test_every_run_is_one_that_is_executed() -> None:
    runs = [TrainingRun(model=find_model(name), **settings) for name, settings in gpu_check.cases()]
    for run in runs:
        check_executable(run)
    assert {"AdamW", "LoRA", "QLoRA", "GaLore", "Q-GaLore"} <= {
        run.method_description.title for run in runs
    }
    assert len({class_of(run) for run in runs}) == 7


def test_real_steps_are_timed_on_a_cpu() -> None:
    wanted = [("llama-9m", {"sequence": 16, "kernel": "loop"})]
    (row,) = gpu_check._rows(wanted, "cpu", 10**12, minutes=1)
    assert row.measured["step_s"]
    assert row.measured["peak_bytes"] is None
    assert row.executed["peak_bytes"] > row.executed["persistent_bytes"] > 0


def test_no_run_begins_once_the_time_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert not list(gpu_check._rows([("llama-9m", {"sequence": 16})], "cpu", 10**12, minutes=0))
    assert "left out, 0 minutes are up" in capsys.readouterr().err


def test_a_run_that_is_too_large_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert not list(gpu_check._rows([("llama-9m", {"sequence": 16})], "cpu", 10**6, minutes=1))
    assert "left out, 0.1 of 0.0 GB" in capsys.readouterr().err


def test_what_is_measured_is_evidence_of_its_class(tmp_path: Path) -> None:
    table = GpuTable(
        device="some GPU", memory_bytes=24 << 30, date="2026-01-01", torch="2.13.0", note="",
        rows=(
            GpuRow(
                model="llama-60m", settings={"method": "lora", "rank": 8},
                measured={"peak_bytes": 1.5e9, "step_s": 0.1}, executed={"peak_bytes": 10**9},
            ),
        ),
    )  # fmt: skip
    path = tmp_path / "measured_gpu.json"
    path.write_text(json.dumps(table.to_json()))
    (found,) = gpu_runs(GpuTable.from_json(json.loads(path.read_text())))
    assert found.run_class == "LoRA, Hugging Face, bfloat16, one GPU"
    assert (found.published, found.unit) == (1.5, "GB")
    assert found.error_pct < 0
