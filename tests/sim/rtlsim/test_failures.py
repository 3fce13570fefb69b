"""A failure is explained: what differs, the least that shows it, a waveform, how to replay it."""

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.acceptance import ReplayComparison
from consilico.sim.rtlsim.failures import Failure
from consilico.sim.rtlsim.profiles import PROFILES, concurrent
from consilico.sim.rtlsim.script import Script, in_order
from consilico.sim.rtlsim.shrink import shortest
from consilico.sim.rtlsim.stimulus_file import read_script, script_json
from consilico.sim.rtlsim.symptoms import Observed, tell_lanes_apart
from consilico.sim.rtlsim.verify import Verification, check, replay_file
from consilico.sim.units.catalogue import configure, find_unit, verilog
from consilico.sim.units.layout import Field, Layout, Layouts
from tests.sim.rtlsim import toy

UNIT, CONFIG = toy.unit(), toy.ToyConfig()
LAYOUTS = UNIT.layouts(CONFIG)
GOOD = "\n".join(toy.sources())
WRONG_BIT = "\n".join(toy.sources("o__payload = result", "o__payload = result ^ result[9:9]"))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Verification, Path]:
    """Verdict on a unit whose results are off by one where bit 9 is set, and its files' folder."""
    folder = tmp_path_factory.mktemp("failures")
    return check(UNIT, CONFIG, WRONG_BIT, ["icarus"], 1, failures=folder), folder


def only(verdict: Verification) -> Failure:
    (failure,) = verdict.failures
    return failure


def test_a_failure_names_fields_values_and_the_distance(wrong: tuple[Verification, Path]) -> None:
    failure = only(wrong[0])
    assert failure.what == "wrong: payload"
    assert failure.bench == "icarus, full speed"
    part = failure.fields["payload"]
    assert int(part.got) ^ int(part.expected) == 1
    assert int(part.expected) & 1 << 9
    assert part.ulp == int(part.got) - int(part.expected)
    assert (failure.worst_ulp, failure.mean_ulp) == (1, 1.0)
    assert failure.results_wrong > 50


def test_the_stimulus_is_as_short_as_can_be(wrong: tuple[Verification, Path]) -> None:
    failure = only(wrong[0])
    written = json.loads(Path(failure.stimulus).read_text())
    kinds = [item["kind"] for item in written["items"]]
    assert kinds == ["config", "data"]
    assert failure.items == 2
    assert written["shows"] == "wrong: payload"


def test_the_waveform_shows_the_result_at_the_time_given(wrong: tuple[Verification, Path]) -> None:
    failure = only(wrong[0])
    text = Path(failure.waveform).read_text()
    found = re.search(r"\$var \S+ 16 (\S+) o__payload", text)
    assert found is not None
    scale = 1000  # of the VCD: ps in an ns
    value, now = "", 0
    for line in text.splitlines():
        if line.startswith("#"):
            now = int(line[1:])
            if now > failure.time_ns * scale:
                break
        elif line.startswith("b") and line.split()[1] == found[1]:
            value = line.split()[0][1:]
    assert int(value, 2) == int(failure.fields["payload"].got)


def test_the_files_lie_in_the_folder_asked_for(wrong: tuple[Verification, Path]) -> None:
    failure, folder = only(wrong[0]), wrong[1]
    assert {Path(failure.stimulus).parent, Path(failure.waveform).parent} == {folder}


def test_the_command_replays_the_failure(wrong: tuple[Verification, Path]) -> None:
    words = shlex.split(only(wrong[0]).replay)
    assert words[:3] == ["consilico", "verify", "toy/multiply"]
    path = Path(words[words.index("--replay") + 1])
    simulators = [words[words.index("--sim") + 1]]
    again = replay_file(UNIT, CONFIG, WRONG_BIT, simulators, path)
    assert only(again).what == "wrong: payload"
    assert [(part.point, part.why) for part in again.exempt] == [
        ("verification", f"only {path} was replayed")
    ]
    assert replay_file(UNIT, CONFIG, GOOD, simulators, path).passed


