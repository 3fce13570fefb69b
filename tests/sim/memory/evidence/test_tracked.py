"""The ledger against our own optimizers, run at full size under FakeTensorMode."""

from dataclasses import asdict
from typing import Any

import pytest

from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.evidence.measurements import run_of, tracked_runs, tracked_table
from consilico.sim.memory.execution.fake_step import track_fake
from consilico.sim.memory.execution.fake_table import cases, code_digest
from consilico.sim.memory.execution.training_step import TrainingSetup
from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.llama_family import decoder
from consilico.sim.memory.presets import find_model


def test_every_tracked_peak_is_predicted_within_a_percent() -> None:
    rows = tracked_runs()
    asked = {
        (row.run.method, row.run.checkpointing, row.run.per_layer)
        for row in rows
        if row.run.dtype == "float32"
    }
    for method in ("adamw", "lora", "galore", "q-galore"):
        for checkpointing in ("none", "full"):
            assert {(method, checkpointing, True), (method, checkpointing, False)} <= asked
    assert max(abs(row.error_pct) for row in rows) <= 1


def test_the_table_has_every_case_once() -> None:
    assert [row.setup for row in tracked_table().runs] == [case.to_json() for case in cases()]


def test_builds_of_one_torch_count_as_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for version in ("2.13.0", "2.13.0+cpu", "2.13.0+cu130", "2.14.0"):
        monkeypatch.setattr("torch.__version__", version)
        digests.append(code_digest())
    assert len(set(digests[:3])) == 1
    assert digests[3] != digests[0]


def shape(**changes: Any) -> Architecture:
    fields: dict[str, Any] = {
        "name": "small", "hidden": 256, "intermediate": 688, "layers": 3, "heads": 4,
        "kv_heads": 4, "head_dim": 64, "vocab": 2000,
    }  # fmt: skip
    return decoder(**fields | changes)


LONG = pytest.mark.exhaustive


# shapes and settings that the table has not, each hard in its own way
@pytest.mark.parametrize(
    ("changes", "setup"),
    [
        pytest.param(
            {}, {"method": "lora", "checkpointing": "selective"}, marks=pytest.mark.exhaustive
        ),
        ({"kv_heads": 1}, {"method": "lora", "rank": 100}),
        pytest.param(
            {"tied": True, "kv_heads": 2},
            {"method": "q-galore", "per_layer": True},
            marks=pytest.mark.exhaustive,
        ),
        ({"tied": True, "vocab": 300}, {"method": "galore", "per_layer": True}),
        ({}, {"attention": "eager", "checkpointing": "full", "sequence": 512}),
        pytest.param(
            {},
            {"attention": "eager", "checkpointing": "selective", "batch": 4},
            marks=pytest.mark.exhaustive,
        ),
        ({"layers": 1, "vocab": 100, "intermediate": 3000}, {"per_layer": True}),
        pytest.param(
            {"head_dim": 96},
            {"method": "galore", "checkpointing": "full"},
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_other_shapes_too(changes: dict[str, Any], setup: dict[str, Any]) -> None:
    dtype = "float32" if setup.get("method") == "q-galore" else "bfloat16"
    asked = TrainingSetup(
        **{"method": "adamw", "dtype": dtype, "rank": 32, "sequence": 256, **setup}
    )
    arch = shape(**changes)
    tracked = track_fake(arch, asked)
    peak = max(tracked.peak_bytes, tracked.peak_renewal_bytes or 0)
    # one block is a third of all here: what the first saves less counts, and each small tensor
    assert ledger(run_of(arch, asdict(asked))).peak_bytes == pytest.approx(peak, rel=0.025)


@pytest.mark.exhaustive
@pytest.mark.parametrize("setup", [s for s in cases() if s.dtype == "float32" and s.per_layer])
def test_tracking_again_gives_the_table(setup: TrainingSetup) -> None:
    (row,) = [r for r in tracked_table().runs if r.setup == setup.to_json()]
    tracked = track_fake(find_model(row.model), setup)
    assert max(tracked.peak_bytes, tracked.peak_renewal_bytes or 0) == row.peak_bytes
