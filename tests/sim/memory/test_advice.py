"""Advice: what is proposed fits and says what it does; what is called the largest is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consilico.sim.base.interval import ZERO
from consilico.sim.memory.advice import GROUPS, Suggestion, suggestions
from consilico.sim.memory.answer import Fit, answer
from consilico.sim.memory.gpus import GpuMemory, find_gpu, gpu_memory
from consilico.sim.memory.ledger import ledger, timeline
from consilico.sim.memory.margins import needed_memory
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.step_time import step_time
from consilico.sim.memory.sweep import largest
from consilico.sim.memory.training_run import TrainingRun

LLAMA = find_model("llama-7b")
TOO_LARGE: list[dict[str, Any]] = [
    {"method": "adamw"},
    {"method": "adamw", "batch": 8, "sequence": 2048},
    {"method": "galore-8bit", "rank": 1024},
    {"method": "q-galore", "published": True, "per_layer": True, "rank": 1024, "batch": 8},
    {"method": "lora", "batch": 16, "sequence": 2048, "attention": "eager"},
    {"method": "lora", "batch": 64, "sequence": 2048, "accumulation": 2},
    {"method": "apollo", "rank": 256, "batch": 2, "sequence": 1024},
]


def bare(size: int) -> GpuMemory:
    """Return a memory without any context."""
    return GpuMemory(name="card", bytes=size, context=ZERO)


def fit_of(run: TrainingRun, memory: GpuMemory) -> Fit:
    fit = answer(run, memory).fit
    assert fit is not None
    return fit


def advice(run: TrainingRun, memory: str, gpu: str) -> list[Suggestion]:
    card = find_gpu(gpu)

    def seconds(changed: TrainingRun) -> float:
        time = step_time(changed, card)
        return time.total_s / time.tokens

    return suggestions(run, gpu_memory(memory), seconds)


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_every_suggestion_fits_and_none_of_it_can_be_left_out(settings: dict[str, Any]) -> None:
    run, room = TrainingRun(model=LLAMA, **settings), bare(24 * 10**9)
    assert needed_memory(run, room).high > room.bytes
    found = suggestions(run, room)
    assert found
    for suggestion in found:
        changed = replace(run, **suggestion.changes)
        needed = needed_memory(changed, room)
        assert int(needed.peak) == suggestion.peak_bytes
        assert int(needed.high) == suggestion.needed_bytes <= room.bytes
        if suggestion.group == "same numbers":
            for name in set(suggestion.changes) - {"batch", "accumulation"}:
                fewer = {k: v for k, v in suggestion.changes.items() if k != name}
                assert needed_memory(replace(run, **fewer), room).high > room.bytes
    places = [GROUPS.index(suggestion.group) for suggestion in found]
    assert places == sorted(places)


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_what_is_called_exact_computes_the_same_step(settings: dict[str, Any]) -> None:
    run = TrainingRun(model=LLAMA, **settings)
    for suggestion in suggestions(run, bare(24 * 10**9)):
        changed = replace(run, **suggestion.changes)
        per_step = changed.batch * changed.accumulation * changed.gpus
        same = per_step == run.batch * run.accumulation * run.gpus and all(
            getattr(changed, name) == getattr(run, name)
            for name in ("method", "sequence", "targets", "rank")
        )
        assert suggestion.exact == same
        assert suggestion.exact or suggestion.group != "same numbers"


def test_a_combination_is_not_hidden_behind_one_costly_change() -> None:
    """1B with AdamW in 12 GB: offloading alone fits, but updates per layer are quicker."""
    run = TrainingRun(model=find_model("llama-3.2-1b"), batch=2, sequence=512)
    first, *others = advice(run, "12 GB", "a100-40gb")
    assert first.exact
    assert first.changes == {"per_layer": True, "loss": "fused"}
    assert first.time_factor is not None
    assert first.time_factor <= 1
    assert any("offload" in item.changes for item in others)


def test_updates_per_layer_say_that_clipping_by_the_global_norm_is_gone() -> None:
    run = TrainingRun(model=find_model("llama-3.2-1b"), batch=2, sequence=512)
    for item in advice(run, "12 GB", "a100-40gb"):
        said = any("clipping by the global norm is gone" in words for words in item.what)
        assert said == bool(item.changes.get("per_layer"))


def test_a_batch_of_64_is_kept_where_two_exact_changes_keep_it() -> None:
    """Qwen2.5-0.5B at batch 64 in 8 GB."""
    run = TrainingRun(model=find_model("qwen2.5-0.5b"), batch=64)
    found = [item for item in advice(run, "8 GB", "a100-40gb") if item.group == "same numbers"]
    assert {"loss": "fused", "checkpointing": "full"} in [item.changes for item in found]
    factors = [item.time_factor for item in found]
    assert factors == sorted(factors, key=lambda f: round(f or 0, 2))


@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_a_70b_model_fits_two_gpus_of_24_gb_by_exact_changes(sharding: str) -> None:
    settings: dict[str, Any] = {"gpus": 2, "sharding": sharding, "sequence": 512}
    run = TrainingRun(model=find_model("llama-2-70b"), method="qlora", **settings)
    found = [s for s in advice(run, "rtx4090-24gb", "rtx4090-24gb") if s.group == "same numbers"]
    wanted = {"checkpointing": "full"} | ({"sharding": "fsdp"} if sharding == "none" else {})
    (item,) = [item for item in found if item.changes == wanted]
    assert item.exact
    assert item.peak_bytes < item.needed_bytes <= gpu_memory("rtx4090-24gb").bytes


def test_settings_that_another_method_has_not_go_with_the_method() -> None:
    run = TrainingRun(model=LLAMA, method="lora", rank=8, targets="q,v", batch=64, sequence=2048)
    methods = {s.changes.get("method") for s in suggestions(run, bare(24 * 10**9))}
    assert "qlora" in methods
    for item in suggestions(replace(run, method="lisa", rank=0, targets="all"), bare(24 * 10**9)):
        assert replace(run, rank=0, targets="all", **item.changes)


def test_sequences_of_a_step_are_kept_by_accumulation() -> None:
    run = TrainingRun(model=LLAMA, method="lora", batch=12, sequence=2048, checkpointing="full")
    found = suggestions(run, bare(22 * 10**9))
    splits = [item.changes for item in found if "accumulation" in item.changes]
    assert splits
    assert all(item["batch"] * item["accumulation"] == 12 for item in splits)


def test_more_gpus_share_out_what_one_cannot_hold() -> None:
    run = TrainingRun(model=find_model("llama-2-13b"), batch=8, sequence=1024)
    (item,) = [s for s in advice(run, "80 GiB", "a100-80gb") if s.group == "more GPUs"]
    assert item.changes["sharding"] == "fsdp"
    assert item.changes["gpus"] * item.changes["batch"] == 8
    assert item.exact


def test_other_methods_are_a_group_of_their_own_and_come_last() -> None:
    found = suggestions(TrainingRun(model=LLAMA), bare(24 * 10**9))
    methods = [item.group == "other method" for item in found]
    assert methods == sorted(methods)
    assert methods == ["method" in item.changes for item in found]


def test_no_change_makes_a_model_fit_that_is_larger_than_the_memory() -> None:
    assert suggestions(TrainingRun(model=find_model("llama-65b")), bare(8 * 10**9)) == []


@pytest.mark.parametrize("field", ["batch", "sequence"])
@pytest.mark.parametrize("method", ["qlora", "q-galore", "lomo"])
def test_one_more_than_the_largest_does_not_fit(field: str, method: str) -> None:
    run = TrainingRun(model=LLAMA, method=method, per_layer=True, checkpointing="full")
    room = bare(24 * 10**9)
    found = largest(run, field, room)
    assert found > 1
    for value, fits in ((found, True), (found + 1, False)):
        changes: dict[str, Any] = {field: value}
        changed = replace(run, **changes)
        assert (needed_memory(changed, room).high <= room.bytes) is fits
        assert fit_of(changed, room).fits is fits


def test_largest_is_none_where_nothing_fits() -> None:
    assert largest(TrainingRun(model=LLAMA), "batch", bare(10**9)) == 0


def test_an_answer_says_what_the_ledger_says_and_what_is_outside_of_it() -> None:
    card = find_gpu("rtx4060ti-16gb")
    run = TrainingRun(model=LLAMA, method="q-galore", published=True, rank=1024, per_layer=True)
    found = answer(run, GpuMemory.of(card), card)
    assert found.peak_bytes == ledger(run).peak_bytes
    assert sum(line.bytes for line in found.ledger if line.live) == found.peak_bytes
    fit, outside = found.fit, sum(item.bytes for item in found.outside)
    assert fit is not None
    assert fit.needed_bytes.value == pytest.approx(found.peak_bytes + outside, abs=2)
    assert fit.headroom_bytes == card.memory_bytes - fit.needed_bytes.value
    assert (fit.verdict, fit.fits, fit.suggestions) == ("fits", True, ())  # arXiv 2407.08296


@pytest.mark.parametrize(
    ("end", "less", "verdict"),
    [("high", 0, "fits"), ("high", 1, "tight"), ("low", 0, "tight"), ("low", 1, "does not fit")],
)
def test_a_run_is_tight_where_the_limit_lies_inside_the_interval(
    end: str, less: int, verdict: str
) -> None:
    run = TrainingRun(model=LLAMA, method="lora", sequence=1024)
    needed = needed_memory(run, bare(1)).in_bytes()
    assert needed.low < needed.value < needed.high
    fit = fit_of(run, bare(getattr(needed, end) - less))
    assert (fit.verdict, fit.fits) == (verdict, verdict == "fits")


def test_a_tight_run_is_told_what_to_set() -> None:
    run = TrainingRun(model=LLAMA, method="lora", batch=4, sequence=1024, checkpointing="full")
    needed = needed_memory(run, bare(1))
    fit = fit_of(run, bare(int(needed.unfragmented) + 1))
    assert fit.verdict == "tight"
    assert fit.remedies == (
        "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", f"--batch {fit.largest['batch']}",
    )  # fmt: skip
    smaller = replace(run, batch=fit.largest["batch"])
    assert fit_of(smaller, bare(fit.memory_bytes)).verdict == "fits"
    below = fit_of(run, bare(int(needed.low) + 1))
    assert not any("expandable" in remedy for remedy in below.remedies)


def test_json_has_the_keys_of_the_fit_only_where_a_memory_is_asked_for() -> None:
    run = TrainingRun(model=LLAMA, method="adamw")
    alone = answer(run).to_json()
    asked = answer(run, gpu_memory("16 GiB")).to_json()
    fit = {"gpu", "memory_bytes", "needed_bytes", "verdict", "fits", "headroom_bytes", "largest"}
    assert set(asked) - set(alone) == fit | {"remedies", "suggestions"}
    assert set(asked["needed_bytes"]) == {"low", "value", "high"}
    assert asked["ledger"] == alone["ledger"]
    assert json.loads(json.dumps(asked)) == asked


def test_a_lighter_method_that_does_not_run_in_these_settings_is_not_proposed() -> None:
    run = TrainingRun(model=LLAMA, method="adamw", dtype="mixed")  # q-galore takes no such dtype
    found = suggestions(run, bare(24 * 10**9))
    assert any(s.group == "other method" for s in found)
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
    mini = replace(run, method="apollo-mini", rank=1)
    room = bare(int(needed_memory(mini, bare(1)).high) + 1)
    assert needed_memory(run, room).high > room.bytes
    found = [s for s in suggestions(run, room) if s.changes.get("method") == "apollo-mini"]
    assert found
    assert all(s.changes["rank"] == 1 for s in found)


def test_learned_positions_bound_the_largest_sequence() -> None:
    run = TrainingRun(model=find_model("gpt2"))
    assert largest(run, "sequence", bare(10**12)) == 1024