def test_unknown_bits_are_shown_as_such(tmp_path: Path) -> None:
    text = "\n".join(toy.sources("result <= product", "result <= {product[15:1], 1'bx}"))
    verdict = check(UNIT, CONFIG, text, ["icarus"], 1, failures=tmp_path)
    failure = next(each for each in verdict.failures if each.fields)
    assert failure.what == "wrong: bits unknown"
    assert failure.fields["payload"].got.endswith("x")
    assert failure.fields["payload"].ulp is None


LANES = """
module {name}(
  input clk, input rst,
  input [103:0] i__payload, input i__valid, output i__ready,
  output [31:0] o__payload, output o__valid, input o__ready,
  input [30:0] cfg__payload, input cfg__valid, output cfg__ready
);
  wire [31:0] right;
  {name}_right unit(.o__payload(right), .*);
  assign o__payload = right ^ ({faults});
endmodule
"""


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        # lane 1 is off by 1 where its bit 3 is set, lane 2 by 2 where its bit 4 is set
        (
            "32'(right[11]) << 8 | 32'(right[20]) << 17",
            {"wrong: lane1/payload": 1, "wrong: lane2/payload": 2},
        ),
        # the same fault in all four lanes
        ("right >> 3 & 32'h01010101", {"wrong: payload": 1}),
    ],
)
def test_lanes_that_fail_by_themselves_are_different_failures(
    tmp_path: Path, faults: str, expected: dict[str, int]
) -> None:
    unit = find_unit("training/stochastic_round")
    config = configure(unit, ["lanes=4"])
    name = unit.module_name
    text = verilog(unit, config).replace(f"module {name}(", f"module {name}_right(")
    text += LANES.format(name=name, faults=faults)
    verdict = check(unit, config, text, ["icarus"], 1, failures=tmp_path)
    assert {each.what: each.worst_ulp for each in verdict.failures} == expected
    for failure in verdict.failures:
        assert failure.items < 10
        assert Path(failure.waveform).exists()


@pytest.mark.parametrize(("wrong_beats", "apart"), [(5, False), (12, True)])
def test_a_fault_that_shows_rarely_is_one_in_whatever_lanes(wrong_beats: int, apart: bool) -> None:
    fields = tuple(Field(name="data", lane=lane, offset=8 * lane, width=8) for lane in range(4))
    expected = np.zeros((20, 4), dtype=np.uint8)
    got = expected.copy()
    got[np.arange(wrong_beats), np.arange(wrong_beats) % 2] = 1  # two of four lanes by turns
    every, none = np.arange(20), np.zeros(0, dtype=np.int64)
    comparison = ReplayComparison(
        order=every, cycles=every, delivered=every, due=every, wrong=(got != expected).any(axis=1),
        early=0, extra=none, missing=0, dropped=0, delivered_cycles=every, source=every,
        expected=expected, got=got, resets_in_flight=0, configs_in_flight=0,
    )  # fmt: skip
    transcript = SimpleNamespace(
        unknown=np.zeros(20, dtype=np.bool_), delivers=np.ones(20, dtype=np.bool_), problems=()
    )
    seen = Observed(script=script(), transcript=transcript, comparison=comparison, symptoms={})  # type: ignore[arg-type]
    told = tell_lanes_apart(seen, Layout(width=32, fields=fields))
    assert told.apart == ({"data"} if apart else frozenset())
    assert list(told.symptoms) == (["wrong: lane0/data", "wrong: lane1/data"] if apart else [])


