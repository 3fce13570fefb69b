"""Advice: what is proposed fits and says what it does; what is called the largest is."""

from dataclasses import replace
from typing import Any

import pytest

from consilico.sim.memory.advice import largest, suggestions
from consilico.sim.memory.gpus import find_gpu
from consilico.sim.memory.ledger import footprint, ledger
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.query import Room, answer, timeline
from consilico.sim.memory.run import Run

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


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_every_suggestion_fits_and_the_exact_ones_come_first(settings: dict[str, Any]) -> None:
    run, room = Run(model=LLAMA, **settings), 16 * 10**9
    assert ledger(run).peak_bytes > room
    found = suggestions(run, room)
    assert found
    for suggestion in found:
        changed = replace(run, **suggestion.changes)
        assert ledger(changed).peak_bytes == suggestion.peak_bytes
        assert answer(changed, Room(name="card", bytes=room, context_bytes=0))["fits"]
        same = changed.batch * changed.accumulation == run.batch * run.accumulation  # a step
        assert suggestion.exact == (
            same and (changed.method, changed.sequence) == (run.method, run.sequence)
        )
    assert [s.exact for s in found] == sorted((s.exact for s in found), reverse=True)


def test_no_change_makes_a_model_fit_that_is_larger_than_the_memory() -> None:
    assert suggestions(Run(model=find_model("llama-65b")), 8 * 10**9) == []


@pytest.mark.parametrize("field", ["batch", "sequence"])
@pytest.mark.parametrize("method", ["qlora", "q-galore", "lomo"])
def test_one_more_than_the_largest_does_not_fit(field: str, method: str) -> None:
    run = Run(model=LLAMA, method=method, per_layer=True, checkpointing="full")
    room = 20 * 10**9
    found = largest(run, field, room)
    assert found > 1
    peaks = []
    for value in (found, found + 1):
        changes: dict[str, Any] = {field: value}
        peaks.append(int(footprint(replace(run, **changes))))
    assert peaks[0] <= room < peaks[1]
    card = Room(name="card", bytes=room, context_bytes=0)
    for value, fits in ((found, True), (found + 1, False)):
        asked: dict[str, Any] = {field: value}
        assert answer(replace(run, **asked), card)["fits"] is fits


def test_largest_is_none_where_nothing_fits() -> None:
    assert largest(Run(model=LLAMA), "batch", 10**9) == 0


def test_an_answer_says_what_the_ledger_says_and_what_is_beside_it() -> None:
    card = find_gpu("rtx4060ti-16gb")
    run = Run(model=LLAMA, method="q-galore", published=True, rank=1024, per_layer=True)
    found = answer(run, Room.of(card), card)
    assert found["peak_bytes"] == ledger(run).peak_bytes
    assert sum(e["bytes"] for e in found["ledger"] if e["live"]) == found["peak_bytes"]
    beside = sum(item["bytes"] for item in found["outside"])
    assert found["needed_bytes"] == found["peak_bytes"] + beside
    assert found["headroom_bytes"] == card.memory_bytes - found["needed_bytes"]
    assert found["fits"] == (found["headroom_bytes"] >= 0)
    assert found["fits"]  # the headline of arXiv 2407.08296
    assert found["suggestions"] == []
    less = answer(run, Room(name="less", bytes=found["needed_bytes"] - 1, context_bytes=0), card)
    assert less["fits"]  # without a context
    least = Room(name="least", bytes=found["peak_bytes"], context_bytes=0)
    assert not answer(run, least, card)["fits"]


def test_a_timeline_goes_through_all_blocks_and_its_greatest_part_is_the_peak() -> None:
    for settings in ({"method": "adamw"}, {"method": "q-galore", "per_layer": True}):
        run = Run(model=LLAMA, **settings)
        parts = timeline(run)
        names = [part["part"] for part in parts]
        for number in range(1, 33):
            assert f"forward, block {number} of 32" in names
            assert f"backward, block {number} of 32" in names
        assert max(part["bytes"] for part in parts) == ledger(run).peak_bytes
        for part in parts:
            assert sum(part["kinds"].values()) == part["bytes"]


def test_apollo_mini_is_proposed_with_its_rank_of_one() -> None:
    run = Run(model=LLAMA, method="apollo", rank=256, per_layer=True)
    found = [s for s in suggestions(run, 17 * 10**9) if s.changes.get("method") == "apollo-mini"]
    assert found
    assert all(s.changes["rank"] == 1 for s in found)


def test_learned_positions_bound_the_largest_sequence() -> None:
    run = Run(model=find_model("gpt2"))
    assert largest(run, "sequence", 10**12) == 1024
