"""What the page says of training memory: the answer, the misses, and what is not measured."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from consilico.reports.memory.facts import GpuCheck, MemoryFacts, memory_facts
from consilico.reports.memory.judgements import grouped_evidence, judge_memory
from tests.reports.section import charts_of, html_of, words


def _html(facts: dict[str, Any]) -> str:
    return html_of("memory", facts["memory"])


def _text(facts: dict[str, Any]) -> str:
    return words(_html(facts))


def test_section_leads_with_the_answer(facts: dict[str, Any]) -> None:
    text = _text(facts)
    assert "llama-7b with Q-GaLore as published on one RTX 4060 Ti 16 GB" in text
    assert (
        "The run Fits needs 14.50 GB (13.50 GiB), between 14.00 and 15.00 GB, of 17.00 GB"
        " (15.83 GiB)" in text
    )
    assert "Peak of the tensors 13.00 GB 12.11 GiB when: backward, block 2 of 2: down" in text
    assert "Its authors print 15.08 GB: ours is -1.03 % off." in text
    assert (
        "driver and CUDA context 1.00 GB (assumed, 0.80 to 1.20), allocator's fragmentation 0.50 GB"
        " (estimated, 0.00 to 1.00)" in text
    )
    assert (
        "Headroom 2.50 GB 2.33 GiB The ledger's error on 2 measured runs of this class: median"
        " 0.6 %, worst 1.1 %." in text
    )
    assert text.index("Fits") < text.index("What fits where") < text.index("How right it is")
    assert text.index("How right it is") < text.index("Time A roofline") < text.index("Methods")
    assert "MISSED" not in text


def test_run_that_does_not_fit_is_said_to_be_so(facts: dict[str, Any]) -> None:
    refused = {"verdict": "does not fit", "fits": False, "headroom_bytes": -3 * 10**9}
    facts["memory"].headline.update(refused)
    html = _html(facts)
    assert '<div class="value bad-text">Does NOT fit</div>' in html
    assert '<div class="value bad-text">-3.00 GB' in html


def test_a_tight_run_is_neither_good_nor_bad_and_says_what_to_set(facts: dict[str, Any]) -> None:
    facts["memory"].headline.update({"verdict": "tight", "fits": False, "remedies": ["--batch 2"]})
    html = _html(facts)
    assert '<div class="value">Tight</div>' in html
    assert "To be sure: --batch 2." in words(html)
    (card,) = judge_memory(facts["memory"]).cards
    assert (card.value, card.good) == ("Tight", None)


def test_a_class_without_runs_has_no_error(facts: dict[str, Any]) -> None:
    facts["memory"].headline["error"] = None
    assert "No measured run like this." in _text(facts)


def test_classes_verdicts_and_refuted_peaks_are_shown(facts: dict[str, Any]) -> None:
    text = _text(facts)
    assert "LoRA, Hugging Face, bfloat16, one GPU 6 0.40 % -0.80 +0.10" in text
    assert "held out 17 7 0 0 4 8" in text
    assert "LISA (a post): weights 138.00 + states 9.00 = 147.00 GB > 75." in text


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"died_fits": 1}, "training memory, held-out runs that died and are said to fit"),
        (
            {"ran_does_not_fit": 3},
            "training memory, held-out runs that ran and are said not to fit",
        ),
    ],
)
def test_a_wrong_verdict_is_a_missed_target(
    facts: dict[str, Any], changes: dict[str, int], what: str
) -> None:
    verdicts = facts["memory"].verdicts
    verdicts["held out"] = replace(verdicts["held out"], **changes)
    missed = [check.what for check in judge_memory(facts["memory"]).checks if not check.met]
    assert missed == [what]


def test_largest_batches_stand_below_their_memory(facts: dict[str, Any]) -> None:
    html = _html(facts)
    text = words(html)
    assert "512 tokens 2,048 tokens 8 GiB 16 GiB 8 GiB 16 GiB" in text
    assert "AdamW - 6 - 1 QLoRA 16 9 32 2 8" in text
    assert "Batches above 32 were not tried." in text
    assert '<td class="c l shade0">-</td><td class="c shade3">6</td>' in html


def test_errors_stand_with_their_targets(facts: dict[str, Any]) -> None:
    text = _text(facts)
    assert "measured by others, held out 59 1.200 % 2.5 % MET 7.500 %" in text
    assert "causes of errors 23 0.190 % 3.0 % MET 6.200 % 7.0 % MET" in text
    assert (
        "of these, vramcalc 0.1.2's own; limit: its own worst 19 0.150 % 1.300 % 4.3 % MET" in text
    )
    assert "our own execution, tracked 39 0.001 % 0.730 % 1.0 % MET" in text
    assert "1 of 1 printed figures that follow a paper's own rule 1 of 2 GaLore, Table 4" in text
    assert "a tracker, torch 2.9, 2026-01-02. Not measured on a GPU yet." in text


@pytest.mark.parametrize(
    ("key", "name", "error", "row"),
    [
        ("held out", "median_pct", 2.51, "59 2.510 % 2.5 % MISSED"),
        ("seen", "median_pct", 3.01, "23 3.010 % 3.0 % MISSED 6.200 % 7.0 % MET"),
        ("seen", "worst_pct", 7.01, "23 0.190 % 3.0 % MET 7.010 % 7.0 % MISSED"),
        ("peer", "worst_pct", 4.31, "19 0.150 % 4.310 % 4.3 % MISSED"),
        ("tracked", "worst_pct", 1.01, "39 0.001 % 1.010 % 1.0 % MISSED"),
    ],
)
def test_missed_error_is_marked(
    facts: dict[str, Any], key: str, name: str, error: float, row: str
) -> None:
    errors = facts["memory"].errors
    errors[key] = replace(errors[key], **{name: error})
    text = _text(facts)
    assert row in text
    assert text.count("MISSED") == 1


def test_measurement_on_a_gpu_is_named(facts: dict[str, Any]) -> None:
    gpu = GpuCheck(device="a GPU", date="2026-01-03", torch="2.9", note="rounded", runs=2)
    facts["memory"] = replace(facts["memory"], gpu=gpu)
    text = _text(facts)
    assert "On a GPU: a GPU, 2026-01-03, torch 2.9, 2 runs; rounded." in text
    assert "Not measured" not in text


def test_evidence_is_one_table_with_the_misses_in_red(facts: dict[str, Any]) -> None:
    html = _html(facts)
    text = words(html)
    kinds = ["arithmetic", "convention", "measured", "tracked"]
    assert re.findall(r'<tbody id="memory-(\w+)">', html) == kinds
    assert "AdamW weights + states 12.55 GB 12.551 +0.01" in text
    assert "AdamW weights + states 0.36 GB 0.368 0.300 +2.14 once" in text
    assert '<span class="bad-text">+0.45</span>' in html  # other digits than GaLore prints
    assert '<span class="bad-text">+60.34</span>' in html
    assert '<span class="">-1.03</span>' in html
    assert "not counted when is not stated" in text
    assert "our own execution llama-7b AdamW peak 109.388 GB 109.3875 0.00" in text


@pytest.mark.parametrize(
    ("kind", "error_pct", "beyond"),
    [
        ("measured", -6.1, True), ("measured", 5.9, False),
        ("tracked", -1.1, True), ("tracked", 0.9, False),
        ("convention", 0.0, True),
    ],
)  # fmt: skip
def test_each_kind_has_its_own_limit(
    facts: dict[str, Any], kind: str, error_pct: float, beyond: bool
) -> None:
    row = replace(facts["memory"].evidence[-1], kind=kind, error_pct=error_pct)
    groups = {group.kind: group.rows for group in grouped_evidence([row])}
    assert [item.beyond for item in groups[kind]] == [beyond]
    assert sum(map(len, groups.values())) == 1


def test_times_and_methods_are_listed(facts: dict[str, Any]) -> None:
    text = _text(facts)
    assert "takes 3.14 s per step: 82 tokens per second estimated" in text
    assert "As 9 runs reached: 4.20 s, 3.90 to 5.30." in text
    assert "llama-3.2-3b a100-80gb LoRA 7,000 10,000 0.70x" in text
    assert "QLoRA arXiv 2305.14314 NF4" in text


def test_figures_show_the_memory_there_is(facts: dict[str, Any]) -> None:
    drawn = charts_of("memory", facts["memory"])
    peak, step = drawn["memory_peak"], drawn["memory_step"]
    assert (peak.kind, step.kind) == ("counted", "counted")
    bars = {series.name: series.y for series in peak.panels[0].series}
    assert [(limit.name, limit.y) for limit in peak.panels[0].limits] == [
        ("all memory of one RTX 4060 Ti 16 GB", 17.0)
    ]
    assert bars["driver and CUDA context (assumed)"] == [1.0, 1.0]
    assert sum(y[0] for y in bars.values()) == 14.0
    assert list(step.panels[0].x_names.values()) == ["forward", "loss", "backward"]


def test_section_takes_what_the_ledger_gives(facts: dict[str, Any]) -> None:
    facts["memory"] = memory_facts()
    assert (
        MemoryFacts.from_json(json.loads(json.dumps(facts["memory"].to_json())))
        == (facts["memory"])
    )
    html = _html(facts)
    assert len(re.findall(r'<tr class="[a-z ]*"><td>(?:arith|conv|meas|track)', html)) == len(
        facts["memory"].evidence
    )
    methods = [method.title for method in facts["memory"].methods]
    assert all(html.count(f'<td class="s">{title}</td>') >= 2 for title in methods)


def test_a_missed_error_is_a_missed_target(facts: dict[str, Any]) -> None:
    assert all(check.met for check in judge_memory(facts["memory"]).checks)
    errors = facts["memory"].errors
    errors["tracked"] = replace(errors["tracked"], worst_pct=1.01)
    (missed,) = (check for check in judge_memory(facts["memory"]).checks if not check.met)
    assert missed.what == "training memory, worst error of peaks our own execution, tracked"
    assert not missed.must
