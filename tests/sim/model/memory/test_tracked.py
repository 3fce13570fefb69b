"""The ledger against our own optimisers, run at full size under FakeTensorMode."""

import pytest

from sim.model.memory.presets import find_model
from sim.model.memory.tracked import run_of, tracked_runs, tracked_table
from sim.workload.fake_step import track_fake
from sim.workload.fake_table import cases, code_digest
from sim.workload.training_step import Setup


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


def test_the_table_is_of_the_code_as_it_is() -> None:
    table = tracked_table()
    assert table["code_sha256"] == code_digest(), "run `make memory-tracked`"
    assert len(table["runs"]) == len(list(cases()))


# another model than the table's: nothing is fitted to it
@pytest.mark.parametrize("method", ["adamw", "lora", "galore", "q-galore"])
@pytest.mark.parametrize("per_layer", [False, True])
def test_small_models_too(method: str, per_layer: bool) -> None:
    setup = Setup(
        method=method, dtype="float32", batch=4, sequence=128, rank=64, per_layer=per_layer
    )
    from dataclasses import asdict

    from sim.model.memory.ledger import ledger

    tracked = track_fake(find_model("llama-60m"), setup)
    peak = max(tracked.peak_bytes, tracked.peak_renewal_bytes or 0)
    assert ledger(run_of("llama-60m", asdict(setup))).peak_bytes == pytest.approx(peak, rel=0.01)


@pytest.mark.exhaustive
@pytest.mark.parametrize("setup", [s for s in cases() if s.dtype == "float32" and s.per_layer])
def test_tracking_again_gives_the_table(setup: Setup) -> None:
    from dataclasses import asdict

    (row,) = [r for r in tracked_table()["runs"] if r["setup"] == asdict(setup)]
    tracked = track_fake(find_model(row["model"]), setup)
    assert max(tracked.peak_bytes, tracked.peak_renewal_bytes or 0) == row["peak_bytes"]
