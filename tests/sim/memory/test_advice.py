"""Advice: what is proposed fits and says what it does; what is called the largest is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consilico.sim.memory.advice import suggestions
from consilico.sim.memory.answer import Fit, answer
from consilico.sim.memory.gpus import GpuMemory, find_gpu, gpu_memory
from consilico.sim.memory.ledger import footprint, ledger, timeline
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.sweep import largest
from consilico.sim.memory.training_run import TrainingRun

LLAMA = find_model("llama-7b")
TOO_LARGE: list[dict[str, Any]] = [
    {"method": "adamw"},
    {"method": "adamw", "batch": 8, "sequence": 2048},
    {"method": "galore-8bit", "rank": 1024},
    {"method": "q-galore", "published": True, "per_layer": True, "rank": 1024, "batch": 4},
    {"method": "lora", "batch": 16, "sequence": 2048, "attention": "eager"},
    {"method": "lora", "batch": 64, "sequence": 2048, "accumulation": 2},
    {"method": "apollo", "rank": 256, "batch": 2, "sequence": 1024},
]


def fit_of(run: TrainingRun, memory: GpuMemory) -> Fit:
    fit = answer(run, memory).fit
    assert fit is not None
    return fit


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_every_suggestion_fits_and_the_exact_ones_come_first(settings: dict[str, Any]) -> None:
    run, room = TrainingRun(model=LLAMA, **settings), 16 * 10**9
    assert ledger(run).peak_bytes > room
    found = suggestions(run, room)
    assert found
    for suggestion in found:
        changed = replace(run, **suggestion.changes)
        assert ledger(changed).peak_bytes == suggestion.peak_bytes
        assert fit_of(changed, GpuMemory(name="card", bytes=room, context_bytes=0)).fits
        same = changed.batch * changed.accumulation == run.batch * run.accumulation  # a step
        assert suggestion.exact == (
            same and (changed.method, changed.sequence) == (run.method, run.sequence)
        )
    assert [s.exact for s in found] == sorted((s.exact for s in found), reverse=True)


def test_no_change_makes_a_model_fit_that_is_larger_than_the_memory() -> None:
    assert suggestions(TrainingRun(model=find_model("llama-65b")), 8 * 10**9) == []


@pytest.mark.parametrize("field", ["batch", "sequence"])
@pytest.mark.parametrize("method", ["qlora", "q-galore", "lomo"])
def test_one_more_than_the_largest_does_not_fit(field: str, method: str) -> None:
    run = TrainingRun(model=LLAMA, method=method, per_layer=True, checkpointing="full")
    room = 20 * 10**9
    found = largest(run, field, room)
    assert found > 1
    peaks = []
    for value in (found, found + 1):
        changes: dict[str, Any] = {field: value}
        peaks.append(int(footprint(replace(run, **changes))))
    assert peaks[0] <= room < peaks[1]
    card = GpuMemory(name="card", bytes=room, context_bytes=0)
    for value, fits in ((found, True), (found + 1, False)):
        asked: dict[str, Any] = {field: value}
        assert fit_of(replace(run, **asked), card).fits is fits


def test_largest_is_none_where_nothing_fits() -> None:
    assert largest(TrainingRun(model=LLAMA), "batch", 10**9) == 0


def test_an_answer_says_what_the_ledger_says_and_what_is_beside_it() -> None:
    card = find_gpu("rtx4060ti-16gb")
    run = TrainingRun(model=LLAMA, method="q-galore", published=True, rank=1024, per_layer=True)
    found = answer(run, GpuMemory.of(card), card)
    assert found.peak_bytes == ledger(run).peak_bytes
    assert sum(line.bytes for line in found.ledger if line.live) == found.peak_bytes
    outside = sum(item.bytes for item in found.outside)
    fit = found.fit
    assert fit is not None
    assert fit.needed_bytes == found.peak_bytes + outside
    assert fit.headroom_bytes == card.memory_bytes - fit.needed_bytes
    assert fit.fits == (fit.headroom_bytes >= 0)
    assert fit.fits  # the headline of arXiv 2407.08296
    assert fit.suggestions == ()
    less = GpuMemory(name="less", bytes=fit.needed_bytes - 1, context_bytes=0)
    assert fit_of(run, less).fits  # without a context
    least = GpuMemory(name="least", bytes=found.peak_bytes, context_bytes=0)
    assert not fit_of(run, least).fits


def test_json_has_the_keys_of_the_fit_only_where_a_memory_is_asked_for() -> None:
    run = TrainingRun(model=LLAMA, method="adamw")
    bare = answer(run).to_json()
    asked = answer(run, gpu_memory("16 GiB")).to_json()
    fit = {"gpu", "memory_bytes", "needed_bytes", "fits", "headroom_bytes", "largest"}
    assert set(asked) - set(bare) == fit | {"suggestions"}
    assert asked["ledger"] == bare["ledger"]
    assert json.loads(json.dumps(asked)) == asked


def test_a_lighter_method_that_does_not_run_in_these_settings_is_not_proposed() -> None:
    run = TrainingRun(model=LLAMA, method="adamw", dtype="mixed")  # q-galore takes no such dtype
    found = suggestions(run, 12 * 10**9)
    assert all(s.changes.get("method") != "q-galore" for s in found)


def test_a_timeline_goes_through_all_blocks_and_its_greatest_part_is_the_peak() -> None:
    for settings in ({"method": "adamw"}, {"method": "q-galore", "per_layer": True}):
        run = TrainingRun(model=LLAMA, **settings)
        parts = timeline(run)
        names = [part.part for part in parts]
        for number in range(1, 33):
            assert f"forward, block {number} of 32" in names
            assert f"backward, block {number} of 32" in names
        assert max(part.bytes for part in parts) == ledger(run).peak_bytes
        for part in parts:
            assert sum(part.kinds.values()) == part.bytes


def test_apollo_mini_is_proposed_with_its_rank_of_one() -> None:
    run = TrainingRun(model=LLAMA, method="apollo", rank=256, per_layer=True)
    found = [s for s in suggestions(run, 17 * 10**9) if s.changes.get("method") == "apollo-mini"]
    assert found
    assert all(s.changes["rank"] == 1 for s in found)


def test_learned_positions_bound_the_largest_sequence() -> None:
    run = TrainingRun(model=find_model("gpt2"))
    assert largest(run, "sequence", 10**12) == 1024
