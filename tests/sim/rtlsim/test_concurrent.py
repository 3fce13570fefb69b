"""Streams that run free of each other find what no fixed order shows."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from consilico.sim.rtlsim.bulk_replay import build_bulk, run_script
from consilico.sim.rtlsim.profiles import PROFILES, Profile, concurrent
from consilico.sim.rtlsim.script import ALWAYS_READY, FREE, Consumer, Script, Way, in_order
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.rtlsim.symptoms import Observed, observe
from consilico.sim.units.accepted import Expected
from consilico.sim.units.contract import MOVES
from consilico.sim.units.stimulus import Kind, Stimulus
from tests.sim.rtlsim import toy

UNIT, CONFIG = toy.unit(), toy.ToyConfig()
EXPECT = partial(UNIT.expect, CONFIG)
PROFILE = {profile.name: profile for profile in PROFILES}
AFTER_VALID = PROFILE["continuous, ready after valid"]
LONG_STALL = PROFILE["bursts, stalls and sleeps of thousands"]
ALWAYS = PROFILE["continuous, always ready"]
GAPS = PROFILE["long gaps, ready one by one"]


def replay(sources: list[str], script: Script, ready: Mapping[str, str] = {}) -> Observed:
    icarus = find_simulator("icarus")
    build = build_bulk(icarus, sources, toy.TOP, toy.PORTS, ready=ready)
    transcript = run_script(icarus, build, toy.PORTS, script, hang_cycles=15_000)
    return observe(script, transcript, EXPECT, UNIT.layouts(CONFIG).o)


def driven(profile: Profile, seed: int = 1) -> Script:
    return concurrent(toy.stimulus(), profile, seed, EXPECT)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_right_unit_passes(profile: Profile) -> None:
    script = driven(profile)
    seen = replay(toy.sources(), script)
    assert seen.symptoms == {}
    assert seen.comparison is not None
    assert not seen.comparison.differs
    assert len(seen.comparison.due) > 100
    delivered, dropped = len(seen.comparison.delivered), seen.comparison.dropped
    assert delivered + dropped == len(seen.comparison.expected)
    assert all(gate.resting == 0 < gate.ticks for gate in seen.transcript.ticks)


def test_the_required_events_happen() -> None:
    seen = replay(toy.sources(), driven(AFTER_VALID))
    assert seen.comparison is not None
    for event in (
        "config_with_data",
        "config_back_to_back",
        "config_after_reset",
        "config_when_full",
        "reset_under_back_pressure",
        "ready_after_valid",
    ):
        assert seen.transcript.events[event] > 0, event
    assert seen.comparison.resets_in_flight > 0
    assert seen.comparison.configs_in_flight > 0


@pytest.mark.parametrize("takes", [100, 300])  # 300: more than a block has otherwise
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_results_that_take_many_beats_come_before_a_reset(profile: Profile, takes: int) -> None:
    """Eight results are completed by one beat after each load, and by no other."""
    kind = np.tile([*[Kind.CONFIG] * 5, *[Kind.DATA] * (takes + 10)], 6).astype(np.uint8)
    completes = np.zeros(len(kind), dtype=np.uint16)
    completes[takes + 4 :: takes + 15] = 8
    stimulus = Stimulus(
        kind=kind, bits=np.zeros((len(kind), 1), dtype=np.uint8), completes=completes,
        expected=np.zeros((48, 1), dtype=np.uint8), results=48, operations=0,
    )  # fmt: skip
    for seed in range(1, 11):
        script = concurrent(
            stimulus,
            profile,
            seed,
            lambda kind, bits: Expected(np.zeros(len(kind), np.uint16), bits, {}),
        )
        kept = since = 0
        pending: list[int] = []  # beats after which results are complete
        beats = 0  # before the item
        for item, lead in zip(script.kind, script.data_lead, strict=True):
            if item == Kind.RESET:  # comes while so many beats may be missing
                kept += 8 * len([beat for beat in pending if beat <= beats - lead])
                since, pending = 0, []
            else:
                since = since + 1 if item == Kind.DATA else 0
                beats += item == Kind.DATA
                pending += [beats] if since == takes else []
        assert kept + 8 * len(pending) >= 40, seed


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("shapes", [False, True], ids=["constants", "jobs"])
def test_the_last_results_are_dropped_by_no_reset(profile: Profile, shapes: bool) -> None:
    """However late results come: no reset follows the last load and its data, which wait for it."""
    kind = np.tile([Kind.CONFIG, *[Kind.DATA] * 500], 4).astype(np.uint8)
    kind[502 + 300] = Kind.RESET  # in the second block, which has results before it only
    completes = np.zeros(len(kind), dtype=np.uint16)
    completes[[250, 502 + 200, 1002 + 400, 1503 + 499]] = 1
    stimulus = Stimulus(
        kind=kind, bits=np.zeros((len(kind), 1), dtype=np.uint8), completes=completes,
        expected=np.zeros((4, 1), dtype=np.uint8), results=4, operations=0,
    )  # fmt: skip
    shape = iter(range(1000))

    def expect(kind: Any, bits: Any) -> Expected:
        found = np.zeros(len(kind), np.uint16)
        if len(kind) != 2 + 250:  # by itself, the first block has none when it is cut
            found[-1 - shapes * next(shape)] = 1  # a job ends elsewhere after each load
        return Expected(found, bits, {})

    for seed in range(1, 6):
        script = concurrent(stimulus, profile, seed, expect)
        after = np.flatnonzero(script.kind == Kind.RESET)[-1] + 1
        load, data = after, after + 1
        assert script.kind[load] == Kind.CONFIG
        assert not script.pressed[load]
        assert (script.kind[data:] == Kind.DATA).all()
        assert script.config_lead[data] == 0
        assert len(script.kind) - data == (500 if shapes else 400)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_load_is_offered_right_behind_another(profile: Profile, seed: int) -> None:
    """It waits neither for data nor for a full unit, and a reset does not come between."""
    script = driven(profile, seed)
    loads = np.flatnonzero(script.kind != Kind.DATA)
    right = (script.data_lead == FREE) & (script.gap == 0) & ~script.pressed
    pairs = pairwise(loads)
    assert any((script.kind[[a, b]] == Kind.CONFIG).all() and right[b] for a, b in pairs)


def test_constants_of_one_beat_come_often() -> None:
    script = driven(AFTER_VALID)
    loads = np.flatnonzero(script.kind == Kind.CONFIG)
    assert np.median(np.diff(loads)) < 10


def test_one_stall_lasts_for_thousands_of_cycles() -> None:
    seen = replay(toy.sources(), driven(LONG_STALL))
    assert seen.transcript.events["longest_stall"] > 4096


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_producer_sleeps_for_thousands_of_cycles(seed: int) -> None:
    seen = replay(toy.sources(), driven(LONG_STALL, seed))
    assert seen.transcript.events["longest_sleep"] > 4096


ADDED = "wire gated;"
FAULTS = [
    # what is wrong, profile, in the Verilog this, becomes that, and a symptom
    (
        "configuration lost along with data",
        AFTER_VALID,
        [("if (cfg__valid) k", "if (cfg__valid & ~i__valid) k")],
        "wrong: payload",
    ),
    (
        "the second of two configurations lost",
        AFTER_VALID,
        [
            (ADDED, "wire gated; reg was = 0; always @(posedge clk) was <= cfg__valid;"),
            ("if (cfg__valid) k", "if (cfg__valid & ~was) k"),
        ],
        "wrong: payload",
    ),
    (
        "configuration lost in the first cycle after reset",
        AFTER_VALID,
        [
            (ADDED, "wire gated; reg was = 0; always @(posedge clk) was <= rst;"),
            ("if (cfg__valid) k", "if (cfg__valid & ~was) k"),
        ],
        "wrong: payload",
    ),
    (
        "reset does not clear a result that waits",
        AFTER_VALID,
        [
            (ADDED, "wire gated; initial full1 = 0;"),
            ("full1 <= 1'b0", "full1 <= full1 & ~o__ready"),
        ],
        "a result that nothing was due for",
    ),
    (
        "advances only when ready",
        AFTER_VALID,
        [("free1 = o__ready | ~full1", "free1 = o__ready")],
        "hang: i__ready stays low",
    ),
    (
        "valid waits for ready",
        AFTER_VALID,
        [("o__valid = full1", "o__valid = full1 & o__ready")],
        "hang: i__ready stays low",
    ),
    (
        "a result is lost after 4,000 stalled cycles",
        LONG_STALL,
        [
            (
                ADDED,
                "wire gated; reg [11:0] n = 0; always @(posedge clk) n <= free1 ? 0 : n + 1;",
            ),
            ("free1 = o__ready | ~full1", "free1 = o__ready | ~full1 | n == 12'd4000"),
        ],
        "o__payload changed before o__ready",
    ),
    (
        "an input is lost after 200 stalled cycles",
        LONG_STALL,
        [
            (
                ADDED,
                """wire gated; reg [7:0] n = 0;
                always @(posedge clk) n <= free1 ? 0 : n + (n < 200);
                always @(posedge clk) if (n == 199) full0 <= 0;""",
            ),
        ],
        "wrong: payload",
    ),
    (
        "a beat is lost after 4,000 idle cycles",
        LONG_STALL,
        [
            (
                ADDED,
                """wire gated; reg [11:0] n = 0;
                always @(posedge clk) n <= i__valid ? 0 : n + (n < 4000);""",
            ),
            ("full0 <= i__valid", "full0 <= i__valid & n != 4000"),
        ],
        "wrong: payload",
    ),
    (
        "a reset undoes what was loaded right before it",
        AFTER_VALID,
        [
            (ADDED, "wire gated; reg [7:0] old; reg fresh = 0;"),
            (
                "if (cfg__valid) k <= cfg__payload;",
                """if (cfg__valid) begin k <= cfg__payload; old <= fresh ? old : k; fresh <= 1; end
                else if (i__valid) fresh <= 0;
                if (rst) begin if (fresh) k <= old; fresh <= 0; end""",
            ),
        ],
        "wrong: payload",
    ),
    (
        "results come twice",
        GAPS,
        [("full1 <= full0", "full1 <= full0 | (full1 & result[3:0] == 4'd6)")],
        "a result that nothing was due for",
    ),
    (
        "a wrong bit",
        ALWAYS,
        [("o__payload = result", "o__payload = result ^ (result[5:0] == 6'd42)")],
        "wrong: payload",
    ),
]


@pytest.mark.parametrize(
    ("profile", "edits", "symptom"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
def test_a_fault_is_found(profile: Profile, edits: list[tuple[str, str]], symptom: str) -> None:
    text, gate = toy.sources()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    seen = replay([text, gate], driven(profile))
    assert symptom in seen.symptoms


# The toy takes configuration always, and data unless ``o`` waits
READY = {"i": MOVES, "cfg": "1"}


def test_a_stream_that_is_ready_where_it_has_to_be_passes() -> None:
    assert replay(toy.sources(), driven(AFTER_VALID), READY).symptoms == {}


@pytest.mark.parametrize(
    ("old", "new", "stream"),
    [
        ("assign cfg__ready = 1'b1", "assign cfg__ready = free1", "cfg"),
        ("assign i__ready = free0", "assign i__ready = free0 & ~(cfg__valid & full0)", "i"),
    ],
)
def test_a_stream_that_waits_for_no_reason_is_found(old: str, new: str, stream: str) -> None:
    seen = replay(toy.sources(old, new), driven(AFTER_VALID), READY)
    assert f"{stream}__ready is 0 for no reason" in seen.symptoms


def test_a_clock_gate_that_is_always_on_is_found() -> None:
    always_on = toy.sources(".enable(free0 & i__valid)", ".enable(1'b1)")
    seen = replay(always_on, in_order(toy.stimulus()))
    assert [gate.gate for gate in seen.transcript.ticks if gate.resting] == ["gate"]


def test_a_reset_drops_what_was_to_come_before_it() -> None:
    stimulus = toy.stimulus()
    items = np.flatnonzero(stimulus.kind != Kind.RESET)[:30]
    kind = np.append(stimulus.kind[items], [Kind.RESET, Kind.DATA]).astype(np.uint8)
    bits = np.concatenate([stimulus.bits[items], [[0], [9]]]).astype(np.uint8)
    count = len(kind)
    lead = np.zeros(count, dtype=np.int64)
    lead[-2] = 12  # of 29 beats of data
    script = Script(
        kind=kind,
        bits=bits,
        data_lead=lead,
        config_lead=np.zeros(count, dtype=np.int64),
        gap=np.zeros(count, dtype=np.uint16),
        length=np.full(count, 3, dtype=np.uint8),
        pressed=np.zeros(count, dtype=np.bool_),
    )
    seen = replay(toy.sources(), script)
    assert seen.symptoms == {}
    assert seen.comparison is not None
    assert script.kind[seen.comparison.order].tolist().count(Kind.DATA) == 29 - 12 + 1
    assert seen.comparison.order[-1] == count - 1


@pytest.mark.parametrize(("way", "between"), [(Way.FREELY, 4), (Way.AFTER_VALID, 5)])
def test_a_consumer_waits_as_long_as_it_says(way: Way, between: int) -> None:
    stimulus = toy.stimulus(rounds=1)
    script = in_order(stimulus)
    consumer = Consumer(ways=np.array([way], np.uint8), delays=np.array([3], np.uint16))
    slow = Script(**{**vars(script), "consumer": consumer})
    seen = replay(toy.sources(), slow)
    assert seen.comparison is not None
    gaps = np.diff(seen.comparison.delivered_cycles[:10])
    assert set(gaps.tolist()) == {between}


def test_a_stall_that_a_reset_cuts_begins_anew() -> None:
    stimulus = toy.stimulus()
    items = np.flatnonzero(stimulus.kind != Kind.RESET)[:6]
    kind = np.insert(stimulus.kind[items], 3, Kind.RESET).astype(np.uint8)
    bits = np.insert(stimulus.bits[items], 3, 0, axis=0)
    zero = np.zeros(len(kind), dtype=np.int64)
    gap = np.where(kind == Kind.RESET, 30, 0)  # of 40 cycles that the first result waits
    script = Script(
        kind=kind,
        bits=bits,
        data_lead=zero,
        config_lead=zero,
        gap=gap.astype(np.uint16),
        length=np.ones(len(kind), dtype=np.uint8),
        pressed=zero.astype(np.bool_),
        consumer=Consumer(ways=np.array([Way.AFTER_VALID], np.uint8), delays=np.array([40], "u2")),
    )
    seen = replay(toy.sources(), script)
    assert seen.symptoms == {}
    assert seen.comparison is not None
    assert seen.comparison.dropped == 2
    first, *_ = seen.comparison.delivered_cycles
    assert first > 30 + 40  # after the reset all of it, and not the ten cycles that were left
    assert seen.transcript.events["longest_stall"] >= 40


def test_a_consumer_must_have_entries_and_loop_in_them() -> None:
    with pytest.raises(ValueError, match="a consumer has"):
        Consumer(ways=ALWAYS_READY.ways, delays=ALWAYS_READY.delays, loop=1)