def test_a_rate_that_drops_after_some_beats_is_found(tmp_path: Path) -> None:
    slow = toy.sources("i__ready = free0", "i__ready = free0 & (n < 32 | n[0])")
    slow[0] = slow[0].replace(
        "wire gated;",
        "wire gated; reg [15:0] n = 0; always @(posedge clk) n <= rst ? 0 : n + (i__valid);",
    )
    slow[0] = slow[0].replace("free0 & i__valid", "free0 & i__ready & i__valid")
    slow[0] = slow[0].replace("full0 <= i__valid", "full0 <= i__valid & i__ready")
    verdict = check(UNIT, CONFIG, "\n".join(slow), ["icarus"], 1, failures=tmp_path)
    assert verdict.failures == ()  # every result is right
    assert re.search(
        r"icarus, full speed: 4\d\d beats of data took .* declared", str(verdict.problems)
    )


def test_a_clock_gate_that_never_rests_spoils_the_verdict(tmp_path: Path) -> None:
    text = "\n".join(toy.sources(".enable(free0 & i__valid)", ".enable(free0)"))
    verdict = check(UNIT, CONFIG, text, ["icarus"], 1, failures=tmp_path)
    assert not verdict.passed
    assert "clock gate gate ticks" in verdict.problems[0]


def test_a_failure_that_does_not_show_twice_keeps_its_stimulus() -> None:
    replays: list[Script] = []
    nothing = Observed(script=script(), transcript=None, comparison=None, symptoms={"x": 1})  # type: ignore[arg-type]
    assert shortest(nothing, "x", replays.append) is nothing
    assert len(replays) == 2


def script() -> Script:
    profile = PROFILES[1]
    return concurrent(
        toy.stimulus(), profile, 1, lambda kind, bits: UNIT.expect(CONFIG, kind, bits)
    )


def test_a_stimulus_file_holds_the_whole_script(tmp_path: Path) -> None:
    path, before = tmp_path / "one.json", script()
    path.write_text(script_json(before, LAYOUTS, UNIT.name, CONFIG, "nothing"))
    after = read_script(path, LAYOUTS, UNIT.name, CONFIG)
    matters = before.kind == 2  # only of a reset length and pressure are kept
    assert (after.kind == before.kind).all()
    assert (after.bits[~matters] == before.bits[~matters]).all()
    assert (after.length[matters] == before.length[matters]).all()
    for name in ("data_lead", "config_lead", "gap", "pressed"):
        assert (getattr(after, name) == getattr(before, name)).all(), name
    assert (after.consumer.ways == before.consumer.ways).all()
    assert (after.consumer.delays == before.consumer.delays).all()
    assert (after.consumer.loop, after.scramble) == (before.consumer.loop, before.scramble)


def test_payloads_are_written_by_lane_and_field() -> None:
    fields = tuple(
        Field(name="code", lane=lane, offset=4 * lane, width=4, signed=True) for lane in range(2)
    )
    layouts = Layouts(i=Layout(width=8, fields=fields), o=Layout.plain(8))
    stimulus = in_order(toy.stimulus(rounds=1)).select(np.array([1]))
    stimulus.bits[0] = 0xF2
    text = script_json(stimulus, layouts, "a/b", CONFIG, "nothing")
    assert json.loads(text)["items"][0]["fields"] == {"lane0/code": 2, "lane1/code": -1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "other/1"}, "its schema is not 'stimulus/1'"),
        ({"unit": "other/unit"}, "unit is 'other/unit', not 'toy/multiply'"),
        ({"config": {"rounds": 3}}, "give the same --set"),
        ({"items": [{"kind": "data", "fields": {"x": 1}}]}, "fields are payload; payload differs"),
        ({"items": [{"kind": "data", "fields": {"payload": 256}}]}, "payload is 256; accepted: 0"),
        ({"items": [{"kind": "rest"}]}, "no stimulus file"),
        ({"consumer": []}, "a consumer has"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    path = tmp_path / "one.json"
    value = json.loads(script_json(script(), LAYOUTS, UNIT.name, CONFIG, "nothing"))
    path.write_text(json.dumps(value | change))
    with pytest.raises(UserError, match=re.escape(says)) as caught:
        read_script(path, LAYOUTS, UNIT.name, CONFIG)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
